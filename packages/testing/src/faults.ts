// What goes wrong, one kind at a time, each bounded in time. Decides where and how long; network.ts and simulated-replica.ts do it. Read by world.ts.

import { WHOLE_RANGE, type Scope } from '@syncline/protocol'
import type { Connection } from './network.ts'
import { ONCE, type FaultKind } from './plan.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import type { World } from './world.ts'

/** A fault that finds nothing to do looks again after this time. */
const LOOK_AGAIN_MS = 30

/** Places `events` faults of the plan's kinds over the next `spanMs`, every kind at least once. */
export function scheduleFaults(world: World, events: number, spanMs: number): void {
  const { random, plan } = world
  const left = new Set<FaultKind>(plan.faults)
  const kinds = random.shuffled(plan.faults)
  for (let i = 0; i < events; i++) {
    const kind = kinds[i] ?? random.pick(plan.faults)
    if (!left.has(kind)) continue
    if (ONCE.has(kind)) left.delete(kind)
    const durationMs = random.between(100, Math.max(200, spanMs / 3))
    world.schedule.after(random.float() * spanMs, () => inject(world, kind, durationMs))
  }
}

function inject(world: World, kind: FaultKind, durationMs: number): void {
  if (world.healed) return
  if (!FAULTS[kind](world, durationMs)) {
    if (!world.faultsInjected.has(kind)) world.schedule.after(LOOK_AGAIN_MS, () => inject(world, kind, durationMs))
    return
  }
  world.faultsInjected.set(kind, (world.faultsInjected.get(kind) ?? 0) + 1)
  world.note(`fault: ${kind} for ${durationMs} ms`)
}

/** Ends with the fault phase at the latest. */
function afterwards(world: World, durationMs: number, undo: () => unknown): void {
  world.schedule.after(durationMs, () => {
    if (!world.healed) undo()
  })
}

/** False: there was nothing to do it to. */
type Fault = (world: World, durationMs: number) => boolean

const FAULTS: Readonly<Record<FaultKind, Fault>> = {
  cut(world) {
    const connection = someConnection(world)
    if (connection === null) return false
    world.counters.add('link cut')
    world.network.cut(connection)
    return true
  },

  'half-open'(world) {
    const connection = someConnection(world)
    if (connection === null) return false
    world.counters.add('link half-open')
    world.network.silence(connection.dialler)
    if (world.random.chance(0.7)) world.network.silence(connection.listener)
    return true
  },

  partition(world, durationMs) {
    const side = new Set(world.replicas.filter(() => world.random.chance(0.5)))
    const how = world.random.pick(['stall', 'refuse'] as const)
    const apart = world.edges.filter(({ from, to }) => side.has(from) !== side.has(to))
    if (apart.length === 0) return false
    world.counters.add('partition')
    for (const { from, to } of apart) {
      world.network.block(from, to, how)
      world.network.block(to, from, how)
    }
    const before = new Map(world.replicas.map((replica) => [replica, world.writesBy(replica)]))
    const wrote = (inside: boolean): boolean =>
      world.replicas.some((replica) => side.has(replica) === inside && world.writesBy(replica) > (before.get(replica) ?? 0))
    afterwards(world, durationMs, () => {
      if (wrote(true) && wrote(false)) world.counters.add('partition healed with concurrent writes')
      for (const { from, to } of apart) {
        world.network.unblock(from, to)
        world.network.unblock(to, from)
      }
    })
    return true
  },

  'one-way'(world, durationMs) {
    const { from, to } = world.random.pick(world.edges)
    const [a, b] = world.random.chance(0.5) ? [from, to] : [to, from]
    world.counters.add('one-way partition')
    world.network.block(a, b, 'stall')
    afterwards(world, durationMs, () => world.network.unblock(a, b))
    return true
  },

  hostile(world, durationMs) {
    const rate = (): number => (world.random.chance(0.5) ? world.random.pick([0.01, 0.05, 0.2]) : 0)
    world.network.hostility = { lose: rate(), duplicate: rate(), reorder: rate(), corrupt: rate(), truncate: rate() }
    afterwards(world, durationMs, () => (world.network.hostility = null))
    return true
  },

  slow(world, durationMs) {
    world.network.weather = { ...world.network.weather, bytesPerMs: world.random.pick([0.5, 2, 10]) }
    afterwards(world, durationMs, () => (world.network.weather = { ...world.network.weather, bytesPerMs: Infinity }))
    return true
  },

  crash(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    world.counters.add('crash')
    if (world.random.chance(0.4)) replica.crashBetweenEffects()
    else replica.crash(world.random.chance(0.3))
    restartAfter(world, replica, Math.min(durationMs, 1500))
    return true
  },

  pause(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    world.counters.add('pause')
    replica.pause(durationMs)
    return true
  },

  restore(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    const image = replica.image()
    afterwards(world, durationMs, () => {
      world.counters.add('restore in place')
      world.note(`${replica.name} goes back to an older copy`)
      replica.crash(world.random.chance(0.5))
      replica.start(image)
    })
    return true
  },

  clone(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    const image = replica.image()
    afterwards(world, durationMs, () => {
      world.counters.add('copy detected')
      world.addSibling(replica, `${replica.name}c`).start(image, true)
    })
    return true
  },

  twin(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    const image = replica.image()
    afterwards(world, Math.min(durationMs, 500), () => {
      const twin = world.addSibling(replica, `${replica.name}t`)
      world.twins.add(twin)
      twin.start(image, false)
    })
    return true
  },

  'store-full'(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    replica.storeFull = true
    afterwards(world, durationMs, () => (replica.storeFull = false))
    return true
  },

  quarantine(world) {
    const replica = someRunning(world)
    const rows = replica === null ? [] : replica.store!.reader.docs(WHOLE_RANGE, 100)
    if (replica === null || rows.length === 0) return false
    const row = world.random.pick(rows)
    replica.damage(row.key)
    return true
  },

  resubscribe(world, durationMs) {
    const replica = someRunning(world)
    if (replica === null) return false
    const scope: Scope = world.random.chance(0.5)
      ? { kind: 'document', doc: world.random.pick(world.docs) }
      : { kind: 'collection', collection: 'lists' }
    if (replica.settings.interests.some((one) => JSON.stringify(one) === JSON.stringify(scope))) return false
    world.counters.add('resubscription')
    replica.subscribe(scope)
    if (world.random.chance(0.5)) afterwards(world, durationMs, () => replica.isUp && replica.unsubscribe(scope))
    return true
  },
}

function restartAfter(world: World, replica: SimulatedReplica, delayMs: number): void {
  afterwards(world, delayMs, () => {
    // A crash between effects waits for a flush: it may not have come yet.
    if (replica.isUp) replica.crash()
    replica.start()
  })
}

function someConnection(world: World): Connection | null {
  const connections = [...world.network.connections]
  return connections.length === 0 ? null : world.random.pick(connections)
}

function someRunning(world: World): SimulatedReplica | null {
  const running = world.replicas.filter((replica) => replica.isUp && !replica.isPaused)
  return running.length === 0 ? null : world.random.pick(running)
}
