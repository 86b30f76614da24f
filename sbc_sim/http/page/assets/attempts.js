// What never became a call: TLS attempts with reason and cure, and messages outside of calls.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { API, getJson } from "./api.js";
import { onEvent } from "./events.js";
import { href } from "./route.js";
import { moment, plural, preciseMoment } from "./format.js";
import { Badge, Code, TabLinks, Trouble, Waiting } from "./ui.js";
import { Cure } from "./finding.js";

export function CallTabs({ now }) {
  const tabs = [
    { name: "calls", label: "Calls", to: href("calls") },
    { name: "voice-calls", label: "Voice calls", to: href("voice-calls") },
    { name: "attempts", label: "Never became a call", to: href("attempts") },
    { name: "outside", label: "Outside calls", to: href("outside") },
  ];
  return html`<${TabLinks} label="Calls and what is beside them" tabs=${tabs} now=${now} />`;
}

const LOOK_MS = 4000; // what is outside of calls has no events of its own

/** Pages of `path`, newest first, with what `fresh(name, data)` makes of events put in front; "reload" reads the first page anew. */
function usePages(path, member, fresh, looking = false) {
  const [state, setState] = useState({ rows: [], next: null, read: false, error: null });
  const load = (cursor = null) =>
    getJson(path, { limit: 50, cursor }).then(
      (page) => setState((old) => ({ rows: cursor ? [...old.rows, ...page[member]] : page[member], next: page.next, read: true, error: null })),
      (error) => setState((old) => ({ ...old, error })),
    );
  useEffect(() => {
    load();
    return onEvent((name, data) => {
      const row = fresh(name, data);
      if (row === "reload") load();
      else if (row) setState((old) => ({ ...old, rows: [row, ...old.rows.filter((other) => !row.id || other.id !== row.id)].slice(0, 1000) }));
    });
  }, []);
  const older = state.rows.length > 50;
  useEffect(() => {
    if (!looking || older) return undefined;
    const timer = setInterval(() => document.hidden || load(), LOOK_MS);
    return () => clearInterval(timer);
  }, [looking, older]);
  return { ...state, load };
}

const More = ({ pages, what, more }) => html`<div class="more">
  <span class="dim" role="status">${pages.next ? "the newest " : ""}${plural(pages.rows.length, what, more)}</span>
  ${pages.next && html`<button type="button" onClick=${() => pages.load(pages.next)}>Older</button>`}
</div>`;

export function Attempts() {
  const pages = usePages(`${API}/attempts`, "attempts", (name, data) => (name === "attempt" ? data : name === "resync" || name === "reset" ? "reload" : null));
  return html`<section>
    <h1 class="offscreen">Connections that never became a call</h1>
    <${CallTabs} now="attempts" />
    <${Trouble} error=${pages.error} retry=${() => pages.load()} />
    ${!pages.read && !pages.error && html`<${Waiting} what="the attempts" />`}
    ${pages.read && !pages.rows.length && html`<div class="empty"><p>Every connection so far became a SIP connection.</p><p class="dim">A TLS handshake that fails shows here, with what the alert means: the partner's own SIP trace shows nothing of it.</p></div>`}
    ${pages.rows.length > 0 && html`<ul class="attempts">${pages.rows.map((attempt) => html`<${Attempt} key=${attempt.id || attempt.at} attempt=${attempt} />`)}</ul>`}
    ${pages.read && pages.rows.length > 0 && html`<${More} pages=${pages} what="attempt" />`}
  </section>`;
}

function Attempt({ attempt }) {
  const { peer = {}, findings = [] } = attempt;
  const alert = attempt.alert && `alert ${attempt.alert} ${attempt.alertFromPeer ? "from the partner" : "from us"}`;
  const facts = [`${peer.dialled ? "our connection to " : ""}${peer.host || "?"}:${peer.port || "?"}`, attempt.version, attempt.serverName && `SNI ${attempt.serverName}`, alert].filter(Boolean);
  return html`<li class="attempt">
    <div class="line"><time title=${attempt.at}>${moment(attempt.at)}</time><${Badge} status="fail" word=${attempt.problem} /><span class="mono">${facts.join("  ·  ")}</span></div>
    <p>${attempt.detail}</p>
    ${findings.map((finding) => html`<${Cure} key=${finding.rule} finding=${finding} />`)}
    ${attempt.firstBytes && html`<details><summary>First octets</summary><${Code} text=${attempt.firstBytes.replace(/(..)(?=.)/g, "$1 ")} what="first octets in hex" wrap /></details>`}
  </li>`;
}

export function Outside() {
  const pages = usePages(`${API}/messages`, "messages", (name) => (name === "resync" || name === "reset" ? "reload" : null), true);
  return html`<section>
    <h1 class="offscreen">Messages outside calls</h1>
    <${CallTabs} now="outside" />
    <${Trouble} error=${pages.error} retry=${() => pages.load()} />
    ${!pages.read && !pages.error && html`<${Waiting} what="the messages" />`}
    ${pages.read && !pages.rows.length && html`<div class="empty"><p>Nothing yet. OPTIONS pings, unreadable messages and connections show here.</p></div>`}
    ${pages.rows.length > 0 && html`<ul class="outside">${pages.rows.map((row, index) => html`<${OutsideRow} key=${`${row.at}${row.kind}${row.connection}${pages.rows.length - index}`} row=${row} />`)}</ul>`}
    ${pages.read && pages.rows.length > 0 && html`<${More} pages=${pages} what="entry" more="entries" />`}
  </section>`;
}

function OutsideRow({ row }) {
  const line = html`<time title=${row.at}>${preciseMoment(row.at)}</time><span class="kind">${row.kind}</span><span class="what">${outsideWords(row)}</span>`;
  if (!row.text) return html`<li class="line">${line}</li>`;
  return html`<li><details><summary class="line">${line}</summary><${Code} text=${row.text} what="message" /></details></li>`;
}

function outsideWords(row) {
  const { peer, tls } = row;
  if (row.kind === "connection.opened") return `${row.connection}: ${peer && peer.host}:${peer && peer.port}${tls ? `, ${tls.version}, ${tls.cipher}` : ""}`;
  if (row.kind === "connection.closed") return `${row.connection}: ${row.why}`;
  if (row.kind === "message") return `${row.direction === "in" ? "→" : "←"} ${row.summary}  ${row.peer || ""}`;
  if (row.kind === "rejected") return `${row.method || ""} refused with ${row.status}${row.rule ? `, ${row.rule}` : ""}`;
  return row.detail || row.text || "";
}
