// Patterns for spaces and documents: literal text, `*` (any text without a slash), `**` (any text), and `{subject}` as a whole segment (the subject of whoever
// asks). Nothing else has a meaning, so nothing needs an escape; braces are refused elsewhere. Pure. Read by policy.ts and policy-file.ts. Rules: AC-2.
//
// `{subject}` is compared as it stands: a `*` in a subject is a star and no wildcard. A subject that is empty or holds a slash matches nothing: the folder
// of "ada/x" would otherwise lie inside the folder of "ada".

import { ACCESS_LIMITS } from './access-limits.ts'

type Token =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'segment' }
  | { readonly kind: 'anything' }
  | { readonly kind: 'subject' }

export interface Pattern {
  /** As it was written. */
  readonly source: string
  readonly tokens: readonly Token[]
}

/** Reads a pattern, or says in words why it is none. */
export function readPattern(source: string): Pattern | { readonly problem: string } {
  if (source.length === 0) return { problem: 'a pattern is not empty; ** matches everything' }
  if (source.length > ACCESS_LIMITS.patternCharactersMax)
    return { problem: `a pattern has at most ${ACCESS_LIMITS.patternCharactersMax} characters` }
  if (!source.isWellFormed() || source.includes('\0')) return { problem: 'a pattern is well-formed text without NUL' }
  if (source.includes('***')) return { problem: '*** has no meaning: * stops at a slash, ** does not' }
  const tokens: Token[] = []
  let wildcards = 0
  // The group keeps the wildcards in the result of the split; the expression is fixed and linear.
  for (const part of source.split(/(\*\*|\*|\{subject\})/)) {
    if (part === '') continue
    if (part === '*' || part === '**') wildcards++
    if (part === '*') tokens.push({ kind: 'segment' })
    else if (part === '**') tokens.push({ kind: 'anything' })
    else if (part === '{subject}') tokens.push({ kind: 'subject' })
    else tokens.push({ kind: 'literal', text: part })
  }
  if (wildcards > ACCESS_LIMITS.patternWildcardsMax)
    return { problem: `a pattern has at most ${ACCESS_LIMITS.patternWildcardsMax} wildcards` }
  const problem = bracesProblem(tokens)
  return problem === null ? { source, tokens } : { problem }
}

function bracesProblem(tokens: readonly Token[]): string | null {
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'literal' && /[{}]/.test(token.text)) return 'braces stand only in {subject}'
    if (token.kind !== 'subject') continue
    const before = tokens[index - 1]
    const after = tokens[index + 1]
    const opens = before === undefined || (before.kind === 'literal' && before.text.endsWith('/'))
    const ends = after === undefined || (after.kind === 'literal' && after.text.startsWith('/'))
    if (!opens || !ends) return '{subject} is a whole segment: slashes, or the ends of the pattern, stand around it'
  }
  return null
}

/** True if the pattern stands for all of `text`. Total. Cost: at most the length of the pattern times the length of the text, and linear in the text for a
 *  given pattern; patterns that begin otherwise than the text cost nothing. */
export function matches(pattern: Pattern, text: string, subject: string | null): boolean {
  const { tokens } = pattern
  const first = tokens[0]
  // What most patterns are: a whole name, or everything under a prefix.
  if (first?.kind === 'literal' && tokens.length === 1) return text === first.text
  if (first?.kind === 'literal' && !text.startsWith(first.text)) return false
  if (tokens.at(-1)?.kind === 'anything' && tokens.length === (first?.kind === 'literal' ? 2 : 1)) return true
  const last = tokens.at(-1)
  if (last?.kind === 'literal' && !text.endsWith(last.text)) return false
  // at[i]: the tokens so far stand for the first i characters of the text.
  let at = new Uint8Array(text.length + 1)
  at[0] = 1
  for (const token of tokens) {
    if (token.kind === 'segment') spread(at, text, true)
    else if (token.kind === 'anything') spread(at, text, false)
    else {
      const literal = token.kind === 'literal' ? token.text : subject
      if (literal === null || (token.kind === 'subject' && !standsForFolder(literal))) return false
      at = moved(at, text, literal)
    }
    if (!at.includes(1)) return false
  }
  return at[text.length] === 1
}

/** False when the pattern matches nothing for this subject. */
export function canMatch({ tokens }: Pattern, subject: string | null): boolean {
  return (subject !== null && standsForFolder(subject)) || !tokens.some(({ kind }) => kind === 'subject')
}

/** True: the pattern stands for every text that begins with `prefix`. False says nothing. */
export function coversAll({ tokens }: Pattern, prefix: string): boolean {
  const [first, second] = tokens
  if (first?.kind === 'literal') return tokens.length === 2 && second!.kind === 'anything' && prefix.startsWith(first.text)
  return tokens.length === 1 && first?.kind === 'anything'
}

/** False: the pattern stands for no text that begins with `prefix`. True says nothing. */
export function mayTouch({ tokens }: Pattern, prefix: string): boolean {
  const [first] = tokens
  return first?.kind !== 'literal' || first.text.startsWith(prefix) || (tokens.length > 1 && prefix.startsWith(first.text))
}

/** True if `{subject}` matches for this subject at all. */
export function standsForFolder(subject: string): boolean {
  return subject !== '' && !subject.includes('/')
}

/** From each position on, all further ones, up to a slash if `stop`. */
function spread(at: Uint8Array, text: string, stop: boolean): void {
  for (let i = 1; i <= text.length; i++) if (at[i - 1] === 1 && !(stop && text[i - 1] === '/')) at[i] = 1
}

function moved(at: Uint8Array, text: string, literal: string): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(text.length + 1)
  for (let i = 0; i + literal.length <= text.length; i++) if (at[i] === 1 && text.startsWith(literal, i)) next[i + literal.length] = 1
  return next
}
