// Which files the tidy rules read: what git tracks or would track (a file that is new and not ignored counts already), or, where there is no
// git or no checkout (an unpacked archive), everything outside the folders that hold no sources. Read by: tidy.test.ts.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(dirname(import.meta.dirname))
const ignoredFolders = new Set(['.git', '.cache', 'node_modules', 'dist', 'coverage'])
const textFile = /(^|\/)(LICENSE|run|\.[a-z]+)$|\.(ts|js|mjs|json|yaml|yml|md|html|css|txt)$/

export interface TrackedFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** Every tracked text file, sorted by path. */
export function trackedFiles(): readonly TrackedFile[] {
  return (gitPaths() ?? folderPaths(''))
    .filter((path) => textFile.test(path) && existsSync(join(root, path)))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

function gitPaths(): string[] | null {
  if (!existsSync(join(root, '.git'))) return null
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  try {
    const output = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    return output.split('\0').filter((path) => path !== '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function folderPaths(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return ignoredFolders.has(entry.name) ? [] : folderPaths(path)
    return entry.isFile() ? [path] : []
  })
}
