// A file system of a few megabytes, where one can be mounted (as root, on Linux). Read by the tests of full disks.

import { execFileSync } from 'node:child_process'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

/** Null where none can be mounted. */
export function smallDisk(size: string): { path: string; end: () => void } | null {
  const path = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'pipe' })
  } catch {
    removeFolder(path)
    return null
  }
  return {
    path,
    end: () => {
      execFileSync('umount', [path])
      removeFolder(path)
    },
  }
}
