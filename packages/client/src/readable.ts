// A value that changes over time, as data: the shape that useSyncExternalStore, Svelte stores and Vue refs take alike. Read by watch.ts and
// doc-handle.ts. Rule: AP-7.

/** `get` is always up to date, and returns the same object until something in it changes. */
export interface Readable<T> {
  get(): T
  /** Calls `listener` now and after every change, until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void
}

/** A value computed from facts that have a version. Asked for, it is computed when the version is new; listeners hear of it when tell() is called. */
export class Derived<T> implements Readable<T> {
  readonly #compute: () => T
  readonly #version: () => number
  readonly #listeners = new Set<(value: T) => void>()
  #value: T
  #valueVersion: number

  constructor(compute: () => T, version: () => number) {
    this.#compute = compute
    this.#version = version
    this.#valueVersion = version()
    this.#value = compute()
  }

  get(): T {
    const version = this.#version()
    if (version !== this.#valueVersion) {
      this.#valueVersion = version
      const value = this.#compute()
      if (!isEqual(this.#value, value)) this.#value = value
    }
    return this.#value
  }

  /** Tells listeners what they have not heard. One that throws does not keep the others from hearing: its error is thrown in a microtask of its own. */
  tell(): void {
    const value = this.get()
    for (const listener of [...this.#listeners]) listener(value)
  }

  subscribe(listener: (value: T) => void): () => void {
    let heard: T | undefined
    const hear = (value: T): void => {
      if (value === heard) return
      heard = value
      call(listener, value)
    }
    this.#listeners.add(hear)
    hear(this.get())
    return () => {
      this.#listeners.delete(hear)
    }
  }
}

function call<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** Deep equality over plain data; an Error is compared by what it says. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (a instanceof Error && b instanceof Error) return a.message === b.message
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isEqual(item, b[i]))
  if (!isPlain(a) || !isPlain(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
