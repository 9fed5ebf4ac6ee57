// The page: ties the feed and the views to the address (place.ts), the keys and the line that says how the relay is. Decides which space and which view is shown, and when
// figures count as old. Runs in a browser; bundled by scripts/admin-page-script.ts. Rules: PG-1 to PG-7.

import { isOfRelay } from './answers.ts'
import { DocumentsView } from './documents-view.ts'
import { part, setText } from './elements.ts'
import { Feed, type Phase } from './feed.ts'
import { HappeningsView } from './happenings-view.ts'
import { every, wallMs } from './page-clock.ts'
import { hrefOf, placeOf, type Place } from './place.ts'
import { RelayClient } from './relay-client.ts'
import { RelayView } from './relay-view.ts'
import { listenForKeys } from './shortcuts.ts'
import { clockText, nameText, shortId } from './shown-text.ts'
import { SpaceChooser } from './space-chooser.ts'
import { SpacesView } from './spaces-view.ts'
import { TokenDialog } from './token-dialog.ts'

/** Documents in view are asked for anew: soon after a commit, and else now and then; more often by who is not told of commits. */
const AFTER_COMMIT_MS = 2_000
const IDLE_MS = 15_000
const UNTOLD_MS = 5_000
const SPACES_MS = 5_000

const VIEWS = ['relay', 'documents', 'spaces'] as const

