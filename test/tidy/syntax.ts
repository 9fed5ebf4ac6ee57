// Facts about one source file, read from its syntax tree and not from its text, so that comments and strings cannot mislead a rule:
// what it imports, which globals it uses, how long its functions are, which strings it holds, how its tests are named.
// Read by: tidy.test.ts.
import { parseSync } from 'oxc-parser'

export interface SourceFacts {
  readonly imports: readonly { readonly specifier: string; readonly line: number }[]
  /** Plain names and `object.name` pairs that are used, not declared as a key: "process", "Date.now". */
  readonly uses: readonly { readonly name: string; readonly line: number }[]
  readonly functions: readonly { readonly line: number; readonly lines: number }[]
  readonly strings: ReadonlySet<string>
  /** Titles of test(...) and it(...) calls; null where the title is no literal. `${}` parts stand as "${}". */
  readonly testTitles: readonly { readonly title: string | null; readonly line: number }[]
}

type Node = { readonly type: string; readonly start: number; readonly end: number; readonly [key: string]: unknown }

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const globalObjects = new Set(['globalThis', 'window', 'self'])
const keyHolders = new Set(['Property', 'PropertyDefinition', 'MethodDefinition', 'TSPropertySignature', 'TSMethodSignature'])

/** Throws when the file does not parse. Cost: one parse and one walk. */
export function readSource(path: string, text: string): SourceFacts {
  const { program, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path} does not parse: ${errors[0].message}`)
  const lineOf = lineFinder(text)
  const facts = {
    imports: [] as { specifier: string; line: number }[],
    uses: [] as { name: string; line: number }[],
    functions: [] as { line: number; lines: number }[],
    strings: new Set<string>(),
    testTitles: [] as { title: string | null; line: number }[],
  }
  walk(program as unknown as Node, null, '', (node, parent, key) => {
    const line = lineOf(node.start)
    const specifier = importSpecifier(node)
    if (specifier !== null) facts.imports.push({ specifier, line })
    const name = usedName(node, parent, key)
    if (name !== null) facts.uses.push({ name, line })
    if (functionTypes.has(node.type)) facts.functions.push({ line, lines: lineOf(node.end) - line + 1 })
    const literal = literalText(node)
    if (literal !== null) facts.strings.add(literal)
    if (isTestCall(node)) facts.testTitles.push({ title: literalText((node['arguments'] as Node[])[0]), line })
  })
  return facts
}

function walk(node: Node, parent: Node | null, key: string, visit: (node: Node, parent: Node | null, key: string) => void): void {
  visit(node, parent, key)
  for (const [childKey, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, node, childKey, visit)
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

function importSpecifier(node: Node): string | null {
  const importing = ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType']
  if (!importing.includes(node.type)) return null
  return literalText((node['source'] ?? node['argument']) as Node | null | undefined)
}

function usedName(node: Node, parent: Node | null, key: string): string | null {
  if (node.type === 'MemberExpression' && node['computed'] !== true) {
    const object = node['object'] as Node
    return object.type === 'Identifier' ? `${String(object['name'])}.${String((node['property'] as Node)['name'])}` : null
  }
  if (node.type !== 'Identifier' || parent === null) return null
  const name = String(node['name'])
  if (parent.type === 'MemberExpression' && key === 'property' && parent['computed'] !== true) {
    const object = parent['object'] as Node
    return globalObjects.has(String(object['name'])) ? name : null
  }
  const isKey = key === 'key' && keyHolders.has(parent.type) && parent['computed'] !== true && parent['shorthand'] !== true
  return isKey ? null : name
}

/** test(...), it.only(...), test.for(table)(...), test.skipIf(condition)(...): the call that holds the title. */
function isTestCall(node: Node): boolean {
  if (node.type !== 'CallExpression' || (node['arguments'] as Node[]).length < 2) return false
  let callee = node['callee'] as Node
  while (callee.type === 'CallExpression' || callee.type === 'MemberExpression') {
    callee = (callee.type === 'CallExpression' ? callee['callee'] : callee['object']) as Node
  }
  return callee.type === 'Identifier' && (callee['name'] === 'test' || callee['name'] === 'it')
}

function literalText(node: Node | null | undefined): string | null {
  if (node === null || node === undefined) return null
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : null
  if (node.type !== 'TemplateLiteral') return null
  const quasis = node['quasis'] as { value: { cooked: string | null } }[]
  return quasis.map((quasi) => quasi.value.cooked ?? '').join('${}')
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low + 1
  }
}
