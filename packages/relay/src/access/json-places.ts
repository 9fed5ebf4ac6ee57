// A JSON text with the place of every value, for error messages that say line and column. Reads what JSON.parse reads (a test compares them), and refuses what a
// person would not expect to pass: a key given twice, of which JSON.parse keeps the last unseen. Pure. Read by policy-file.ts. Rule: AC-5.

export interface JsonPlaces {
  readonly value: unknown
  /** True if there is a value at this path. */
  has(path: readonly PropertyKey[]): boolean
  /** "line 3, column 14" of the value at this path; of the nearest one around it if there is none. */
  placeOf(path: readonly PropertyKey[]): string
}

export interface JsonProblem {
  readonly place: string
  readonly problem: string
}

/** Parses a JSON text, or says where it is none. `depthMax`: objects and lists in each other. Cost: linear in the text. */
export function readJson(text: string, depthMax: number): JsonPlaces | JsonProblem {
  const reader = new JsonReader(text, depthMax)
  let value: unknown
  try {
    value = reader.document()
  } catch (error) {
    if (!(error instanceof NoJson)) throw error
    return { place: placeAt(text, error.at), problem: error.message }
  }
  return {
    value,
    has: (path) => reader.places.has(keyOf(path)),
    placeOf(path) {
      for (let length = path.length; length > 0; length--) {
        const at = reader.places.get(keyOf(path.slice(0, length)))
        if (at !== undefined) return placeAt(text, at)
      }
      return placeAt(text, reader.places.get(keyOf([])) ?? 0)
    },
  }
}

/** Never leaves this file. */
class NoJson extends Error {
  readonly at: number

  constructor(at: number, words: string) {
    super(words)
    this.at = at
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /true|false|null/y

class JsonReader {
  /** Where each value begins, by its path. */
  readonly places = new Map<string, number>()
  readonly #text: string
  readonly #depthMax: number
  readonly #path: (string | number)[] = []
  #at = 0

  constructor(text: string, depthMax: number) {
    this.#text = text
    this.#depthMax = depthMax
  }

  document(): unknown {
    const value = this.#value()
    if (this.#peek() !== undefined) throw this.#unexpected('the end of the text')
    return value
  }

  #value(): unknown {
    const first = this.#peek()
    this.places.set(keyOf(this.#path), this.#at)
    if (first === '{') return this.#object()
    if (first === '[') return this.#list()
    if (first === '"') return this.#string()
    const plain = this.#match(NUMBER) ?? this.#match(WORD)
    if (plain === null) throw this.#unexpected('a value')
    return JSON.parse(plain)
  }

  #object(): Record<string, unknown> {
    const found: Record<string, unknown> = {}
    this.#enter('{')
    if (this.#taken('}')) return found
    do {
      if (this.#peek() !== '"') throw this.#unexpected('a name in double quotes')
      const begin = this.#at
      const key = this.#string()
      if (key === '__proto__') throw new NoJson(begin, '"__proto__" is no name')
      if (Object.hasOwn(found, key)) throw new NoJson(begin, `${JSON.stringify(key.slice(0, 80))} is given twice`)
      if (!this.#taken(':')) throw this.#unexpected('a colon')
      this.#path.push(key)
      found[key] = this.#value()
      this.#path.pop()
    } while (this.#taken(','))
    if (!this.#taken('}')) throw this.#unexpected('a comma or }')
    return found
  }

  #list(): unknown[] {
    const found: unknown[] = []
    this.#enter('[')
    if (this.#taken(']')) return found
    do {
      this.#path.push(found.length)
      found.push(this.#value())
      this.#path.pop()
    } while (this.#taken(','))
    if (!this.#taken(']')) throw this.#unexpected('a comma or ]')
    return found
  }

  #enter(bracket: '{' | '['): void {
    if (this.#path.length >= this.#depthMax) throw new NoJson(this.#at, `objects and lists nest at most ${this.#depthMax} deep`)
    this.#taken(bracket)
  }

  #string(): string {
    const begin = this.#at
    for (this.#at++; ; this.#at++) {
      const character = this.#text[this.#at]
      if (character === undefined) throw new NoJson(begin, 'the text in quotes does not end')
      if (character < ' ') throw new NoJson(this.#at, 'a line break or control character stands inside quotes')
      if (character === '\\') this.#at++
      if (character === '"') break
    }
    this.#at++
    try {
      return JSON.parse(this.#text.slice(begin, this.#at)) as string
    } catch {
      throw new NoJson(begin, 'the text in quotes has an escape that JSON does not know')
    }
  }

  /** The next character that is no blank. */
  #peek(): string | undefined {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? '-')) this.#at++
    return this.#text[this.#at]
  }

  #taken(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #match(expression: RegExp): string | null {
    expression.lastIndex = this.#at
    const found = expression.exec(this.#text)?.[0] ?? null
    this.#at += found?.length ?? 0
    return found
  }

  #unexpected(wanted: string): NoJson {
    const found = this.#peek()
    return new NoJson(
      this.#at,
      `${wanted} is expected, and ${found === undefined ? 'the text ends' : `${JSON.stringify(found)} stands there`}`,
    )
  }
}

function keyOf(path: readonly PropertyKey[]): string {
  return JSON.stringify(path.map(String))
}

function placeAt(text: string, at: number): string {
  const before = text.slice(0, at)
  return `line ${before.split('\n').length}, column ${at - before.lastIndexOf('\n')}`
}
