// Loaded before a relay (`node --import`): the wall clock of this process jumps. Each SIGUSR2 takes the next step: a day ahead, a day back, standing still, right
// again. The monotonic clock and timers go on as they are: no real machine turns those back.

const DAY_MS = 86_400_000
const RealDate = Date
const real = Date.now
const steps: readonly (() => () => number)[] = [
  () => () => real() + DAY_MS,
  () => () => real() - DAY_MS,
  () => {
    const frozen = real() - DAY_MS
    return () => frozen
  },
  () => real,
]
let step = 0
let wallMs: () => number = real

Date.now = () => wallMs()
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [wallMs()] : args) as object,
})

process.on('SIGUSR2', () => {
  wallMs = steps[step % steps.length]!()
  process.stderr.write(`clock-jumped: step ${step % steps.length}, now ${new Date().toISOString()}\n`)
  step++
})
