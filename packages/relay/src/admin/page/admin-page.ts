// The admin page as the relay serves it: one HTML document that holds its script and its style, and the headers that let it do nothing but run them and ask this
// port. Everything it shows it asks of the JSON API of the same port, by addresses relative to its own. The script is browser/ as one string, which
// scripts/admin-page-script.ts writes. Mounted on the admin port. Rules: PG-1 to PG-7.

import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { pageScript } from './page-script.ts'
import { pageStyle } from './page-style.ts'

export interface AdminPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

const keys: readonly (readonly [string, string])[] = [
  ['1 2 3', 'the relay; the documents; the spaces, where there are several'],
  ['s', 'another space, by its name; Enter goes there'],
  ['/', 'filter documents or spaces by how their name begins; Enter or ↓ goes to the rows'],
  ['↑ ↓', 'walk in a table or in content; Home, End, Page Up and Page Down too'],
  ['Enter', 'open the document of a row; open or close a part of its content'],
  ['← →', 'in content: close and go out, open and go in; in a chart: back and forth in time'],
  ['Esc', 'leave the field; close the document'],
  ['n p', 'next and previous page of documents or spaces'],
  ['r', 'ask now'],
  ['?', 'this help'],
]

/** A hono app that answers GET / with the page; to be mounted at the root of the admin port. Never asks for a token: the page does. */
export function pageApp(): Hono {
  const { html, headers } = adminPage()
  const app = new Hono()
  app.get('/', (context) => context.body(html, 200, headers))
  return app
}

/** The page, the same for every relay and every request; it holds no data. Size: about 45 KB. Cost: two hashes. */
export function adminPage(): AdminPage {
  return {
    html: pageHtml(),
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': [
        `default-src 'none'`,
        `script-src '${hashOf(pageScript)}'`,
        `style-src '${hashOf(pageStyle)}'`,
        `connect-src 'self'`,
        'img-src data:',
        `base-uri 'none'`,
        `form-action 'none'`,
        `frame-ancestors 'none'`,
        `require-trusted-types-for 'script'`,
        `trusted-types 'none'`,
      ].join('; '),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    },
  }
}

