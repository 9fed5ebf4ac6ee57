// The page: ties the feed and the views to the address (#/relay, #/documents, #/document=NAME), the keys and the line that says how the relay is. Decides which view
// is shown and when figures count as old. Runs in a browser; bundled by scripts/admin-page-script.ts. Rules: PG-1 to PG-6.

import { DocumentsView } from './documents-view.ts'
import { part, setText } from './elements.ts'
import { Feed, type Phase } from './feed.ts'
import { HappeningsView } from './happenings-view.ts'
import { every, wallMs } from './page-clock.ts'
import { RelayClient } from './relay-client.ts'
import { RelayView } from './relay-view.ts'
import { listenForKeys } from './shortcuts.ts'
import { clockText, nameText, shortId } from './shown-text.ts'
import { TokenDialog } from './token-dialog.ts'

/** Documents in view are asked for anew: soon after a commit, and else now and then; more often by who is not told of commits. */
const AFTER_COMMIT_MS = 2_000
const IDLE_MS = 15_000
const UNTOLD_MS = 5_000

type Place = { readonly view: 'relay' } | { readonly view: 'documents'; readonly name: string | null }

class Page {
  private readonly client = new RelayClient()
  private readonly feed = new Feed(this.client)
  private readonly relay = new RelayView(this.feed)
  private readonly happenings = new HappeningsView(this.feed)
  private readonly documents = new DocumentsView(this.client)
  private readonly tokens = new TokenDialog((token) => this.newToken(token))
  private readonly state = part('state')
  private readonly banner = part('banner')
  private readonly help = part('help') as HTMLDialogElement
  private documentsAtMs = 0
  private committedAtMs = 0

  start(): void {
    this.feed.onChange = (what) => {
      if (what === 'phase') this.phaseChanged()
      else if (what === 'status') this.statusChanged()
      else if (what === 'samples') this.sampled()
      else this.happenings.show()
    }
    globalThis.addEventListener('hashchange', () => this.go())
    part('forget').addEventListener('click', () => this.newToken(null))
    part('keys').addEventListener('click', () => this.help.showModal())
    part('inspector-close').addEventListener('click', () => this.leave())
    listenForKeys({
      '/': () => this.findDocuments(),
      '?': () => this.help.showModal(),
      '1': () => this.moveTo('#/relay'),
      '2': () => this.moveTo('#/documents'),
      n: () => this.turnPage(1),
      p: () => this.turnPage(-1),
      r: () => this.refresh(),
      Escape: () => this.leave(),
    })
    every(1_000, () => this.tick())
    this.go()
    void this.feed.run()
  }

  // ---- where we are

