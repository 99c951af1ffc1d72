"""The style of the history page: light and dark, from a phone to paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --text: #1c2024; --soft: #60646c; --line: #e2e3e6;
  --live: #0f7b4f; --was: #6fae93; --held: #c9d4f5; --held-edge: #8fa3dd; --fork: #8b6a2f; --now: #c4412b;
  --wrong: #b3261e; --code: #f1f2f4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #111315; --card: #191c1f; --text: #eceef0; --soft: #a1a7ae; --line: #2d3237;
    --live: #3ecf8e; --was: #2f7657; --held: #34406b; --held-edge: #6f83c6; --fork: #cfa75a; --now: #ff7a62;
    --wrong: #ff8a80; --code: #24292e;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 3rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 0.6rem; font-size: 1.15rem; }
p { margin: 0; }
.live-now { margin-top: 0.3rem; font-size: 1.05rem; overflow-wrap: anywhere; }
.held-now { margin: 0.8rem 0 0; padding: 0; list-style: none; display: grid; gap: 0.6rem; }
.held-now li { padding: 0.6rem 0.8rem; border: 1px solid var(--line); border-left: 4px solid var(--held-edge);
  border-radius: 6px; background: var(--card); overflow-wrap: anywhere; }
code { padding: 0.1em 0.35em; border-radius: 4px; background: var(--code); font: 0.86em/1.5 ui-monospace,
  "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; -webkit-box-decoration-break: clone;
  box-decoration-break: clone; }
.key { margin-bottom: 0.8rem; color: var(--soft); font-size: 0.87rem; }
.swatch { display: inline-block; width: 1.4em; height: 0.6em; margin: 0 0.15em 0 0.5em; border-radius: 3px; }
.swatch.live { margin-left: 0; background: var(--live); } .swatch.was-live { background: var(--was); }
.swatch.held { background: var(--held); border: 1px solid var(--held-edge); }
.swatch.now { width: 0; height: 1em; border-left: 2px dotted var(--now); border-radius: 0; vertical-align: -0.15em; }
.swatch.fork { height: 0; border-top: 2px dashed var(--fork); border-radius: 0; vertical-align: middle; }
.timelines { display: block; overflow: visible; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.timelines text { fill: var(--soft); stroke: var(--page); stroke-width: 4px; stroke-linejoin: round;
  paint-order: stroke; }
.timelines .name { fill: var(--text); font-weight: 600; font-size: 13px; }
.timelines .name.live { fill: var(--live); } .timelines .name.hold-ended { fill: var(--soft); }
.timelines .tick { font-size: 11px; font-variant-numeric: tabular-nums; }
.timelines .grid { stroke: var(--line); }
.timelines .now { stroke: var(--now); stroke-dasharray: 2 3; }
.timelines rect.live { fill: var(--live); } .timelines rect.was-live { fill: var(--was); }
.timelines rect.held { fill: var(--held); stroke: var(--held-edge); }
.timelines .expiry { stroke: var(--held-edge); stroke-width: 2; }
.timelines .fork { stroke: var(--fork); stroke-width: 1.5; stroke-dasharray: 4 3; }
.timelines .fork-point { fill: var(--page); stroke: var(--fork); stroke-width: 2; }
details { margin-top: 0.5rem; border-top: 1px solid var(--line); }
summary { padding: 0.5rem 0; cursor: pointer; color: var(--soft); font-variant-numeric: tabular-nums; }
.problems li { overflow-wrap: anywhere; }
.problems h2 { color: var(--wrong); }
table { width: 100%; border-collapse: collapse; }
caption { padding-bottom: 0.5rem; text-align: left; color: var(--soft); font-size: 0.87rem; }
th, td { padding: 0.55rem 1rem 0.55rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { position: sticky; top: 0; background: var(--page); color: var(--soft); font-size: 0.8rem; font-weight: 600; }
td { font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
td time, td:nth-child(6) { white-space: nowrap; }
td:nth-child(2) { max-width: 10rem; } td:nth-child(3) { min-width: 14rem; max-width: 28rem; }
td:nth-child(4) { min-width: 13.5rem; max-width: 16rem; } td:nth-child(7) { min-width: 12.5rem; max-width: 19rem; }
tr.apply td { background: color-mix(in srgb, var(--held) 14%, transparent); }
tr > td:first-child { padding-left: 0.6rem; } th:first-child { padding-left: 0.6rem; }
.part { display: inline-block; min-width: 3.1rem; margin-right: 0.2rem; padding: 0 0.4rem; border-radius: 4px;
  background: var(--code); color: var(--soft); font-size: 0.78rem; text-align: center; }
.part.apply { background: var(--held); color: var(--text); }
.note, .source { margin-top: 0.15rem; color: var(--soft); font-size: 0.87rem; }
.commit { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.wrong .outcome, .wrong b { color: var(--wrong); font-weight: 600; }
.wrong .note { color: var(--text); }
a { color: inherit; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: 0.8rem; }
@media (max-width: 64rem) {
  .timelines .inner { display: none; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody, tr, td, caption { display: block; }
  tr { display: flex; flex-direction: column; }
  tr { margin-bottom: 0.8rem; padding: 0.5rem 0.8rem; border: 1px solid var(--line); border-radius: 8px;
    background: var(--card); }
  tr.apply { border-left: 4px solid var(--held-edge); }
  tr.apply td { background: none; }
  td, tr > td:first-child { display: grid; grid-template-columns: 7rem 1fr; padding: 0.2rem 0; border: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-name); color: var(--soft); font-size: 0.8rem; }
  td:nth-child(3) { display: block; order: -1; min-width: 0; max-width: none; }
  td:nth-child(3)::before { content: none; }
  td:nth-child(n) { min-width: 0; max-width: none; }
  td code { justify-self: start; }
}
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --live: #0f7b4f; --was: #6fae93;
    --held: #dfe5f7; --held-edge: #8fa3dd; --fork: #8b6a2f; --wrong: #b3261e; --code: #f1f2f4; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .timelines rect, .swatch, .part { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  details::details-content { content-visibility: visible; block-size: auto; }
  th { position: static; }
  tr, .held-now li { break-inside: avoid; }
}
"""
