// What goes wrong, one kind at a time. Carries a fault of the plan out on the world, and ends it in time; a fault that finds nothing to do (a replica that is
// down, a link that is cut) looks again later. Decides nothing. Read by world.ts.

import { WHOLE_RANGE, type Scope } from '@syncline/protocol'
import type { Edge } from '../oracles/oracle.ts'
import type { Fault, FaultKind, FaultOf, Pair } from '../plan/plan.ts'
import { subscribes } from './equality.ts'
import type { Connection } from './network.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import type { World } from './world.ts'

/** A fault that finds nothing to do looks again after this time. */
const LOOK_AGAIN_MS = 30

/** Places every fault of the plan in time. */
export function scheduleFaults(world: World): void {
  for (const fault of world.plan.faults) world.schedule.after(fault.atMs - world.schedule.nowMs, () => inject(world, fault))
}

function inject(world: World, fault: Fault): void {
  if (world.healed) return
  if (!carryOut(world, fault)) {
    world.schedule.after(LOOK_AGAIN_MS, () => inject(world, fault))
    return
  }
  world.faultsInjected.add(fault.kind)
  world.noteFault(fault)
}

function carryOut<K extends FaultKind>(world: World, fault: FaultOf<K>): boolean {
  return FAULTS[fault.kind](world, fault)
}

/** Ends with the fault phase at the latest. */
function afterwards(world: World, durationMs: number, undo: () => unknown): void {
  world.schedule.after(durationMs, () => {
    if (!world.healed) undo()
  })
}

