// The card's own sheet. Twelve custom properties are the host's; everything else is reachable through ::part().
export const SHEET = `
:host {
  --b-paper: var(--busload-paper, #14182a);
  --b-row: var(--busload-row, #1f2438);
  --b-ink: var(--busload-ink, #f6f4ec);
  --b-soft: var(--busload-soft, #b9bdcc);
  --b-lamp: var(--busload-lamp, #fbd22e);
  --b-accent: var(--busload-accent, #fbd22e);
  --b-on-accent: var(--busload-on-accent, #14182a);
  --b-good: var(--busload-good, #5fdc9a);
  --b-line: var(--busload-line, #4a5069);
  --b-radius: var(--busload-radius, 14px);
  color: var(--b-ink);
  font-family: var(--busload-font, inherit);
  font-size: 1rem;
  font-weight: 400;
  line-height: 1.35;
  text-align: start;
}
* { box-sizing: border-box; margin: 0; padding: 0; }
[hidden] { display: none !important; }
.card { display: grid; grid-template-rows: 4.75rem minmax(0, 1fr) 3.5rem; block-size: 100%; border-radius: var(--b-radius); background: var(--b-paper); overflow: hidden; container-type: inline-size; }
.head { display: grid; align-content: center; gap: .1rem; padding: 0 1rem; border-block-end: 2px dashed var(--b-line); }
.title, .where, .origin, .count, .deadline, .note { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.title, .origin, .price { font-family: var(--busload-display-font, var(--busload-font, inherit)); font-weight: 700; line-height: 1.2; }
.title { font-size: 1.3rem; color: var(--b-lamp); text-decoration: none; }
.title:hover, .brand:hover { text-decoration: underline; }
.where, .note, .count, .deadline { font-size: .875rem; color: var(--b-soft); }
.list { list-style: none; overflow-y: auto; padding: 3px; scrollbar-width: thin; scrollbar-color: var(--b-line) transparent; }
.row { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: center; gap: .75rem; block-size: calc(5.75rem - 3px); margin-block-end: 3px; padding: 0 .8rem; border-radius: calc(var(--b-radius) / 3); background: var(--b-row); }
.none { display: block; padding-block: 1.5rem; }
.facts { display: grid; gap: .3rem; min-inline-size: 0; }
.line { display: flex; justify-content: space-between; align-items: baseline; gap: .75rem; min-inline-size: 0; }
.origin, .price { font-size: 1.1rem; }
.price { white-space: nowrap; font-variant-numeric: tabular-nums; }
.count { flex: none; color: var(--b-ink); font-variant-numeric: tabular-nums; }
.deadline { display: none; }
.progress { appearance: none; display: block; inline-size: 100%; block-size: .8rem; border: 1px solid var(--b-soft); border-radius: 3px .4rem .4rem 3px; background: var(--b-paper); overflow: hidden; }
.progress::-webkit-progress-bar { background: repeating-linear-gradient(90deg, #0000 0 7px, var(--b-line) 7px 8px); }
.progress::-webkit-progress-value { background: repeating-linear-gradient(90deg, #0000 0 7px, #14182a66 7px 8px), var(--b-fill, var(--b-lamp)); transition: inline-size .5s; }
.progress::-moz-progress-bar { background: var(--b-fill, var(--b-lamp)); }
[data-state="confirmed"], [data-state="allocated"] { --b-fill: var(--b-good); }
[data-state="expired"], [data-state="cancelled"] { --b-fill: var(--b-soft); }
[data-state="confirmed"] .deadline, [data-state="allocated"] .deadline { color: var(--b-good); }
.button { display: inline-grid; place-items: center; min-block-size: 2.75rem; min-inline-size: 6.5rem; padding: .3rem .8rem; border: 2px solid var(--b-line); border-radius: calc(var(--b-radius) / 2); color: var(--b-ink); font-weight: 700; font-size: .9375rem; line-height: 1.15; text-align: center; text-decoration: none; }
[data-open] .button { background: var(--b-accent); border-color: var(--b-accent); color: var(--b-on-accent); }
.button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--b-lamp); outline-offset: 2px; }
[data-open] .button:focus-visible { outline-color: var(--b-ink); }
.foot { display: flex; align-items: center; justify-content: space-between; gap: 1rem; padding: 0 1rem; border-block-start: 2px dashed var(--b-line); }
.brand { display: inline-grid; place-items: center; min-block-size: 2.75rem; color: var(--b-lamp); font-weight: 700; text-decoration: none; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
@container (inline-size < 22rem) { .button { min-inline-size: 5.5rem; max-inline-size: 6rem; padding-inline: .4rem; } .row { gap: .6rem; } }
@container (inline-size >= 30rem) { .deadline { display: block; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`;
