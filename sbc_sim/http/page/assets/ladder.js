// The ladder: the server's drawing, its arrows to be chosen by pointer or keyboard; beside it the message, and a correct INVITE.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-htm.js";
import { callPath, getJson } from "./api.js";
import { plural, preciseMoment } from "./format.js";
import { setParams } from "./route.js";
import { Choice, Code, Copy, Trouble, useFetch, Waiting } from "./ui.js";
import { Marked, MarkList } from "./marked.js";
import { RuleLink } from "./finding.js";

const GONE = "script, foreignObject, iframe, style";

/** The drawing as nodes of this document. The server writes it; what could act is left out all the same. */
function drawn(text) {
  const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (svg.localName !== "svg") return null;
  svg.querySelectorAll(GONE).forEach((node) => node.remove());
  for (const node of [svg, ...svg.querySelectorAll("*")]) {
    for (const { name } of [...node.attributes]) if (name.startsWith("on") || name.endsWith("href") || name === "style") node.removeAttribute(name);
  }
  svg.classList.add("ladder");
  return document.importNode(svg, true);
}

export function LadderTab({ id, version, params, findings, final }) {
  const ladder = useFetch(callPath(id, "/ladder.svg"), { query: { embedded: "true" }, version, text: true });
  const messages = useMessages(id, version, findings, final);
  const chosen = params.m === undefined ? null : Number(params.m);
  return html`<div class="ladder-tab">
    <div class="ladder-side">
      <${Trouble} error=${ladder.error} retry=${ladder.retry} />
      ${!ladder.data && !ladder.error && html`<${Waiting} what="the ladder" />`}
      ${ladder.data && html`<${Drawing} text=${ladder.data} chosen=${chosen} choose=${(number) => setParams({ m: number })} />`}
    </div>
    <div class="message-side" aria-live="polite">
      ${chosen === null ? html`<p class="dim pick">Choose an arrow to read its message.</p>` : html`<${Beside} key=${chosen} id=${id} message=${messages.find(({ number }) => number === chosen)} version=${version} />`}
    </div>
  </div>`;
}

const NOTHING = { key: "", dropped: 0, messages: [] };

/** Every message of the call, page by page; read on from where the last look ended, unless a new finding may mark what was read. */
export function useMessages(id, version, findings, final, secrets = "") {
  const [known, setKnown] = useState(NOTHING);
  const of = JSON.stringify([id, secrets]);
  const key = JSON.stringify([id, secrets, final, findings.map(({ rule, status }) => rule + status)]);
  useEffect(() => {
    const abort = new AbortController();
    const read = async (before) => {
      const found = [...before.messages];
      let page = { next: String(found.length) };
      while (page.next) {
        page = await getJson(callPath(id, "/messages"), { limit: 200, cursor: page.next === "0" ? null : page.next, secrets }, abort.signal);
        if (found.length && page.dropped !== before.dropped) return read({ ...NOTHING, dropped: page.dropped }); // the numbers have moved
        found.push(...page.messages);
      }
      return setKnown({ of, key, dropped: page.dropped, messages: found });
    };
    read(known.key === key ? known : NOTHING).catch(() => {}); // the ladder beside it tells of the trouble
    return () => abort.abort();
  }, [version, key]);
  return known.of === of ? known.messages : [];
}

function Drawing({ text, chosen, choose }) {
  const box = useRef(null);
  const rows = () => [...box.current.querySelectorAll("[data-message]")];
  useLayoutEffect(() => {
    const focused = document.activeElement && box.current.contains(document.activeElement) ? document.activeElement.dataset.message : null;
    const svg = drawn(text);
    if (svg) box.current.replaceChildren(svg);
    const again = focused !== null && rows().find((row) => row.dataset.message === focused);
    if (again) again.focus({ preventScroll: true });
  }, [text]);
  useLayoutEffect(() => {
    for (const row of rows()) {
      const now = Number(row.dataset.message) === chosen;
      row.classList.toggle("chosen", now);
      row.setAttribute("aria-pressed", String(now));
    }
  }, [text, chosen]);
  const rowOf = (event) => event.target.closest("[data-message]");
  const keys = (event) => {
    const row = rowOf(event);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!row || (!step && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    const next = step ? rows()[rows().indexOf(row) + step] : row;
    if (!next) return;
    next.focus();
    choose(next.dataset.message);
  };
  return html`<div class="drawing" ref=${box} onClick=${(event) => rowOf(event) && choose(rowOf(event).dataset.message)} onKeyDown=${keys}></div>`;
}

function Beside({ id, message, version }) {
  const [view, setView] = useState("message");
  if (!message) return html`<${Waiting} what="the message" />`;
  const isInvite = message.method === "INVITE" && !message.status && message.direction === "in";
  return html`<section class="beside" aria-label=${message.summary || message.kind}>
    <header><h2>${message.summary || message.kind}</h2>
      <span class="dim">${message.direction === "out" ? "from sbc-sim" : "from the partner"}, <time title=${message.at}>${preciseMoment(message.at)}</time>, ${message.octets} octets</span></header>
    ${isInvite && html`<${Choice} label="What to show" options=${[["message", "as it came"], ["reference", "beside a correct INVITE"]]} value=${view} choose=${setView} />`}
    ${view === "reference" && isInvite ? html`<${Reference} id=${id} version=${version} />` : html`<${OneMessage} message=${message} />`}
  </section>`;
}

export function OneMessage({ message }) {
  return html`<${MarkList} marks=${message.marks} />
    <div class="code"><${Marked} text=${message.text || message.detail || ""} marks=${message.marks} /><${Copy} text=${message.text || ""} what="the message" /></div>
    ${message.truncated && html`<p class="dim">Only the beginning is shown; the capture has all of it.</p>`}`;
}

const STATES = { same: "as it should be", differs: "differs", missing: "missing", extra: "not in it", wrong: "wrong" };

/** Differences first; what no rule names is a difference, not a fault. */
function Reference({ id, version }) {
  const { data, error, retry } = useFetch(callPath(id, "/reference"), { version });
  if (error) return html`<${Trouble} error=${error} retry=${retry} />`;
  if (!data) return html`<${Waiting} what="the reference" />`;
  const same = data.rows.filter((row) => row.state === "same");
  const other = data.rows.filter((row) => row.state !== "same");
  return html`<div class="reference">
    ${other.length > 0 ? html`<${Compared} rows=${other} />` : html`<p class="good">✓ Nothing differs from a correct INVITE.</p>`}
    ${same.length > 0 && html`<details><summary>${plural(same.length, "line is", "lines are")} as in a correct one</summary><${Compared} rows=${same} /></details>`}
    <details><summary>A correct INVITE for this call, whole</summary><${Code} text=${data.text} what="a correct INVITE" wrap /></details>
  </div>`;
}

function Compared({ rows }) {
  return html`<div class="table-box"><table><thead><tr><th scope="col">Line</th><th scope="col">Yours</th><th scope="col">A correct one</th></tr></thead>
    <tbody>${rows.map((row, index) => html`<tr key=${index} class=${row.rules && row.rules.length ? `ref-${row.state}` : ""}>
      <th scope="row">${row.header}<br /><span class="ref-state">${STATES[row.state] || row.state}</span> ${(row.rules || []).map((rule) => html`<${RuleLink} key=${rule} rule=${rule} /> `)}</th>
      <td class="mono">${row.found ?? "–"}</td><td class="mono">${row.state === "same" ? html`<span class="dim">the same</span>` : row.reference ?? "–"}</td></tr>`)}</tbody></table></div>`;
}