/** False: there was nothing to do it to. */
const FAULTS: { readonly [K in FaultKind]: (world: World, fault: FaultOf<K>) => boolean } = {
  cut(world, { between }) {
    const connection = connectionOf(world, between)
    if (connection === null) return false
    world.counters.add('link cut')
    world.network.cut(connection)
    return true
  },

  'half-open'(world, { between, both }) {
    const connection = connectionOf(world, between)
    if (connection === null) return false
    world.counters.add('link half-open')
    world.network.silence(connection.dialler)
    if (both) world.network.silence(connection.listener)
    return true
  },

  partition(world, { side, how, durationMs }) {
    world.counters.add('partition')
    separate(world, side, world.edges.filter(isBetween(side)), how, durationMs)
    return true
  },

  bridge(world, { over, side, durationMs }) {
    world.counters.add('bridging partition')
    const apart = world.edges.filter(isBetween(side)).filter(({ from, to }) => from.name !== over && to.name !== over)
    separate(world, side, apart, 'refuse', durationMs)
    return true
  },

  'one-way'(world, { from, to, durationMs }) {
    const [a, b] = [world.find(from), world.find(to)]
    if (a === null || b === null) return true
    world.counters.add('one-way partition')
    world.network.block(a, b, 'stall')
    afterwards(world, durationMs, () => world.network.unblock(a, b))
    return true
  },

  swizzle(world, { clog, free, stepMs }) {
    world.counters.add('swizzle')
    const each = (pairs: readonly Pair[], from: number, run: (a: SimulatedReplica, b: SimulatedReplica) => void): void => {
      pairs.forEach(([a, b], index) => {
        const [left, right] = [world.find(a), world.find(b)]
        if (left !== null && right !== null) afterwards(world, (from + index) * stepMs, () => run(left, right))
      })
    }
    each(clog, 0, (a, b) => {
      world.network.block(a, b, 'stall')
      world.network.block(b, a, 'stall')
    })
    each(free, clog.length, (a, b) => {
      world.network.unblock(a, b)
      world.network.unblock(b, a)
    })
    return true
  },

  hostile(world, { durationMs, ...rates }) {
    world.network.hostility = rates
    afterwards(world, durationMs, () => (world.network.hostility = null))
    return true
  },

  slow(world, { bytesPerMs, durationMs }) {
    world.network.weather = { ...world.network.weather, bytesPerMs }
    afterwards(world, durationMs, () => (world.network.weather = { ...world.network.weather, bytesPerMs: Infinity }))
    return true
  },

  crash(world, { replica: name, quietly, afterEffects, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    world.counters.add('crash')
    if (afterEffects === null) replica.crash(quietly)
    else replica.crashAfterEffects(afterEffects)
    afterwards(world, durationMs, () => {
      if (replica.gone) return
      // A crash between effects waits for a turn: it may not have come yet.
      if (replica.isUp) replica.crash()
      replica.start()
    })
    return true
  },

  gone(world, { replica: name }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    world.counters.add('replica gone')
    replica.crash(true)
    replica.gone = true
    return true
  },

  pause(world, { replica: name, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    world.counters.add('pause')
    replica.time.pause(durationMs)
    return true
  },

  restore(world, { replica: name, quietly, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const image = replica.image()
    afterwards(world, durationMs, () => {
      if (replica.gone) return
      world.counters.add('restore in place')
      world.wentBack.add(replica)
      world.note(`${replica.name} goes back to an older copy`)
      replica.crash(quietly)
      replica.start(image)
    })
    return true
  },

  clone(world, { replica: name, linked, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const image = replica.image()
    afterwards(world, durationMs, () => {
      world.counters.add('copy detected')
      world.addSibling(replica, `${name}c`, linked).start(image, true)
    })
    return true
  },

  twin(world, { replica: name, linked, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const image = replica.image()
    afterwards(world, durationMs, () => {
      const twin = world.addSibling(replica, `${name}t`, linked)
      world.twins.add(twin)
      world.wentBack.add(replica).add(twin)
      twin.start(image, false)
    })
    return true
  },

  'store-full'(world, { replica: name, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    replica.storeFull = true
    afterwards(world, durationMs, () => (replica.storeFull = false))
    return true
  },

  quarantine(world, { replica: name, document }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const rows = replica.store!.reader.docs(WHOLE_RANGE, 100)
    if (rows.length === 0) return false
    replica.damage(rows[document % rows.length]!.key)
    return true
  },

  delete(world, { replica: name, document, anew, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const docs = [...world.docs].filter((doc) => subscribes(replica, doc))
    if (replica.settings.readOnly || docs.length === 0) return true
    const doc = docs[document % docs.length]!
    world.counters.add('document deleted')
    replica.note(7, () => `deletes ${doc}`, 'edit')
    replica.desk!.delete(doc)
    if (anew) world.schedule.after(durationMs, () => world.begunAnew.add(doc))
    return true
  },

  resubscribe(world, { replica: name, scope, durationMs }) {
    const replica = running(world, name)
    if (replica === null) return missing(world, name)
    const same = (one: Scope): boolean => JSON.stringify(one) === JSON.stringify(scope)
    if (replica.settings.interests.some(same)) return true
    world.counters.add('resubscription')
    replica.subscribe(scope)
    if (durationMs !== null) afterwards(world, durationMs, () => replica.isUp && replica.unsubscribe(scope))
    return true
  },

  'clock-jump'(world, { replica: name, jumpMs }) {
    const replica = world.find(name)
    if (replica === null) return true
    world.counters.add('clock jump')
    replica.time.jump(jumpMs)
    return true
  },
}

/** Nobody of that name takes part, or it will not come back: the fault is over. Else it is only down: look again. */
function missing(world: World, name: string): boolean {
  const replica = world.find(name)
  return replica === null || replica.gone
}

function running(world: World, name: string): SimulatedReplica | null {
  const replica = world.find(name)
  return replica === null || !replica.isUp || replica.time.isPaused ? null : replica
}

function connectionOf(world: World, [a, b]: Pair): Connection | null {
  for (const connection of world.network.connections) {
    const names = [connection.dialler.owner.name, connection.listener.owner.name]
    if (names.includes(a) && names.includes(b) && !connection.cut) return connection
  }
  return null
}

function isBetween(side: readonly string[]): (edge: Edge) => boolean {
  return ({ from, to }) => side.includes(from.name) !== side.includes(to.name)
}

function separate(world: World, side: readonly string[], apart: readonly Edge[], how: 'stall' | 'refuse', durationMs: number): void {
  for (const { from, to } of apart) {
    world.network.block(from, to, how)
    world.network.block(to, from, how)
  }
  const before = new Map(world.replicas.map((replica) => [replica, world.writesBy(replica)]))
  const wrote = (inside: boolean): boolean =>
    world.replicas.some((replica) => side.includes(replica.name) === inside && world.writesBy(replica) > (before.get(replica) ?? 0))
  afterwards(world, durationMs, () => {
    if (wrote(true) && wrote(false)) world.counters.add('partition healed with concurrent writes')
    for (const { from, to } of apart) {
      world.network.unblock(from, to)
      world.network.unblock(to, from)
    }
  })
}