const pageHtml = (): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Syncline relay</title>
<style>${pageStyle}</style>
</head>
<body>
<header>
<h1 id="address">Syncline relay</h1>
<span id="state" role="status" data-tone="soft">connecting</span>
<nav aria-label="Views">
<a id="relay-link" href="#/relay" aria-keyshortcuts="1">Relay</a>
<a id="documents-link" href="#/documents" aria-keyshortcuts="2">Documents</a>
<a id="spaces-link" href="#/spaces" aria-keyshortcuts="3" hidden>Spaces</a>
</nav>
<form id="space-form" hidden>
<label for="space">Space</label>
<input id="space" list="spaces-known" aria-keyshortcuts="s" spellcheck="false" autocomplete="off">
<datalist id="spaces-known"></datalist>
</form>
<span id="about"></span>
<button type="button" id="forget" hidden>Forget token</button>
<button type="button" id="keys" aria-keyshortcuts="?" aria-label="Keys">?</button>
</header>
<p id="banner" hidden></p>
<noscript>This page needs JavaScript. The figures are also at <a href="metrics">metrics</a> and <a href="api/status">api/status</a>.</noscript>
${relayHtml}
${documentsHtml}
${spacesHtml}
${tokenHtml}
${helpHtml()}
<script>${pageScript}</script>
</body>
</html>
`

const relayHtml = `<main id="relay-view">
<div>
<dl id="figures" class="figures" aria-label="Figures"></dl>
<dl id="doors" class="figures" aria-label="Connections by door"></dl>
</div>
<section aria-labelledby="charts-title">
<div class="heading"><h2 id="charts-title">Throughput and latency</h2><span id="charts-of" class="soft"></span></div>
<div id="charts"></div>
</section>
<div class="columns">
<section aria-labelledby="peers-title"><div class="heading"><h2 id="peers-title">Peers</h2><span id="peers-count" class="soft"></span></div><div id="peers" class="table"></div></section>
<section aria-labelledby="troubles-title"><div class="heading"><h2 id="troubles-title">Needs attention</h2><span id="troubles-count" class="soft"></span></div><div id="troubles" class="table"></div></section>
</div>
<section aria-labelledby="happenings-title">
<div class="heading">
<h2 id="happenings-title">Live events</h2>
<span id="happenings-count" class="soft"></span>
<select id="happenings-filter" aria-label="Which events">
<option value="">everything</option>
<option value="refused turned-away">refused and turned away</option>
<option value="link">links</option>
<option value="divergence storage">divergence and storage</option>
</select>
</div>
<div id="happenings" class="table"></div>
</section>
</main>`

const documentsHtml = `<main id="documents-view" hidden>
<section id="list" aria-labelledby="documents-title">
<div class="heading">
<h2 id="documents-title">Documents</h2>
<input id="filter" type="search" placeholder="name begins with …" aria-label="Filter: name begins with" aria-keyshortcuts="/" spellcheck="false" autocomplete="off">
<span id="documents-page" class="soft"></span>
<button type="button" id="page-before" aria-keyshortcuts="p" disabled>Previous</button>
<button type="button" id="page-next" aria-keyshortcuts="n" disabled>Next</button>
</div>
<p id="documents-trouble" class="trouble" role="status"></p>
<div id="documents" class="table"></div>
</section>
<aside id="inspector" aria-labelledby="inspector-name" hidden>
<div class="heading">
<h2 id="inspector-name" class="document-name" tabindex="-1"></h2>
<button type="button" id="inspector-close" aria-keyshortcuts="Escape">Close</button>
</div>
<p id="inspector-facts" class="soft"></p>
<p id="inspector-trouble" class="trouble" role="status"></p>
<h3>Content</h3>
<div id="content" role="tree" aria-label="Content"></div>
<div class="columns">
<section><h3>Writers</h3><div id="writers" class="table"></div></section>
<section><h3>Log, newest first</h3><div id="log" class="table"></div></section>
</div>
</aside>
</main>`

const spacesHtml = `<main id="spaces-view" hidden>
<section id="spaces-list" aria-labelledby="spaces-title">
<div class="heading">
<h2 id="spaces-title">Spaces</h2>
<input id="spaces-filter" type="search" placeholder="name begins with …" aria-label="Space begins with" aria-keyshortcuts="/" spellcheck="false" autocomplete="off">
<span id="spaces-page" class="soft"></span>
<button type="button" id="spaces-before" aria-keyshortcuts="p" disabled>Previous</button>
<button type="button" id="spaces-next" aria-keyshortcuts="n" disabled>Next</button>
</div>
<p id="spaces-trouble" class="trouble" role="status"></p>
<div id="spaces" class="table"></div>
</section>
</main>`

const tokenHtml = `<dialog id="token-dialog" aria-labelledby="token-title">
<form id="token-form" method="dialog">
<h2 id="token-title">Token</h2>
<p>This relay says who may look. The token stays in this tab and is gone with it.</p>
<p id="token-trouble" class="trouble" role="status"></p>
<input id="token" type="password" aria-label="Token" autocomplete="off" spellcheck="false" required>
<button>Use it</button>
</form>
</dialog>`

function helpHtml(): string {
  const rows = keys.map(([pressed, meaning]) => {
    const caps = pressed.split(' ').map((key) => `<kbd>${key}</kbd>`)
    return `<tr><td>${caps.join(' ')}</td><td>${meaning}</td></tr>`
  })
  return `<dialog id="help" aria-labelledby="help-title">
<h2 id="help-title">Keys</h2>
<table>${rows.join('')}</table>
<form method="dialog"><button autofocus>Close</button></form>
</dialog>`
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
