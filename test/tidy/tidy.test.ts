// Style that matters is a test: each rule reads the tracked files and fails with the list of offenders and what to do about them.
// The limits and the allowed lists stand here, each with its reason. Rules TY-1 to TY-9 of docs/spec.md.
import { expect, test } from 'vitest'
import { readSource, type SourceFacts } from './syntax.ts'
import { trackedFiles, type TrackedFile } from './tracked-files.ts'

const fileLinesMax = 500
const functionLinesMax = 80

/** What the source of a package may import by name. `under` limits an import to one folder of src. */
const importMap: Readonly<Record<string, readonly { readonly name: string; readonly under?: string }[]>> = {
  protocol: [{ name: 'lib0' }],
  store: [{ name: '@syncline/protocol' }, { name: 'better-sqlite3', under: 'sqlite/' }],
  replica: [
    { name: '@syncline/protocol' },
    { name: '@syncline/store' },
    { name: 'yjs' },
    { name: 'y-protocols' },
    { name: 'lib0' },
    { name: 'ws', under: 'ws/' },
  ],
  client: [{ name: '@syncline/protocol' }, { name: '@syncline/store' }, { name: '@syncline/replica' }, { name: 'yjs' }],
  relay: [
    { name: '@syncline/protocol' },
    { name: '@syncline/store' },
    { name: '@syncline/replica' },
    { name: 'yjs' },
    { name: 'y-protocols' },
    { name: 'lib0' },
    { name: 'ws' },
    { name: 'jose' },
    { name: 'zod' },
    { name: 'hono', under: 'admin/' },
    { name: '@hono/node-server', under: 'admin/' },
    { name: 'prom-client', under: 'metrics/' },
  ],
  testing: [
    { name: '@syncline/protocol' },
    { name: '@syncline/store' },
    { name: '@syncline/replica' },
    { name: 'yjs' },
    { name: 'y-protocols', under: 'contracts/' },
    { name: 'fast-check', under: 'workload/arbitraries.ts' },
  ],
}

/** Source that runs in every JavaScript runtime: no `node:` imports, no Buffer, no process. */
const runtimeNeutral = [/^packages\/protocol\/src\//, /^packages\/replica\/src\/(?!ws\/)/, /^packages\/store\/src\/(?!sqlite\/|contract\/)/]

/** Where time and chance may come from: files named for the clock or the runtime, and the Node edge. */
const clockFiles = [/\/([a-z0-9-]+-)?clock\.ts$/, /\/runtime[a-z0-9-]*\.ts$/, /^packages\/replica\/src\/ws\//]
/** Files of the relay and the client that may read the clock themselves, each with its reason. */
const clockAllowed: Readonly<Record<string, string>> = {}

const clockNames = new Set(['Date.now', 'Math.random', 'setTimeout', 'setInterval'])

const files = trackedFiles()
const code = files.filter((file) => /\.(ts|js|mjs)$/.test(file.path))
const source = code.filter((file) => /^packages\/[a-z]+\/src\/.*\.ts$/.test(file.path))
const facts = new Map(code.map((file) => [file.path, readSource(file.path, file.text)]))

test('[TY-1] a package imports only what the map of packages allows', () => {
  const offenders = source.flatMap(({ path }) =>
    factsOf(path)
      .imports.filter(({ specifier }) => !importAllowed(path, specifier))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
  )
  expectNone(offenders, 'Import through the layer that may use it, or change the map here and in docs/ARCHITECTURE.md.')
})

test('[TY-2] protocol, replica and the portable parts of store use nothing of Node', () => {
  const neutral = source.filter(({ path }) => runtimeNeutral.some((pattern) => pattern.test(path)))
  const offenders = neutral.flatMap(({ path }) => [
    ...factsOf(path)
      .imports.filter(({ specifier }) => specifier.startsWith('node:'))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
    ...factsOf(path)
      .uses.filter(({ name }) => name === 'Buffer' || name === 'process')
      .map(({ name, line }) => `${path}:${line} uses ${name}`),
  ])
  expectNone(offenders, 'Use Uint8Array and TextEncoder, take what the host knows as an argument, or move the code to the Node edge.')
})

test(`[TY-3] no source file is over ${fileLinesMax} lines and no function over ${functionLinesMax}`, () => {
  const long = source.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length
    return [
      ...(lines > fileLinesMax ? [`${path} has ${lines} lines`] : []),
      ...factsOf(path)
        .functions.filter((found) => found.lines > functionLinesMax)
        .map((found) => `${path}:${found.line} is a function of ${found.lines} lines`),
    ]
  })
  expectNone(long, 'Split by concept: one file, one thing; decisions apart from input and output.')
})

