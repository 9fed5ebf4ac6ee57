// A value that changes over time, as data: the shape that useSyncExternalStore, Svelte stores and Vue refs take alike. Read by status.ts and the
// handles. Rule: AP-7.

/** `get` returns the same object until the value changes. */
export interface Readable<T> {
  get(): T
  /** Calls `listener` now and after every change, until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void
}

/** The writable side. A listener that throws does not keep the others from hearing: its error is thrown on, in a microtask of its own. */
export class Cell<T> implements Readable<T> {
  #value: T
  readonly #listeners = new Set<(value: T) => void>()

  constructor(value: T) {
    this.#value = value
  }

  get(): T {
    return this.#value
  }

  /** Says nothing when `value` is deeply equal to what was there, so that a redraw means a change. */
  set(value: T): void {
    if (isEqual(this.#value, value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) call(listener, value)
  }

  subscribe(listener: (value: T) => void): () => void {
    // A subscription of its own, even where one function subscribes twice.
    const own = (value: T): void => listener(value)
    this.#listeners.add(own)
    call(own, this.#value)
    return () => {
      this.#listeners.delete(own)
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

/** Deep equality over plain data; anything with a prototype of its own (an Error) is compared by identity. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isEqual(item, b[i]))
  if (!isPlain(a) || !isPlain(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