class Page {
  private readonly client = new RelayClient()
  private readonly feed = new Feed(this.client)
  private readonly relay = new RelayView(this.feed)
  private readonly happenings = new HappeningsView(this.feed)
  private readonly documents = new DocumentsView(this.client)
  private readonly spaces = new SpacesView(this.client)
  private readonly chooser = new SpaceChooser((space) => this.choose(space))
  private readonly tokens = new TokenDialog((token) => this.newToken(token))
  private readonly state = part('state')
  private readonly banner = part('banner')
  private readonly help = part('help') as HTMLDialogElement
  private documentsAtMs = 0
  private spacesAtMs = 0
  /** The space in view, when it was last heard of. */
  private isOpen = false
  /** There are more spaces than the default one, as far as is known. */
  private many = false
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
    this.spaces.onNames = (names) => this.chooser.offer(names)
    listenForKeys({
      '/': () => this.find(),
      '?': () => this.help.showModal(),
      '1': () => this.moveTo('relay'),
      '2': () => this.moveTo('documents'),
      '3': () => this.many && this.moveTo('spaces'),
      s: () => this.many && this.chooser.focus(),
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
    if (place.space !== this.client.space) this.enter(place.space)
    for (const view of VIEWS) {
      part(`${view}-view`).hidden = view !== place.view
      const link = part(`${view}-link`)
      link.setAttribute('href', hrefOf({ space: place.space, view, name: null }))
      if (view === place.view) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    this.showSpaces()
    if (place.view === 'spaces') return this.loadSpaces()
    if (place.view === 'relay') return
    this.documentsAtMs = wallMs()
    void this.documents.load()
    void this.documents.open(place.name)
  }

  private enter(space: string | null): void {
    this.feed.setSpace(space)
    this.documents.restartIn()
    this.relay.showStatus()
    setText(part('about'), space === null ? '' : `space ${nameText(space)}`)
    part('about').title = ''
  }

  /** By its name; empty for the default one. The view stays. */
  private choose(name: string): void {
    const { view } = placeOf(location.hash)
    const space = name === '' || name === 'default' ? null : name
    location.hash = hrefOf({ space, view: view === 'spaces' ? 'relay' : view, name: null })
  }

  private moveTo(view: Place['view']): void {
    location.hash = hrefOf({ space: this.client.space, view, name: null })
    part(`${view}-link`).focus()
  }

  /** The filter of the list in view; that of the documents where there is none. */
  private find(): void {
    const { view } = placeOf(location.hash)
    if (view === 'relay') location.hash = hrefOf({ space: this.client.space, view: 'documents', name: null })
    // The view must be in sight before it can take the focus.
    this.go()
    const { filter } = view === 'spaces' ? this.spaces : this.documents
    filter.focus()
    filter.select()
  }

  /** Escape: out of a field to the rows, out of the inspector to the list. */
  private leave(): void {
    if (this.chooser.hasFocus) return this.chooser.leave()
    for (const [view, list] of [['documents', this.documents] as const, ['spaces', this.spaces] as const]) {
      if (document.activeElement !== list.filter) continue
      if (!list.focusRows()) part(`${view}-link`).focus()
      return
    }
    const place = placeOf(location.hash)
    if (place.name !== null) location.hash = hrefOf({ ...place, name: null })
  }

  private turnPage(by: 1 | -1): void {
    const { view } = placeOf(location.hash)
    if (view === 'documents') this.documents.turnPage(by)
    if (view === 'spaces') this.spaces.turnPage(by)
  }

  private refresh(): void {
    this.feed.askNow()
    const { view } = placeOf(location.hash)
    if (view === 'spaces') this.loadSpaces()
    if (view !== 'documents') return
    void this.documents.load()
    void this.documents.inspector.load()
  }

  private loadSpaces(): void {
    this.spacesAtMs = wallMs()
    void this.spaces.load(this.client.space)
  }

  /** What is there only where there are several spaces. */
  private showSpaces(): void {
    const { phase, status } = this.feed
    const isKnown = status !== null && isOfRelay(status) && status.spaces.many
    const wasMany = this.many
    // Whoever may not see the relay may be at home in a space of it.
    this.many ||= isKnown || this.client.space !== null || phase.kind === 'forbidden'
    part('spaces-link').hidden = !this.many
    this.chooser.show(this.client.space, this.many)
    setText(part('charts-of'), this.many && this.client.space === null ? 'of all spaces' : '')
    // Once, for the names.
    if (this.many && !wasMany && phase.kind !== 'token-wanted') this.loadSpaces()
  }

  private sampled(): void {
    this.relay.showSamples()
    if ((this.feed.samples.at(-1)?.rowsPerS ?? 0) > 0) this.committedAtMs = wallMs()
  }

  private tick(): void {
    this.showPhase()
    const { kind } = this.feed.phase
    const { view } = placeOf(location.hash)
    if (document.hidden || kind === 'away' || kind === 'token-wanted') return
    if (view === 'spaces' && wallMs() - this.spacesAtMs >= SPACES_MS) this.loadSpaces()
    if (view !== 'documents') return
    const sinceMs = wallMs() - this.documentsAtMs
    const patienceMs = kind === 'live' ? IDLE_MS : UNTOLD_MS
    if (sinceMs < (this.committedAtMs >= this.documentsAtMs ? AFTER_COMMIT_MS : patienceMs)) return
    this.documentsAtMs = wallMs()
    void this.documents.load(true)
    void this.documents.inspector.follow()
  }

  private newToken(token: string | null): void {
    this.feed.setToken(token)
    if (placeOf(location.hash).view !== 'relay') this.refresh()
  }

  // ---- how the relay is

  private phaseChanged(): void {
    const { phase } = this.feed
    if (phase.kind === 'token-wanted') this.tokens.ask(phase.why)
    else this.tokens.close()
    part('forget').hidden = !this.client.hasToken
    this.showSpaces()
    this.showPhase()
  }

  private statusChanged(): void {
    const status = this.feed.status!
    const isOpen = isOfRelay(status) || status.open
    // What is shown of its documents is from now on what was seen last.
    if (this.isOpen && !isOpen) this.documentsAtMs = 0
    this.isOpen = isOpen
    if (isOfRelay(status)) {
      const { relay, space } = status
      setText(part('address'), nameText(relay.url))
      setText(part('about'), `space ${nameText(space)} · replica ${shortId(relay.replicaId)} · version ${nameText(relay.version)}`)
      part('about').title = nameText(relay.replicaId)
    }
    this.relay.showStatus()
    this.showSpaces()
    this.showPhase()
  }

  private showPhase(): void {
    const { phase, status, statusAtMs } = this.feed
    const isDraining = phase.kind === 'live' && status !== null && isOfRelay(status) && status.relay.draining
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
    const what = status === null ? 'Syncline relay' : isOfRelay(status) ? nameText(status.relay.url) : `space ${nameText(status.space)}`
    const title = `${what}${phase.kind === 'live' && !isDraining ? '' : ` (${word})`}`
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
        return this.client.space === null
          ? `This token may not see the relay itself; documents that it may read are under Documents. ${phase.why}`
          : `There is no such space, or this token may not look at it; documents that it may read are under Documents. ${phase.why}`
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

new Page().start()
