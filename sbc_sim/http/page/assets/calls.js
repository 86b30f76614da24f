// The list of calls.

import { Component, html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, getJson } from "./api.js";
import { onEvent } from "./events.js";
import { FILTERS, mentions, useCalls } from "./call-list.js";
import { duration, ending, isLive, lasted, moment, party, plural } from "./format.js";
import { go, href, setParams } from "./route.js";
import { Badge, Counts, Trouble, useAway, useFetch, useNow, Waiting } from "./ui.js";
import { CallTabs } from "./attempts.js";

const STATUSES = [
  ["", "any"],
  ["fail", "failed"],
  ["warn", "warned"],
  ["pass", "passed"],
  ["ringing", "ringing"],
  ["answered", "going on"],
  ["ended", "ended"],
  ["rejected", "rejected"],
];
const left = { at: null, y: 0, id: null }; // where the reader was when a call was opened

export function Calls({ params }) {
  const filter = Object.fromEntries(FILTERS.filter((name) => params[name]).map((name) => [name, params[name]]));
  const list = useCalls(filter);
  const away = useAway();
  const now = useNow(list.live && !away);
  const shown = list.rows.filter((call) => mentions(call, params.text));
  const filtered = Object.keys(filter).length > 0 || Boolean(params.text);
  useReturn(list.read);
  return html`<section class="calls">
    <h1 class="offscreen">Calls</h1>
    <${CallTabs} now="calls" />
    <${Filters} params=${params} rows=${list.rows} />
    <${LastAttempt} newest=${list.rows[0]} />
    <${Trouble} error=${list.error} retry=${() => list.load()} />
    ${shown.length > 0 && html`<${Table} rows=${shown} now=${now} />`}
    ${!shown.length && !list.read && !list.error && html`<${Waiting} what="the calls" />`}
    ${!shown.length && list.read && (filtered ? html`<${NoneFit} />` : html`<${Nothing} />`)}
    <div class="more">
      ${list.read && html`<span class="dim" role="status">${told(shown.length, list, params.text)}</span>`}
      ${list.more && html`<button type="button" disabled=${list.loading} onClick=${() => (params.text ? list.searchOn(params.text) : list.load("older"))}>${params.text ? "Search older calls" : "Older calls"}</button>`}
    </div>
  </section>`;
}

function told(count, list, text) {
  if (text) return `${plural(count, "call")} of the newest ${list.rows.length}${list.more ? "; older ones are not searched yet" : ""}`;
  return list.more ? `the newest ${plural(count, "call")}` : plural(count, "call");
}

/** Come back to the place where the list was left. */
function useReturn(read) {
  const done = useRef(false);
  useLayoutEffect(() => {
    if (!read || done.current) return;
    done.current = true;
    if (left.at !== location.hash || !left.id) return;
    scrollTo(0, left.y);
    const row = document.querySelector(`a[data-call="${CSS.escape(left.id)}"]`);
    if (row) row.focus({ preventScroll: true });
  }, [read]);
}

function leave(id) {
  Object.assign(left, { at: location.hash, y: scrollY, id });
}

