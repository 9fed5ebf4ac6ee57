// C25: one relay of a mesh of three is lost for good, with its folder, at the moment of the last ack. Rules: DU-1; PROOF G9.

import { rmSync } from 'node:fs'
import { FaultyProxy, harmless, type Fault } from '../faulty-proxy.ts'
import { late } from '../link-faults.ts'
import type { RelayProcess } from '../../integration/relay-process.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { equalFolders, faultsIn, missingFrom, storedTokens } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1', 'note/2', 'note/3']
const ROUNDS = 3

export const lostMinority: Scenario = {
  id: 'lost-minority',
  fault: 'one of three relays is lost for good, with its disk',
  how: 'three relays in a mesh, the links to all but the one to be lost 100 ms late; edits acknowledged by two copies; SIGKILL and rm -rf, in turn, and at the same moment the writers lose all their links; then an empty relay takes its place',
  expected: 'every edit acknowledged by two copies is on both that are left, without the writers; the empty one gets everything back',
  deadlineMs: 120_000,
  async run(scene) {
    const mesh = await Mesh.open(scene)
    const problems: string[] = []
    const acked: string[] = []
    let equalMs = 0
    const rounds = Math.min(scene.rounds ?? ROUNDS, 10)
    for (let round = 0; round < rounds; round++) {
      const victim = round % 3
      acked.push(...(await mesh.writeAndLose(victim, round)))
      const left = [0, 1, 2].filter((index) => index !== victim)
      equalMs = Math.max(
        equalMs,
        await equalFolders(
          scene,
          left.map((index) => mesh.folders[index]!),
          40_000,
        ),
      )
      for (const index of left)
        problems.push(...missingFrom(`relay ${index} of round ${round + 1}`, acked, await storedTokens(mesh.folders[index]!, DOCUMENTS)))
      await mesh.replace(victim)
      await equalFolders(scene, mesh.folders, 60_000)
      scene.report(
        `round ${round + 1} of ${rounds}: lost relay ${victim}, ${acked.length} acknowledged so far, ${problems.length} problems`,
      )
    }
    problems.push(...(await faultsIn(...mesh.folders)))
    return verdict(
      `${rounds} losses: ${acked.length} edits acknowledged by 2 copies, all on both that were left, equal within ${Math.round(equalMs)} ms; each empty relay was filled again`,
      problems,
    )
  },
}

/** Three relays, each dialling both others and written to through proxies, so that addresses stay and the writers' links can be cut at one moment. */
class Mesh {
  readonly folders: string[]
  readonly #scene: Scene
  readonly #doors: readonly FaultyProxy[]
  readonly #wires: readonly FaultyProxy[]
  readonly #relays: RelayProcess[] = []
  /** What the lost relay acknowledged alone must not have reached the others by chance. */
  readonly #late: Fault

  private constructor(scene: Scene, doors: readonly FaultyProxy[], wires: readonly FaultyProxy[]) {
    this.#scene = scene
    this.#doors = doors
    this.#wires = wires
    this.#late = late(scene.random, 100, 50)
    this.folders = [0, 1, 2].map((index) => scene.subfolder(`relay-${index}`))
  }

  static async open(scene: Scene): Promise<Mesh> {
    // Port 1 until the relay is there: nobody listens on it.
    const proxies = await Promise.all(Array.from({ length: 6 }, () => FaultyProxy.open(1)))
    for (const proxy of proxies) scene.atEnd(() => proxy.close())
    const mesh = new Mesh(scene, proxies.slice(0, 3), proxies.slice(3))
    for (const wire of mesh.#wires) wire.fault = mesh.#late
    for (const index of [0, 1, 2]) await mesh.#start(index)
    return mesh
  }

  async #start(index: number): Promise<void> {
    const others = this.#wires.filter((_, other) => other !== index)
    const relay = await this.#scene.relay(this.folders[index]!, { args: others.flatMap(({ url }) => ['--peer', url]) })
    this.#relays[index] = relay
    this.#doors[index]!.target = relay.port
    this.#wires[index]!.target = relay.port
  }

  /** Returns the tokens that two copies acknowledged. */
  async writeAndLose(victim: number, round: number): Promise<string[]> {
    const scene = this.#scene
    this.#doors.forEach((door, index) => (door.fault = index === victim ? harmless : this.#late))
    const peers = this.#doors.map(({ url }) => url)
    const open = (name: string): Promise<Typist> =>
      Typist.open(scene, { name: `${name}-${round}`, peers, documents: DOCUMENTS, tier: { copies: 2 }, window: 16, everyMs: 5 })
    const writers = [await open('one'), await open('two')]
    for (const writer of writers) {
      await scene.until(
        'a writer is linked to all three',
        () => writer.replica.status.get().peers.every(({ state }) => state === 'connected'),
        30_000,
      )
      writer.start()
    }
    const acked = (): number => writers.reduce((sum, writer) => sum + writer.acked.length, 0)
    const enough = 150 + scene.random.below(150)
    await scene.until(`${enough} edits are acknowledged by two copies`, () => acked() >= enough, 30_000)
    this.#relays[victim]!.signal('SIGKILL')
    for (const door of this.#doors) {
      door.target = 1
      door.resetAll()
    }
    const tokens = writers.flatMap((writer) => writer.acked.map(({ token }) => token))
    await Promise.all(writers.map((writer) => writer.close()))
    await this.#relays[victim]!.exited
    rmSync(this.folders[victim]!, { recursive: true, force: true })
    return tokens
  }

  /** An empty relay at the same address; the doors lead to all three again. */
  async replace(index: number): Promise<void> {
    this.folders[index] = this.#scene.subfolder(`relay-${index}`)
    await this.#start(index)
    this.#doors.forEach((door, at) => (door.target = this.#relays[at]!.port))
  }
}
