// Runs before anything else of this package is evaluated, and so imports nothing: an old Node says what it needs, and not where a syntax error is.

/** Null when the version will do. */
export function nodeVersionProblem(version: string): string | null {
  const major = Number(version.split('.')[0])
  return major >= 22
    ? null
    : `@syncline/client needs Node 22 or newer, and this is Node ${version}. Install a newer Node (https://nodejs.org) and start again.`
}

const problem = nodeVersionProblem(process.versions.node)
if (problem !== null) throw Object.assign(new Error(problem), { code: 'node-too-old' })