  private go(): void {
    const place = placeOf(location.hash)
    for (const view of ['relay', 'documents'] as const) {
      part(`${view}-view`).hidden = view !== place.view
      const link = part(`${view}-link`)
      if (view === place.view) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    if (place.view === 'relay') return
    void this.documents.load()
    void this.documents.open(place.name)
  }

  private moveTo(hash: string): void {
    location.hash = hash
    const first = hash === '#/relay' ? part('relay-link') : part('documents-link')
    first.focus()
  }

  private findDocuments(): void {
    if (placeOf(location.hash).view !== 'documents') location.hash = '#/documents'
    // The view must be in sight before it can take the focus.
    this.go()
    this.documents.filter.focus()
    this.documents.filter.select()
  }

  /** Escape: out of the filter to the rows, out of the inspector to the list. */
  private leave(): void {
    if (document.activeElement === this.documents.filter) {
      if (!this.documents.focusRows()) part('documents-link').focus()
      return
    }
    const place = placeOf(location.hash)
    if (place.view === 'documents' && place.name !== null) location.hash = '#/documents'
  }

  private turnPage(by: 1 | -1): void {
    if (placeOf(location.hash).view === 'documents') this.documents.turnPage(by)
  }

  private refresh(): void {
    this.feed.askNow()
    if (placeOf(location.hash).view !== 'documents') return
    void this.documents.load()
    void this.documents.inspector.load()
  }

  private sampled(): void {
    this.relay.showSamples()
    if ((this.feed.samples.at(-1)?.rowsPerS ?? 0) > 0) this.committedAtMs = wallMs()
  }

  private tick(): void {
    this.showPhase()
    const { kind } = this.feed.phase
    if (document.hidden || placeOf(location.hash).view !== 'documents' || kind === 'away' || kind === 'token-wanted') return
    const sinceMs = wallMs() - this.documentsAtMs
    const patienceMs = kind === 'live' ? IDLE_MS : UNTOLD_MS
    if (sinceMs < (this.committedAtMs >= this.documentsAtMs ? AFTER_COMMIT_MS : patienceMs)) return
    this.documentsAtMs = wallMs()
    void this.documents.load()
    void this.documents.inspector.follow()
  }

  private newToken(token: string | null): void {
    this.feed.setToken(token)
    if (placeOf(location.hash).view === 'documents') this.refresh()
  }

  // ---- how the relay is

  private phaseChanged(): void {
    const { phase } = this.feed
    if (phase.kind === 'token-wanted') this.tokens.ask(phase.why)
    else this.tokens.close()
    part('forget').hidden = !this.client.hasToken
    this.showPhase()
  }

  private statusChanged(): void {
    const { relay, space } = this.feed.status!
    setText(part('address'), nameText(relay.url))
    setText(part('about'), `space ${nameText(space)} · replica ${shortId(relay.replicaId)} · version ${nameText(relay.version)}`)
    part('about').title = nameText(relay.replicaId)
    this.relay.showStatus()
    this.showPhase()
  }

  private showPhase(): void {
    const { phase, status, statusAtMs } = this.feed
    const isDraining = phase.kind === 'live' && status?.relay.draining === true
    const { word, tone } = isDraining ? { word: 'draining', tone: 'warn' } : words[phase.kind]
    setText(this.state, word)
    this.state.dataset['tone'] = tone
    const isOld = phase.kind !== 'live' && status !== null
    document.body.classList.toggle('old', isOld)
    const old = isOld ? ` What is shown is of ${clockText(statusAtMs)}.` : ''
    const told = isDraining ? 'This relay is shutting down: it takes no new connections and finishes what it has.' : this.explain(phase)
    setText(this.banner, told === '' ? '' : `${told}${old}`)
    this.banner.hidden = told === ''
    this.banner.dataset['tone'] = tone
    const title = `${status === null ? 'Syncline relay' : nameText(status.relay.url)}${phase.kind === 'live' && !isDraining ? '' : ` (${word})`}`
    if (document.title !== title) document.title = title
  }

  private explain(phase: Phase): string {
    switch (phase.kind) {
      case 'connecting':
      case 'live':
        return ''
      case 'away': {
        const seconds = Math.ceil((phase.untilMs - wallMs()) / 1000)
        return `${phase.why} Asking again${seconds > 0 ? ` in ${seconds} s` : ' …'} (r asks now).`
      }
      case 'token-wanted':
        return 'This relay asks for a token: r opens the field.'
      case 'forbidden':
        return `This token may not see the relay itself; documents that it may read are under Documents. ${phase.why}`
    }
  }
}

const words: Readonly<Record<Phase['kind'], { readonly word: string; readonly tone: string }>> = {
  connecting: { word: 'connecting', tone: 'soft' },
  live: { word: 'live', tone: 'good' },
  away: { word: 'no answer', tone: 'bad' },
  'token-wanted': { word: 'token wanted', tone: 'warn' },
  forbidden: { word: 'forbidden', tone: 'warn' },
}

function placeOf(hash: string): Place {
  const [, encoded] = /^#\/document=(.+)$/s.exec(hash) ?? []
  if (encoded !== undefined) {
    try {
      return { view: 'documents', name: decodeURIComponent(encoded) }
    } catch {
      return { view: 'documents', name: null }
    }
  }
  return hash === '#/documents' ? { view: 'documents', name: null } : { view: 'relay' }
}

new Page().start()
