// What a rule says: one line, or all of it with evidence, reason, cure and platform settings.

import { html } from "./vendor/preact-htm.js";
import { href } from "./route.js";
import { Copy, Glyph } from "./ui.js";

const SEVERITIES = { must: "a standard or the guide demands it", profile: "Salesforce is silent: a setting of ours decides", advice: "advice" };

/** Does it rest on a guess about the real SBC? Its source says so, or nobody could decide it. */
const restsOnGuess = (finding) => finding.status === "unknown" || /guess|not published|unknown at Salesforce/.test(finding.source || "");

export const RuleLink = ({ rule }) => html`<a class="mono rule-id" href=${href("rules", rule)}>${rule}</a>`;

/** Evidence with the first offending character marked. */
export function Evidence({ quotes }) {
  if (!quotes || !quotes.length) return null;
  return html`<div class="evidence">${quotes.map((quote, index) => html`<figure key=${index}>
    <figcaption>${[quote.message, quote.header].filter(Boolean).join(", ")}</figcaption>
    <pre tabindex="0" role="group" aria-label="evidence">${quoted(quote)}</pre>
  </figure>`)}</div>`;
}

function quoted({ text = "", offset }) {
  const characters = Array.from(text); // places count characters, not the halves of one
  if (offset === null || offset === undefined || offset > characters.length) return text;
  const [before, after] = [characters.slice(0, offset).join(""), characters.slice(offset + 1).join("")];
  return html`${before}<mark class="fail">${characters[offset] ?? "␄"}</mark>${after}`;
}

/** The short form: what was seen, how to mend it. */
export function Cure({ finding }) {
  return html`<div class="cure ${finding.status}">
    <p><${Glyph} status=${finding.status} /> <${RuleLink} rule=${finding.rule} /> <strong>${finding.title}</strong></p>
    ${finding.fix && html`<p><span class="tag">fix</span> ${finding.fix}</p>`}
    <${Platforms} platforms=${finding.platforms} />
  </div>`;
}

/** All that is to be said of one finding. */
export function FindingCard({ finding, close }) {
  return html`<article class="finding ${finding.status}" aria-label="${finding.rule}: ${finding.title}">
    <header><${Glyph} status=${finding.status} /> <${RuleLink} rule=${finding.rule} /> <strong>${finding.title}</strong>
      <span class="tag" title=${SEVERITIES[finding.severity]}>${finding.severity}</span>${restsOnGuess(finding) ? html` <span class="tag" title="Salesforce does not publish it; see the source">a guess</span>` : ""}
      ${close && html`<button type="button" class="quiet" onClick=${close} aria-label="Close ${finding.rule}">close</button>`}</header>
    ${finding.detail && html`<p class="seen">${finding.detail}</p>`}
    <${Evidence} quotes=${finding.evidence} />
    <${RuleText} rule=${finding} />
  </article>`;
}

export function RuleText({ rule }) {
  return html`<dl class="said">
    ${rule.fix && html`<div><dt>Fix</dt><dd>${rule.fix}</dd></div>`}
    ${rule.why && html`<div><dt>Why</dt><dd>${rule.why}</dd></div>`}
    ${rule.setting && html`<div><dt>Setting</dt><dd><code>${rule.setting}</code></dd></div>`}
    ${rule.source && html`<div><dt>Source</dt><dd>${rule.source}</dd></div>`}
  </dl>
  <${Platforms} platforms=${rule.platforms} open=${rule.openPlatforms} />`;
}

function Platforms({ platforms, open }) {
  const listed = Object.entries(platforms || {});
  if (!listed.length) return null;
  return html`<details class="platforms" open=${open}><summary>Where to set it: ${listed.length} ${listed.length === 1 ? "platform" : "platforms"}</summary>
    <dl>${listed.map(([name, words]) => html`<div key=${name}><dt>${name}</dt><dd>${words} <${Copy} text=${words} what="the words for ${name}" /></dd></div>`)}</dl>
  </details>`;
}
