// A SIP message with header names set off and the offending octets marked. Everything is text: nothing a partner sends becomes markup.

import { html } from "./vendor/preact-htm.js";
import { RuleLink } from "./finding.js";
import { Glyph } from "./ui.js";

const WORST = ["fail", "warn", "unknown", "pass", "skip"];

/** Marks count characters; a text with characters beyond the BMP is cut by characters too. */
const cuttable = (text) => (/[\ud800-\udfff]/.test(text) ? Array.from(text) : text);
const piece = (cut, from, to) => (typeof cut === "string" ? cut.slice(from, to) : cut.slice(from, to).join(""));

/** Places where the look changes: header names, the start line, marks. */
function ranges(text, marks, length) {
  const found = [];
  let at = 0;
  let inBody = false;
  for (const line of text.split("\n")) {
    const size = cuttable(line).length;
    const name = !inBody && at > 0 ? /^([A-Za-z0-9!%*_+`'~.-]+)[ \t]*:/.exec(line) : null;
    if (at === 0) found.push({ start: 0, end: size, look: "start-line" });
    else if (name) found.push({ start: at, end: at + name[1].length, look: "name" });
    else if (inBody && /^[a-z]=/.test(line)) found.push({ start: at, end: at + 1, look: "name" });
    inBody = inBody || line.trim() === "";
    at += size + 1;
  }
  return [...found, ...marks.filter((mark) => mark.end > mark.start && mark.start < length).map((mark) => ({ ...mark, mark }))];
}

export function Marked({ text, marks = [] }) {
  const cut = cuttable(text);
  const all = ranges(text, marks, cut.length);
  const edges = [...new Set([0, cut.length, ...all.flatMap(({ start, end }) => [start, Math.min(end, cut.length)])])].sort((a, b) => a - b);
  return html`<pre class="message" tabindex="0" role="group" aria-label="message">${edges.slice(0, -1).map((from, index) => part(cut, from, edges[index + 1], all))}</pre>`;
}

function part(cut, from, to, all) {
  const over = all.filter(({ start, end }) => start <= from && end >= to);
  const look = over.find((range) => range.look);
  const marks = over.filter((range) => range.mark).map((range) => range.mark);
  const words = piece(cut, from, to);
  const dressed = look ? html`<span class=${look.look}>${words}</span>` : words;
  if (!marks.length) return dressed;
  const worst = marks.map((mark) => mark.status).sort((one, other) => WORST.indexOf(one) - WORST.indexOf(other))[0];
  return html`<mark class=${worst} title=${marks.map((mark) => `${mark.rule}: ${mark.detail || mark.title}`).join("\n")}>${dressed}</mark>`;
}

/** What the marks mean, once each. */
export function MarkList({ marks = [] }) {
  const told = marks.filter((mark, index) => marks.findIndex((other) => other.rule === mark.rule && other.detail === mark.detail) === index);
  if (!told.length) return null;
  return html`<ul class="mark-list">${told.map((mark) => html`<li key=${mark.rule + mark.detail} class=${mark.status}><${Glyph} status=${mark.status} /> <${RuleLink} rule=${mark.rule} /> <strong>${mark.title}</strong>${mark.detail ? html`<br />${mark.detail}` : ""}</li>`)}</ul>`;
}
