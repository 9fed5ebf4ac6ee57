// How the admin page looks: colours for light and dark, type, and the places of its parts. Read by admin-page.ts.

const light = `
  --ink: #1f2328; --soft: #646c77; --paper: #ffffff; --panel: #f5f6f8; --edge: #d8dce2; --hair: #e9ebef; --accent: #0b62d6; --chosen: #e8f0fc;
  --good: #18794e; --warn: #94590a; --bad: #b3161b; --warnPaper: #fdf3e1; --badPaper: #fdecec; --line0: #2a6fbb; --line1: #b26a00; --text: #18794e; --other: #7c3aad;`

const dark = `
  --ink: #e6e8eb; --soft: #98a1ad; --paper: #15181d; --panel: #1c2027; --edge: #343a44; --hair: #272c34; --accent: #6cb0ff; --chosen: #1d2c42;
  --good: #4cc38a; --warn: #f0a83c; --bad: #ff7b78; --warnPaper: #33270f; --badPaper: #3b1618; --line0: #6aaef5; --line1: #f0a83c; --text: #4cc38a; --other: #c58af9;`

export const pageStyle = `
:root { color-scheme: light dark; --family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; --mono: ui-monospace, "SF Mono", Menlo, Consolas, monospace; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 13px/1.45 var(--family); font-variant-numeric: tabular-nums; color: var(--ink); background: var(--paper); }
h1, h2, h3, p, dl, dd, figure { margin: 0; }
h1 { font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
h2 { font-size: 13px; font-weight: 600; }
h3 { font-size: 12px; font-weight: 600; color: var(--soft); }
button, input, select { font: inherit; color: inherit; }
button, select { padding: 2px 9px; border: 1px solid var(--edge); border-radius: 4px; background: var(--paper); cursor: pointer; }
button:hover:enabled, select:hover { border-color: var(--soft); }
button:disabled { color: var(--soft); opacity: .6; cursor: default; }
input { padding: 3px 8px; border: 1px solid var(--edge); border-radius: 4px; background: var(--paper); }
a { color: inherit; text-decoration: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -1px; border-radius: 2px; }
.soft, .empty, #about { color: var(--soft); }
.trouble { color: var(--bad); overflow-wrap: anywhere; }
.trouble:empty { display: none; }
[data-tone=good] { color: var(--good); } [data-tone=warn] { color: var(--warn); } [data-tone=bad] { color: var(--bad); } [data-tone=soft] { color: var(--soft); }

header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; padding: 7px 16px; border-bottom: 1px solid var(--edge); background: var(--panel); }
#state { padding: 0 8px; border: 1px solid currentColor; border-radius: 9px; font-size: 12px; line-height: 18px; white-space: nowrap; }
nav { display: flex; gap: 4px; }
nav a { padding: 2px 10px; border-radius: 4px; color: var(--soft); }
nav a:hover { color: var(--ink); }
nav a[aria-current] { color: var(--ink); background: var(--paper); box-shadow: inset 0 0 0 1px var(--edge); }
#about { margin-left: auto; font-size: 12px; overflow-wrap: anywhere; }
#banner { padding: 6px 16px; border-bottom: 1px solid var(--edge); background: var(--warnPaper); overflow-wrap: anywhere; }
#banner[data-tone=bad] { background: var(--badPaper); }
noscript { padding: 12px 16px; }

main { flex: 1; min-height: 0; padding: 12px 16px 20px; }
#relay-view { display: flex; flex-direction: column; gap: 16px; overflow-y: auto; }
section { display: flex; flex-direction: column; gap: 6px; min-width: 0; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 12px 24px; }
.heading { display: flex; align-items: center; gap: 10px; }
.old #figures, .old #doors, .old #charts, .old #peers, .old #troubles { opacity: .55; }

.figures { display: flex; flex-wrap: wrap; border-left: 1px solid var(--hair); }
.figures > div { flex: 1 1 108px; padding: 4px 10px 6px; border: solid var(--hair); border-width: 1px 1px 1px 0; margin-bottom: -1px; color: var(--ink); }
.figures dt { font-size: 11px; color: var(--soft); white-space: nowrap; }
.figures dd { font-size: 15px; white-space: nowrap; }
.figures [data-tone=good] dd { color: var(--good); } .figures [data-tone=warn] dd { color: var(--warn); } .figures [data-tone=bad] dd { color: var(--bad); font-weight: 600; }

#charts { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px 24px; }
figure h3 { display: flex; gap: 10px; margin-bottom: 2px; font-weight: 500; white-space: nowrap; }
figure .when { font-weight: 400; }
figure .values { display: flex; gap: 10px; margin-left: auto; color: var(--ink); }
.values .line0 { color: var(--line0); } .values .line1 { color: var(--line1); }
svg { display: block; width: 100%; overflow: visible; }
svg .grid { stroke: var(--hair); } svg .floor { stroke: var(--edge); } svg .cursor { stroke: var(--soft); stroke-dasharray: 2 2; }
svg .mark { font-size: 10.5px; fill: var(--soft); }
svg .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
svg .line.dots { stroke-width: 3.5; }
svg .line.line0 { stroke: var(--line0); } svg .line.line1 { stroke: var(--line1); }
svg .dot.line0 { fill: var(--line0); } svg .dot.line1 { fill: var(--line1); }

.table { overflow: auto; border-top: 1px solid var(--hair); }
#relay-view .table { max-height: 300px; }
.table table { width: 100%; border-collapse: collapse; }
.table th { position: sticky; top: 0; padding: 3px 8px; font-size: 11px; font-weight: 500; text-align: left; color: var(--soft); background: var(--paper); white-space: nowrap; z-index: 1; }
.table td { padding: 2px 8px; border-top: 1px solid var(--hair); white-space: nowrap; unicode-bidi: isolate; }
.table .number { width: 1%; text-align: right; }
.table td.name, .document-name { font-family: var(--mono); font-size: 12px; }
.table td.name a, .document-name { white-space: pre; unicode-bidi: isolate; }
#documents td.name { max-width: 0; width: 100%; overflow: hidden; text-overflow: ellipsis; }
#troubles td.name, #happenings td.name { max-width: 260px; overflow: hidden; text-overflow: ellipsis; }
#troubles td.text:last-child, #happenings td.text:last-child { width: 100%; max-width: 0; overflow: hidden; text-overflow: ellipsis; }
.table tr:has(a) { cursor: pointer; }
.table tbody tr:hover { background: var(--panel); }
.table tr[aria-current] { background: var(--chosen); }
.table a:hover { text-decoration: underline; }
.empty { padding: 6px 8px; }

#documents-view { display: flex; gap: 24px; }
#documents-view > * { flex: 1 1 0; min-width: 0; }
#list, #inspector { display: flex; flex-direction: column; gap: 6px; min-height: 0; }
#list .table { flex: 1; }
#spaces-view { display: flex; }
#spaces-list { flex: 1; display: flex; flex-direction: column; gap: 6px; min-width: 0; min-height: 0; }
#spaces-list .table { flex: 1; }
#spaces td.name { max-width: 0; width: 100%; overflow: hidden; text-overflow: ellipsis; }
#space-form { display: flex; align-items: center; gap: 6px; color: var(--soft); }
#space { width: 180px; font-family: var(--mono); font-size: 12px; color: var(--ink); }
#spaces-page { margin-left: auto; white-space: nowrap; }
#filter, #spaces-filter { flex: 0 1 320px; min-width: 90px; font-family: var(--mono); font-size: 12px; }
#documents-page { margin-left: auto; white-space: nowrap; }
#inspector { padding-left: 24px; border-left: 1px solid var(--edge); }
.document-name { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
#content { flex: 3 1 0; min-height: 120px; overflow: auto; border-top: 1px solid var(--hair); padding: 4px 0; font-family: var(--mono); font-size: 12px; }
#inspector .columns { flex: 2 1 0; min-height: 100px; grid-template-columns: minmax(170px, 2fr) 3fr; grid-template-rows: minmax(0, 1fr); }
#inspector section { min-height: 0; }
#content [role=treeitem] { outline: none; }
#content [role=group], #content pre { margin-left: 18px; }
#content .line { display: flex; gap: 8px; padding: 0 6px 0 18px; position: relative; cursor: default; border-radius: 2px; }
#content .line > * { unicode-bidi: isolate; }
#content [aria-expanded] > .line::before { content: "▸"; position: absolute; left: 4px; color: var(--soft); }
#content [aria-expanded=true] > .line::before { content: "▾"; }
#content [role=treeitem]:focus-visible > .line { outline: 2px solid var(--accent); outline-offset: -1px; }
#content .line:hover { background: var(--panel); }
#content .key { color: var(--accent); white-space: pre; max-width: 50%; overflow: hidden; text-overflow: ellipsis; flex: none; }
#content .value { white-space: pre; overflow: hidden; text-overflow: ellipsis; }
#content .text { color: var(--text); } #content .other { color: var(--other); } #content .size, #content .glance, #content .more { color: var(--soft); }
#content .glance { margin-left: 8px; } #content [aria-expanded=true] > .line .glance { display: none; }
#content pre { margin-block: 2px; padding: 4px 8px; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border-radius: 3px; }

dialog { max-width: min(620px, 92vw); padding: 16px 20px; border: 1px solid var(--edge); border-radius: 6px; color: var(--ink); background: var(--paper); }
dialog::backdrop { background: rgba(0, 0, 0, .35); }
dialog h2 { margin-bottom: 8px; font-size: 15px; }
dialog table { margin-bottom: 12px; border-collapse: collapse; }
dialog td { padding: 3px 14px 3px 0; vertical-align: top; }
dialog td:first-child { white-space: nowrap; }
kbd { padding: 0 5px; border: 1px solid var(--edge); border-radius: 3px; font: 12px var(--mono); background: var(--panel); }
#token-form { display: flex; flex-wrap: wrap; gap: 8px; width: 420px; max-width: 100%; }
#token-form p, #token-form h2 { flex: 1 0 100%; margin: 0; }
#token { flex: 1; }

@media (max-width: 1000px) { #charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 860px) {
  .columns { grid-template-columns: 1fr; }
  #documents-view { flex-direction: column; overflow-y: auto; }
  #documents-view > * { flex: none; }
  #inspector { padding: 12px 0 0; border-left: 0; border-top: 1px solid var(--edge); }
  #content, #list .table, #inspector .table { max-height: 50vh; }
}
@media (max-width: 620px) { #charts { grid-template-columns: minmax(0, 1fr); } #about { margin-left: 0; } }
@media (prefers-reduced-motion: no-preference) { .old #charts { transition: opacity .2s; } }
`
