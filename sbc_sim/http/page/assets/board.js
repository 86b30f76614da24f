// The rule board: every rule by area, colour and glyph; one click for all that is to be said.

import { html, useState } from "./vendor/preact-htm.js";
import { area, areaOrder, AREAS, byUrgency, WORDS } from "./format.js";
import { Choice, Glyph } from "./ui.js";
import { FindingCard } from "./finding.js";

export function Board({ findings, open, choose }) {
  const [only, setOnly] = useState("all");
  const wanted = only === "all" ? findings : findings.filter((finding) => finding.status !== "pass" && finding.status !== "skip");
  const groups = new Map();
  wanted.forEach((finding) => groups.set(area(finding.rule), [...(groups.get(area(finding.rule)) || []), finding]));
  return html`<section class="board" aria-label="All rules">
    <div class="board-head"><h2>All rules</h2><${Choice} label="Which rules" options=${[["all", "all"], ["open", "not passed"]]} value=${only} choose=${setOnly} /></div>
    ${!wanted.length && html`<p class="dim">${findings.length ? "Nothing stands against this call." : "Rules that are broken show here as soon as they are; all of them speak when the call ends."}</p>`}
    ${[...groups.keys()].sort(areaOrder).map((name) => html`<${Area} key=${name} name=${name} findings=${groups.get(name)} open=${open} choose=${choose} />`)}
  </section>`;
}

function Area({ name, findings, open, choose }) {
  const count = (status) => findings.filter((finding) => finding.status === status).length;
  const told = ["fail", "warn", "pass", "skip", "unknown"].filter(count).map((status) => `${count(status)} ${WORDS[status]}`);
  const sorted = [...findings].sort((one, other) => one.rule.localeCompare(other.rule));
  return html`<section class="area">
    <h3>${AREAS[name] || name} <span class="dim">${told.join(", ")}</span></h3>
    <div class="tiles">${sorted.map((finding) => html`<${Tile} key=${finding.rule} finding=${finding} open=${open === finding.rule} choose=${choose} />`)}</div>
  </section>`;
}

function Tile({ finding, open, choose }) {
  const number = finding.rule.split("-").pop();
  return html`<button type="button" class="tile ${finding.status}" aria-expanded=${String(open)} onClick=${() => choose(open ? null : finding.rule)} title="${finding.rule} ${finding.title}">
      <${Glyph} status=${finding.status} /><span class="mono dim">${number}</span><span class="words">${finding.title}</span>
    </button>
    ${open && html`<div class="full"><${FindingCard} finding=${finding} close=${() => choose(null)} /></div>`}`;
}

/** What failed and warned, worst first. */
export function Against({ findings }) {
  const against = findings.filter((finding) => finding.status === "fail" || finding.status === "warn").sort(byUrgency);
  if (!against.length) return null;
  return html`<section class="against" aria-label="What stands against this call">${against.map((finding) => html`<${FindingCard} key=${finding.rule} finding=${finding} />`)}</section>`;
}