function Filters({ params, rows }) {
  const set = (name) => (event) => setParams({ [name]: event.target.value });
  const values = (name) => [...new Set(rows.map((call) => call[name]).concat(params[name]).filter(Boolean))].sort();
  const choice = (name, label) => {
    const known = values(name);
    return known.length > 0 && html`<label>${label} <select value=${params[name] || ""} onChange=${set(name)}>
      <option value="">any</option>${known.map((value) => html`<option key=${value} value=${value}>${value}</option>`)}
    </select></label>`;
  };
  const any = [...FILTERS, "text"].some((name) => params[name]);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>Verdict, state <select value=${params.status || ""} onChange=${set("status")}>
      ${STATUSES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
    </select></label>
    ${choice("region", "Region")} ${choice("partner", "Partner")}
    <label>Since <input type="datetime-local" value=${localTime(params.since)} onChange=${(event) => setParams({ since: utc(event.target.value) })} /></label>
    <label class="grow">Text <input type="search" value=${params.text || ""} placeholder="number, Call-ID, User-Agent, UUI …" onInput=${set("text")} spellcheck="false" /></label>
    ${any && html`<button type="button" class="quiet" onClick=${() => go("calls")}>clear</button>`}
  </form>`;
}

const utc = (local) => (local ? new Date(local).toISOString() : "");

function localTime(since) {
  const at = new Date(since || NaN);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Table({ rows, now }) {
  const body = useRef(null);
  const several = new Set(rows.map((call) => call.replica)).size > 1;
  useEffect(() => {
    const keys = (event) => moveBetweenRows(event, body.current);
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  return html`<div class="table-box"><table class="list">
    <thead><tr><th scope="col">Time</th><th scope="col">From → to</th><th scope="col">State</th><th scope="col">Verdict</th><th scope="col" class="number">Lasted</th><th scope="col">End</th><th scope="col" class="number">Packets</th><th scope="col" class="number">Lost</th><th scope="col">Partner, region${several && ", replica"}</th></tr></thead>
    <tbody ref=${body}>${rows.map((call) => html`<${CallRow} key=${call.id} call=${call} now=${isLive(call) ? now : 0} several=${several} />`)}</tbody>
  </table></div>`;
}

/** j and k from anywhere but a field, the arrows from row to row: elsewhere they scroll. */
function moveBetweenRows(event, body) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const links = [...body.querySelectorAll("a[data-call]")];
  const at = links.indexOf(document.activeElement);
  if (at < 0 && event.key.startsWith("Arrow")) return;
  const next = links[at < 0 ? 0 : at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

class CallRow extends Component {
  shouldComponentUpdate(next) {
    return next.call !== this.props.call || next.now !== this.props.now || next.several !== this.props.several;
  }

  render({ call, now, several }) {
    const { numbers = {}, media } = call;
    const to = href("calls", call.id);
    const open = (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      leave(call.id);
      location.hash = to;
    };
    const packets = media ? `${media.packetsReceived} / ${media.packetsSent}` : "";
    const stands = call.verdict ? call.verdict.status : "none";
    return html`<tr class="row-${stands} ${isLive(call) ? "is-live" : ""}" onClick=${open}>
      <td class="c-time"><a href=${to} data-call=${call.id} onClick=${() => leave(call.id)} title=${call.startedAt}>${moment(call.startedAt)}</a></td>
      <td class="c-parties"><span title=${call.from}>${party(call.from, numbers.from)}</span> <span class="dim">→</span> <span title=${call.to}>${party(call.to, numbers.requestUri || numbers.to)}</span></td>
      <td class="c-state">${isLive(call) ? html`<span class="state live-state">${call.state}</span>` : html`<span class="state">${call.state}</span>`}</td>
      <td class="c-verdict">${call.verdict ? html`<${Badge} status=${call.verdict.status} /> <${Counts} counts=${call.verdict.counts} />` : html`<span class="dim">${isLive(call) ? "not yet" : "–"}</span>`}</td>
      <td class="c-lasted number">${duration(lasted(call, now || Date.now()))}</td>
      <td class="c-end">${ending(call)}</td>
      <td class="c-packets number" title="received / sent">${packets}</td>
      <td class="c-lost number ${media && media.lost ? "bad" : ""}">${media ? media.lost : ""}</td>
      <td class="c-who" title=${call.replica ? `replica ${call.replica}` : null}>${[call.partner, call.region, several && call.replica].filter(Boolean).join(", ")}</td>
    </tr>`;
  }
}

/** A connection that failed after the newest call: somebody may be looking for it right now. */
function LastAttempt({ newest }) {
  const [last, setLast] = useState(null);
  useEffect(() => {
    getJson(`${API}/attempts`, { limit: 1 }).then(({ attempts }) => setLast((now) => now || attempts[0] || null), () => {});
    return onEvent((name, data) => {
      if (name === "attempt") setLast(data);
      if (name === "reset") setLast(null);
    });
  }, []);
  if (!last || (newest && newest.startedAt > last.at)) return null;
  return html`<p class="hint" role="status"><${Badge} status="fail" word="no call" /> <time title=${last.at}>${moment(last.at)}</time> ${" "}
    ${who(last.peer)} never became a call: ${last.detail}. <a href=${href("attempts")}>What to do</a></p>`;
}

const who = (peer) => (peer && peer.dialled ? `our connection to ${peer.host}:${peer.port}` : `a connection from ${(peer && peer.host) || "?"}`);

const NoneFit = () => html`<div class="empty"><p>No call fits these filters.</p></div>`;

function Nothing() {
  const { data } = useFetch(`${API}/setup`);
  const sip = data ? `${data.sip.host}:${data.sip.port}` : "HOST:PORT";
  return html`<div class="empty">
    <p><strong>No calls yet.</strong> The first one appears here by itself.</p>
    <p>Without a phone, from another terminal: <code>sbc-sim call tls:${sip}</code></p>
    <p>With your own SBC: <a href=${href("connect")}>what to set there</a>.</p>
  </div>`;
}
