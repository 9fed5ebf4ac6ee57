// How a timeline looks: colours for light and dark, and the places of its parts. Read by timeline-page.ts; the drawing classes read the colours by name.

const light = `
  --ink: #1f2328; --soft: #69717b; --paper: #ffffff; --panel: #f5f6f8; --edge: #d8dce2; --grid: rgba(31, 35, 40, .06); --lane: #b9c0ca;
  --fold: rgba(110, 119, 133, .10); --down: #a3a9b3; --accent: #0b62d6; --start: #18794e; --crash: #c62828; --commit: #2a6fbb; --edit: #7c3aad;
  --event: #6b7280; --delivered: #8a94a3; --lost: #d02f2f; --unarrived: #8d6e63; --stalled: #b26a00; --late: #00838f; --corrupted: #c2185b;
  --truncated: #8e5a12; --otherFate: #5e35b1; --healed: #18794e; --violation: #b3161b; --violationPaper: #fdecec; --overviewBar: #9aa4b2;
  --band0: #d97706; --band1: #7c3aed; --band2: #0891b2; --band3: #be185d; --band4: #4d7c0f; --band5: #1d4ed8; --band6: #b45309; --band7: #475569;`

const dark = `
  --ink: #e6e8eb; --soft: #98a1ad; --paper: #15181d; --panel: #1c2027; --edge: #343a44; --grid: rgba(230, 232, 235, .06); --lane: #4b535f;
  --fold: rgba(150, 160, 175, .10); --down: #5d6672; --accent: #6cb0ff; --start: #4cc38a; --crash: #ff6b66; --commit: #6aaef5; --edit: #c58af9;
  --event: #9aa3b0; --delivered: #76808e; --lost: #ff6b66; --unarrived: #bc9c90; --stalled: #f0a83c; --late: #37c4d0; --corrupted: #f778ac;
  --truncated: #d9a05b; --otherFate: #b39ddb; --healed: #4cc38a; --violation: #ff7b78; --violationPaper: #3b1618; --overviewBar: #6d7785;
  --band0: #f59e0b; --band1: #a78bfa; --band2: #22d3ee; --band3: #f472b6; --band4: #a3e635; --band5: #60a5fa; --band6: #fb923c; --band7: #94a3b8;`

export const timelineStyle = `
:root { color-scheme: light dark; --family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; --mono: ui-monospace, "SF Mono", Menlo, Consolas, monospace; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 13px/1.45 var(--family); color: var(--ink); background: var(--paper); }
header { padding: 10px 16px 8px; border-bottom: 1px solid var(--edge); background: var(--panel); }
h1 { margin: 0; font-size: 16px; overflow-wrap: anywhere; }
h2 { margin: 14px 0 6px; font-size: 11px; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); }
h3 { margin: 0 0 6px; font-size: 13px; overflow-wrap: anywhere; }
.about { margin: 2px 0 0; color: var(--soft); }
#violation { display: flex; gap: 12px; align-items: start; margin-top: 8px; padding: 8px 12px; border-left: 4px solid var(--violation); border-radius: 3px; background: var(--violationPaper); }
#violation p { flex: 1; margin: 0; max-height: 6.5em; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
#violation strong { color: var(--violation); white-space: nowrap; }
button, input, select { font: inherit; color: inherit; }
button { padding: 3px 9px; border: 1px solid var(--edge); border-radius: 5px; background: var(--paper); cursor: pointer; }
button:hover { border-color: var(--soft); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
#tools { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; padding: 7px 16px; border-bottom: 1px solid var(--edge); }
#tools label { display: inline-flex; gap: 5px; align-items: center; white-space: nowrap; }
#tools input[type=search] { width: 190px; padding: 3px 8px; border: 1px solid var(--edge); border-radius: 5px; background: var(--paper); }
#tools select { max-width: 170px; padding: 3px 4px; border: 1px solid var(--edge); border-radius: 5px; background: var(--paper); }
.buttons { display: inline-flex; gap: 4px; }
#status { margin-left: auto; color: var(--soft); font-variant-numeric: tabular-nums; }
#legend { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 5px 16px; border-bottom: 1px solid var(--edge); }
#legend > div { display: flex; flex-wrap: wrap; gap: 3px; align-items: center; }
.group-title { margin-right: 3px; color: var(--soft); }
.chip { display: inline-flex; align-items: center; gap: 4px; padding: 0 7px 0 3px; border-color: transparent; background: none; line-height: 22px; }
.chip canvas { width: 30px; height: 16px; }
.chip .count { color: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.chip[aria-pressed=false] { opacity: .45; text-decoration: line-through; }
main { flex: 1; display: flex; min-height: 0; }
#lanes { flex: 1; display: flex; flex-direction: column; min-width: 0; }
#heads { position: relative; flex: none; height: 28px; overflow: hidden; border-bottom: 1px solid var(--edge); }
#heads div { position: absolute; top: 4px; padding: 0 8px; border-radius: 4px; background: var(--panel); border: 1px solid var(--edge); font-weight: 600; line-height: 18px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
#scroller { flex: 1; position: relative; overflow: auto; min-height: 0; }
#scroller:focus-visible { outline: none; }
#lanes:has(#scroller:focus-visible) #heads { border-bottom: 2px solid var(--accent); }
#chart { position: sticky; top: 0; left: 0; display: block; }
#overview { flex: none; width: 54px; height: 100%; border-left: 1px solid var(--edge); background: var(--panel); cursor: pointer; touch-action: none; }
aside { flex: none; width: min(360px, 34vw); padding: 0 14px 14px; overflow: auto; border-left: 1px solid var(--edge); background: var(--panel); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 10px; margin: 0 0 8px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
pre { margin: 0; padding: 8px 10px; max-height: 34vh; overflow: auto; border: 1px solid var(--edge); border-radius: 5px; background: var(--paper); font: 12px/1.5 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; }
.hint { margin: 0; color: var(--soft); }
#around { margin: 0; padding: 0; list-style: none; }
.row { display: flex; gap: 8px; width: 100%; padding: 1px 6px; border: 0; border-radius: 3px; background: none; text-align: left; font-size: 12px; white-space: nowrap; }
.row:hover { background: var(--fold); }
.row[aria-current] { background: var(--accent); color: var(--paper); }
.row[aria-current] span { color: inherit !important; }
.row.faint { opacity: .4; }
.when, .who { flex: none; color: var(--soft); font-variant-numeric: tabular-nums; }
.who { width: 74px; overflow: hidden; text-overflow: ellipsis; }
.sign { flex: none; width: 12px; text-align: center; }
.words { overflow: hidden; text-overflow: ellipsis; }
.row.is-point .words { font-weight: 600; }
.row.is-fault .words { font-style: italic; }
#tip { position: fixed; top: 0; left: 0; z-index: 2; max-width: 460px; padding: 5px 9px; border-radius: 5px; background: var(--ink); color: var(--paper); font-size: 12px; pointer-events: none; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
dialog { max-width: 480px; padding: 18px 22px; border: 1px solid var(--edge); border-radius: 8px; background: var(--paper); color: var(--ink); }
dialog::backdrop { background: rgba(0, 0, 0, .4); }
dialog td { padding: 2px 14px 2px 0; vertical-align: top; }
kbd { padding: 0 5px; border: 1px solid var(--edge); border-bottom-width: 2px; border-radius: 4px; background: var(--panel); font: 12px var(--mono); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`