test('[TY-4] time and chance are arguments: only clock and runtime files read them', () => {
  const bound = source.filter(({ path }) => !clockFiles.some((pattern) => pattern.test(path)) && clockAllowed[path] === undefined)
  const offenders = bound.flatMap(({ path }) =>
    factsOf(path)
      .uses.filter(({ name }) => clockNames.has(name))
      .map(({ name, line }) => `${path}:${line} uses ${name}`),
  )
  const unused = Object.keys(clockAllowed).filter((path) => !facts.has(path))
  expectNone(offenders, 'Take a Clock or a random source as an argument.')
  expectNone(unused, 'Remove the file from the allowed list: it is gone.')
})

test('[TY-5] nothing is left for later in the code', () => {
  // The brackets keep this line from finding itself.
  const marker = /\b(TOD[O]|FIXM[E]|XX[X])\b/
  expectNone(linesMatching(marker), 'Do it now, or open an issue and remove the mark.')
})

test('[TY-6] every error code is used in the source and documented in docs/errors.md, and no other code is', async () => {
  const { errorTable } = await import('@syncline/protocol')
  const codes = Object.keys(errorTable)
  const used = new Set(source.filter(({ path }) => !path.endsWith('/errors.ts')).flatMap(({ path }) => [...factsOf(path).strings]))
  const documented = new Set([...textOf('docs/errors.md').matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map((match) => match[1] ?? ''))
  expectNone(
    codes.filter((name) => !used.has(name)),
    'Remove the row from the error table: nothing reports it.',
  )
  expectNone(
    [...codes.filter((name) => !documented.has(name)), ...[...documented].filter((name) => !codes.includes(name))],
    'Run pnpm docs: docs/errors.md and the error table differ.',
  )
})

test('[TY-7] files and folders are named for their one concept', () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|types)(\.[a-z.]+)?(\/|$)/
  const offenders = files.map(({ path }) => path).filter((path) => vague.test(path))
  expectNone(offenders, 'Name the file for what it decides.')
})

test('[TY-8] every test title starts with a rule id that stands in docs/spec.md', async () => {
  const { linkContract, policyContract, storeContract } = await import('@syncline/testing/contracts')
  const ruleId = /^\[((?:[A-Z]+(?:-[A-Z]*)?[0-9]+[a-z]?)|\$\{\})\] \S/
  const spec = textOf('docs/spec.md')
  const tests = code.filter(({ path }) => path.endsWith('.test.ts'))
  const unnamed: string[] = []
  const unknown = new Map<string, string[]>()
  const note = (id: string, place: string): void => void unknown.set(id, [...(unknown.get(id) ?? []), place])
  for (const { path } of tests) {
    for (const { title, line } of factsOf(path).testTitles) {
      const id = title === null ? undefined : ruleId.exec(title)?.[1]
      if (id === undefined) unnamed.push(`${path}:${line} ${title ?? '(the title is no literal)'}`)
      else if (id !== '${}' && !standsIn(spec, id)) note(id, `${path}:${line}`)
    }
  }
  // Titles whose id is computed come from the contracts, which are data.
  for (const { id } of [...storeContract, ...linkContract, ...policyContract]) if (!standsIn(spec, id)) note(id, 'a contract')
  expectNone(unnamed, 'Start the title with the id of the rule that the test proves: test("[CV-1] replicas ...").')
  expectNone(
    [...unknown].map(([id, places]) => `${id} (${places.join(', ')})`).toSorted(),
    'Word the rule in docs/spec.md, or use the id of the rule that is meant.',
  )
})

test('[TY-9] tracked files name no machine and no tool of the people who wrote them', () => {
  const words = [/\/[w]ork\//, /\/tmp\/[b]rief/, /[s]ubagent/i, /\b[f]arm-/i]
  const offenders = words.flatMap((word) => linesMatching(word))
  expectNone(offenders, 'Reach files by a path relative to the repository or by an environment variable.')
})

function importAllowed(path: string, specifier: string): boolean {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return true
  const [, owner = '', inside = ''] = /^packages\/([a-z]+)\/src\/(.*)$/.exec(path) ?? []
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  return (importMap[owner] ?? []).some((allowed) => allowed.name === name && inside.startsWith(allowed.under ?? ''))
}

function standsIn(text: string, id: string): boolean {
  return new RegExp(`\\b${id}\\b`).test(text)
}

function linesMatching(pattern: RegExp): string[] {
  return files
    .filter(({ path }) => path !== 'pnpm-lock.yaml' && path !== 'LICENSE')
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim().slice(0, 120)}`] : [])),
    )
}

function textOf(path: string): string {
  return files.find((file: TrackedFile) => file.path === path)?.text ?? ''
}

function factsOf(path: string): SourceFacts {
  const found = facts.get(path)
  if (found === undefined) throw new Error(`${path} was not read`)
  return found
}

function expectNone(offenders: readonly string[], remedy: string): void {
  if (offenders.length > 0) expect.fail(`${remedy}\n  ${offenders.join('\n  ')}\n`)
}
