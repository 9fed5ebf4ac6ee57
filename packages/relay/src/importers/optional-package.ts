// Packages that only one importer needs are not dependencies of the relay: they are found beside it, or where the command was started, which often is the folder
// of the server that is being left. Read by the importers.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Loads the first of `names` that is installed here; null when none is. A name "a/b > c" is c as a depends on it. Rejects with what the package throws. */
export async function loadOptional(names: readonly string[]): Promise<unknown> {
  for (const name of names) {
    const path = resolved(import.meta.filename, name) ?? resolved(join(process.cwd(), 'package.json'), name)
    if (path !== null) return import(pathToFileURL(path).href)
  }
  return null
}

function resolved(from: string, name: string): string | null {
  let place = from
  for (const step of name.split(' > ')) {
    try {
      place = createRequire(place).resolve(step)
    } catch {
      return null
    }
  }
  return place
}
