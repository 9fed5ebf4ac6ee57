// Campaign of crash images: the SQLite store under simulated power cuts. Half of the images at `disk`, half at `process`, and some as a negative control, on a disk that syncs
// nothing, where losses must be found. Decides what counts as passed: no violation in the images proper, losses in the control, and at `process` suffix losses in a good part
// (else the disk would be too kind to prove anything). Read by `pnpm chaos`, by run.ts and by the quick form in test/integration. Rules: DU-1, DU-2, ID-1, ST-4.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crashImage, type Cut, type ImageResult } from './image.ts'

export interface CrashImageOptions {
  /** Images proper; a tenth as many come on top as negative control. */
  readonly images: number
  readonly seed: number
  /** Receives lines of progress and figures. */
  readonly report: (line: string) => void
}

export interface CampaignResult {
  readonly ok: boolean
  /** What was seen, in one line. */
  readonly observed: string
  /** What failed, each with the command that replays it; empty when ok. */
  readonly details: string[]
}

const SUFFIX_LOSSES_MIN = 0.1
const REPORT_EVERY = 50

/** Cost: about 0.25 s an image. */
export async function crashImageCampaign({ images, seed, report }: CrashImageOptions): Promise<CampaignResult> {
  const folder = temporaryFolder()
  const found: Record<'disk' | 'process', ImageResult[]> = { disk: [], process: [] }
  const control: ImageResult[] = []
  try {
    for (let index = 0; index < images; index++) {
      const durability = index % 2 === 0 ? 'disk' : 'process'
      found[durability].push(await crashImage(imageSeed(seed, index), { folder, durability, ...creationCutOf(index) }))
      if (index % 10 === 9) control.push(await crashImage(imageSeed(seed, index), { folder, durability: 'disk', ignoresSync: true }))
      if (index % REPORT_EVERY === REPORT_EVERY - 1) report(`crash images: ${index + 1} of ${images}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const all = [...found.disk, ...found.process]
  for (const line of figures(found, control)) report(line)
  const details = [...all.flatMap(complaints), ...weaknesses(found, control)]
  const looked = sum(all, (image) => image.looked)
  const observed =
    `${all.length} images, ${sum(all, cutsOf)} power cuts, ${looked} acknowledged transactions looked for: ${sum(found.disk, (image) => image.lost)} lost at disk, ` +
    `${sum(found.process, (image) => image.lost)} lost from the end at process, ${details.length} violations`
  return { ok: details.length === 0, observed, details }
}

/** Of image `index` in a campaign. */
function imageSeed(seed: number, index: number): number {
  return (Math.imul(seed, 1_000_003) + index) >>> 0
}

/** A quarter of the images walks through the operations of a creation, 98 of them, in steps. */
function creationCutOf(index: number): { readonly creationCut?: number } {
  return index % 8 < 2 ? { creationCut: (Math.floor(index / 8) * 7) % 98 } : {}
}

/** In memory where the system offers it: a crash image writes much and must survive nothing. */
export function temporaryFolder(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'syncline-crash-images-'))
}

export function replayCommand({ seed, durability, creationCut }: Pick<ImageResult, 'seed' | 'durability' | 'creationCut'>): string {
  const cut = creationCut === null ? '' : ` --creation-cut ${creationCut}`
  return `node scripts/bootstrap.mjs node --conditions=syncline-source test/chaos/crash-images/run.ts --replay ${seed} --durability ${durability}${cut}`
}

function complaints(image: ImageResult): string[] {
  return image.violations.map(
    (violation) => `crash image ${image.seed} at ${image.durability}: ${violation}\n  replay: ${replayCommand(image)}`,
  )
}

/** Why the campaign proves nothing, where it does not. */
function weaknesses(found: Record<'disk' | 'process', readonly ImageResult[]>, control: readonly ImageResult[]): string[] {
  const weak: string[] = []
  if (control.length > 0 && !control.some((image) => image.violations.length > 0)) {
    weak.push('on a disk that syncs nothing no loss was found: the check cannot fail')
  }
  const lossy = found.process.filter((image) => image.suffixLosses > 0).length
  if (found.process.length >= 10 && lossy < SUFFIX_LOSSES_MIN * found.process.length) {
    weak.push(`only ${lossy} of ${found.process.length} images at process lost anything: the cuts are too kind`)
  }
  return weak
}

function figures(found: Record<'disk' | 'process', readonly ImageResult[]>, control: readonly ImageResult[]): string[] {
  const rows = (['disk', 'process'] as const).map((durability) => {
    const images = found[durability]
    const lossy = images.filter((image) => image.suffixLosses > 0).length
    return (
      `crash images at ${durability}: ${images.length} images, ${sum(images, cutsOf)} cuts in ${sum(images, (image) => image.operations)} disk operations, ` +
      `${sum(images, (image) => image.looked)} acknowledged transactions looked for, ${sum(images, (image) => image.lost)} lost ` +
      `(${lossy} images lost an end), ${sum(images, (image) => image.keptUnderWay)} kept that were under way, ` +
      `${sum(images, tornOf)} torn writes, ${sum(images, (image) => image.tailLostReports)} openings reported a lost end, ` +
      `${sum(images, (image) => image.violations.length)} violations`
    )
  })
  const cuts = [...found.disk, ...found.process].flatMap((image) => image.cuts)
  const phases = Map.groupBy(cuts, placeOf)
  const counts = [...phases].map(([phase, all]) => `${phase} ${all.length}`).toSorted()
  const caught = control.filter((image) => image.violations.length > 0).length
  return [
    ...rows,
    `crash images, where the power went: ${counts.join(', ')}`,
    `crash images, negative control: losses or damage found in ${caught} of ${control.length} images on a disk that syncs nothing`,
  ]
}

function placeOf({ phase, place }: Cut): string {
  if (phase === 'recover' || phase === 'create') return phase
  return place !== null && place.file.endsWith('.db') ? 'checkpoint' : phase
}

function cutsOf({ cuts }: ImageResult): number {
  return cuts.length
}

function tornOf({ cuts }: ImageResult): number {
  return sum(cuts, ({ torn }) => torn)
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
