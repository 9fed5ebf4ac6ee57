// One deliberate fault of the engine: a text of one source file and what stands in its place while the fault is tried. Nothing of it is ever in the
// packages: mutant-loader.ts puts it in when the module is loaded. Read by the lists of mutants and by everything that tries them. Rule: OR-0.

export interface Mutant {
  /** Kebab-case, unique, and kept: killing-seeds.json knows a mutant by it. */
  readonly id: string
  /** What the engine does wrong, in one line. */
  readonly what: string
  /** Rules of docs/spec.md that it breaks. */
  readonly rules: readonly string[]
  /** Source file, from the folder of packages. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
}
