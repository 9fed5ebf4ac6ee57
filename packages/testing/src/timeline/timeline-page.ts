// A recording as one HTML file that a person can read: replicas as lanes, time flowing down, messages as arrows, faults as bands, what broke at the end. Decides
// what the file may do (nothing but run its own script, by hash) and how foreign text gets into it (escaped, or as data). The file works from disk, alone: its
// script is page/ as one string, which scripts/timeline-script.ts writes. Read by the runner and the program. Rules: TL-1, TL-2.

import { createHash } from 'node:crypto'
import type { Recording } from './recording.ts'
import { timelineScript } from './timeline-script.ts'
import { timelineStyle } from './timeline-style.ts'

const keys: readonly (readonly [string, string])[] = [
  ['+ -', 'zoom in and out (or Ctrl and the wheel)'],
  ['↑ ↓ ← →', 'pan; Page Up, Page Down, Home and End as usual'],
  ['0', 'fit the whole run'],
  ['v', 'go to the end, where it broke'],
  ['n p', 'next and previous point or fault; while searching: match'],
  ['m M', 'next and previous message'],
  ['/', 'search; Enter for the next match, Esc to leave'],
  ['i', 'show or hide idle traffic'],
  ['c', 'compress idle time, or show time as it was'],
  ['Esc', 'choose nothing'],
  ['?', 'this help'],
]

/** One self-contained HTML document: no request, no framework, light and dark. Whatever the recording says is shown as text and never run.
 *  Size: about 40 KB and the recording as JSON. Cost: linear. */
export function timelinePage(recording: Recording): string {
  const policy = `default-src 'none'; script-src '${hashOf(timelineScript)}'; style-src '${hashOf(timelineStyle)}'; img-src data:; base-uri 'none'; form-action 'none'`
  const title = escapeText(recording.title)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${timelineStyle}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p class="about">${escapeText(aboutOf(recording))}</p>
${violationOf(recording)}
</header>
${toolsHtml(recording.violation !== null)}
<nav id="legend" aria-label="Legend and filters"></nav>
<main>
<section id="lanes" aria-label="Timeline">
<div id="heads" role="list" aria-label="Replicas"></div>
<div id="scroller" tabindex="0" role="application" aria-label="Lanes of the replicas, time flows down" aria-describedby="chart-help">
<canvas id="chart" role="img" aria-label="Messages, points and faults; the list beside it has them as text"></canvas>
<div id="spacer"></div>
</div>
<p id="chart-help" class="unseen">Press n and p to walk through what happened; it is told in the panel. Press the question mark for all keys.</p>
</section>
<canvas id="overview" role="img" aria-label="The whole run; click to go there"></canvas>
<aside aria-label="Details">
<h2>Chosen</h2>
<div id="detail" aria-live="polite"></div>
<h2 id="around-title"></h2>
<ol id="around" aria-labelledby="around-title"></ol>
</aside>
</main>
<div id="tip" role="tooltip" hidden></div>
${helpHtml()}
<noscript>This page draws a timeline and needs JavaScript. It asks the network for nothing.</noscript>
<script type="application/json" id="recording">${dataOf(recording)}</script>
<script>${timelineScript}</script>
</body>
</html>
`
}

const toolsHtml = (isBroken: boolean): string => `<div id="tools" role="toolbar" aria-label="Tools">
<label>Search <input id="search" type="search" placeholder="text, replica, kind" aria-keyshortcuts="/"></label>
<label>Document <select id="document"><option value="">all</option></select></label>
<label><input id="only" type="checkbox"> only matches</label>
<label><input id="idle" type="checkbox" aria-keyshortcuts="i"> idle traffic</label>
<label><input id="folds" type="checkbox" checked aria-keyshortcuts="c"> compress idle time</label>
<span class="buttons">
<button type="button" data-press="-" aria-label="Zoom out">−</button>
<button type="button" data-press="+" aria-label="Zoom in">+</button>
<button type="button" data-press="0">Whole run</button>
<button type="button" data-press="v">${isBroken ? 'Violation' : 'End'}</button>
<button type="button" data-press="p" aria-label="Previous event">‹</button>
<button type="button" data-press="n" aria-label="Next event">›</button>
<button type="button" data-press="?" aria-label="Help">?</button>
</span>
<span id="status" role="status"></span>
</div>`

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** JSON in which no tag and no comment can begin. */
function dataOf(recording: Recording): string {
  return JSON.stringify(recording).replaceAll('<', '\\u003c')
}

function aboutOf({ replicas, messages, points, bands, endMs, healedMs }: Recording): string {
  const facts = [
    counted(replicas.length, 'replica'),
    `${(endMs / 1000).toFixed(2)} s of virtual time`,
    counted(messages.length, 'message'),
    counted(points.length, 'point'),
    counted(bands.length, 'fault'),
  ]
  if (healedMs !== null) facts.push(`all faults end at ${(healedMs / 1000).toFixed(2)} s`)
  return facts.join(' · ')
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

function violationOf({ violation }: Recording): string {
  if (violation === null) return ''
  const { rule, text } = violation
  return `<section id="violation" aria-label="Violation"><strong>${escapeText(rule)}</strong><p tabindex="0">${escapeText(text)}</p></section>`
}

function helpHtml(): string {
  const rows = keys.map(([pressed, meaning]) => {
    const caps = pressed.split(' ').map((key) => `<kbd>${escapeText(key)}</kbd>`)
    return `<tr><td>${caps.join(' ')}</td><td>${escapeText(meaning)}</td></tr>`
  })
  return `<dialog id="help" aria-labelledby="help-title">
<h1 id="help-title">Keys</h1>
<table>${rows.join('')}</table>
<p>A gap without events is never taller than a finger: the axis says how long it was. Zooming in ends with every event on a line of its own.</p>
<form method="dialog"><button autofocus>Close</button></form>
</dialog>`
}
