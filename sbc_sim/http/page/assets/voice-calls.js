// Voice calls of the Telephony Integration API: the records that a partner's program made, with their requests and what is to be said of them.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { API, getJson, isAbsent, put, remove } from "./api.js";
import { onEvent } from "./events.js";
import { moment, preciseMoment } from "./format.js";
import { href } from "./route.js";
import { Badge, Code, Fact, Glyph, Trouble, useFetch, useThrottled, Waiting } from "./ui.js";
import { RuleLink } from "./finding.js";
import { CallTabs } from "./attempts.js";

const VOICE_CALLS = `${API}/voice-calls`;
const time = (at) => (typeof at === "number" ? new Date(at * 1000).toISOString() : at || "");

/** How it stands with the findings: the worst of them. */
const worst = (findings = []) => ["fail", "warn"].find((status) => findings.some((finding) => finding.status === status)) || "pass";

export function VoiceCalls() {
  const [version, setVersion] = useState(0);
  const { data, error, retry } = useFetch(VOICE_CALLS, { version });
  const look = useThrottled(() => setVersion((n) => n + 1), 300);
  useEffect(() => onEvent((name) => ["voice.call", "resync", "reset"].includes(name) && look()), []);
  const listed = (data && data.voiceCalls) || [];
  return html`<section class="voice-calls"><h1 class="offscreen">Voice calls</h1>
    <${CallTabs} now="voice-calls" />
    ${isAbsent(error) ? html`<div class="empty"><p>The Telephony Integration API is switched off here (telephony.enabled).</p></div>` : html`<${Trouble} error=${error} retry=${retry} />`}
    ${!data && !error && html`<${Waiting} what="the voice calls" />`}
    ${data && !listed.length && html`<div class="empty"><p><strong>No voice call yet.</strong> A partner creates one before it sends the call out: <code>POST ${endpoint()}/voiceCalls</code> with a JWT (RS256); its public key goes below.</p>
      <p class="dim">Records show here with their requests as soon as they are made.</p></div>`}
    ${listed.length > 0 && html`<div class="table-box"><table class="list stacks">
      <thead><tr><th scope="col">Created</th><th scope="col">Voice call</th><th scope="col">vendorCallKey</th><th scope="col">From → to</th><th scope="col">State</th><th scope="col">Rules</th><th scope="col">SIP call</th><th scope="col">Partner</th></tr></thead>
      <tbody>${listed.map((one) => html`<${Row} key=${one.voiceCallId} one=${one} />`)}</tbody></table></div>`}
    ${data && html`<${Keys} />`}
  </section>`;
}

const KEYS = `${API}/telephony/keys`;

/** The public keys by which tokens are checked, and giving one. */
function Keys() {
  const [version, setVersion] = useState(0);
  const { data, error, retry } = useFetch(KEYS, { version });
  const changed = () => setVersion((n) => n + 1);
  if (error) return html`<${Trouble} error=${error} retry=${retry} />`;
  const keys = (data && data.keys) || [];
  return html`<section class="key-section"><h2>Keys of partners <span class="dim">tokens are checked by them${data && data.verify !== "require" ? ` (telephony.verify: ${data.verify})` : ""}</span></h2>
    ${data && !keys.length && html`<p class="dim">None is known, so no token can be checked. Give the public half of the key that your program signs with.</p>`}
    ${keys.length > 0 && html`<div class="table-box"><table class="stacks"><thead><tr><th scope="col">Name</th><th scope="col">Key</th><th scope="col">Org</th><th scope="col">Call centre</th><th scope="col">Partner</th><th scope="col"><span class="offscreen">Forget</span></th></tr></thead>
      <tbody>${keys.map((one) => html`<${KeyRow} key=${one.name} one=${one} changed=${changed} />`)}</tbody></table></div>`}
    <${GiveKey} changed=${changed} open=${Boolean(data) && !keys.length} />
  </section>`;
}

function KeyRow({ one, changed }) {
  const [error, setError] = useState(null);
  const forget = () => remove(`${KEYS}/${encodeURIComponent(one.name)}`).then(changed, setError);
  return html`<tr><th scope="row" data-name="Name" class="mono">${one.name}</th><td data-name="Key">${one.keys.map((key) => html`<span key=${key.sha256}>${key.bits} bits, <span class="mono break">${key.sha256}</span> </span>`)}</td>
    <td data-name="Org" class="mono">${one.orgId || "any"}</td><td data-name="Call centre">${one.callCenter || "any"}</td><td data-name="Partner">${one.partner || "any"}</td>
    <td data-name="">${one.origin === "api" ? html`<button type="button" onClick=${forget} aria-label="Forget the key ${one.name}">Forget</button>` : html`<span class="dim">by settings</span>`}<${Trouble} error=${error} /></td></tr>`;
}

function GiveKey({ changed, open }) {
  const [fields, setFields] = useState({ name: "", orgId: "", callCenter: "", pem: "" });
  const [error, setError] = useState(null);
  const field = (name, label, more = {}) => html`<label>${label} <input value=${fields[name]} onInput=${(event) => setFields((old) => ({ ...old, [name]: event.target.value }))} ...${more} /></label>`;
  const give = async (event) => {
    event.preventDefault();
    setError(null);
    const wanted = Object.fromEntries(Object.entries(fields).filter(([name, value]) => name !== "name" && value.trim()));
    try {
      await put(`${KEYS}/${encodeURIComponent(fields.name.trim())}`, wanted);
      setFields({ name: "", orgId: "", callCenter: "", pem: "" });
      changed();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<details class="give-key" open=${open}><summary>Give a public key</summary><form onSubmit=${give} aria-label="Give a public key">
    <p class="fields">${field("name", "Name", { required: true, maxlength: 63 })}${field("orgId", "Org id (iss)", { placeholder: "any" })}${field("callCenter", "Call centre (sub)", { placeholder: "any" })}</p>
    <label for="key-pem">Public key or certificate, PEM</label>
    <textarea id="key-pem" class="mono" rows="5" spellcheck="false" required placeholder="-----BEGIN PUBLIC KEY-----" value=${fields.pem} onInput=${(event) => setFields((old) => ({ ...old, pem: event.target.value }))}></textarea>
    <p class="bar"><button type="submit">Give it</button></p><${Trouble} error=${error} />
  </form></details>`;
}

/** Where clients post to: the address of this page, with the path of the API. */
const endpoint = () => new URL("telephony/v1", document.baseURI).href;

function Row({ one }) {
  return html`<tr><td data-name="Created"><time title=${time(one.createdAt)}>${moment(time(one.createdAt))}</time></td>
    <td data-name="Voice call"><a class="mono" href=${href("voice-calls", one.voiceCallId)}>${one.voiceCallId}</a></td><td data-name="Key" class="mono">${one.vendorCallKey}</td>
    <td data-name="From → to">${one.from || "–"} → ${one.to || "–"}</td><td data-name="State"><span class="state ${one.isActiveCall ? "live-state" : ""}">${one.state}</span></td>
    <td data-name="Rules"><${Badge} status=${worst(one.findings)} word=${FOUND[worst(one.findings)]} /></td>
    <td data-name="SIP call">${one.call ? html`<a href=${href("calls", one.call)}>the call</a>` : html`<span class="dim">none yet</span>`}</td><td data-name="Partner">${one.partner || ""}</td></tr>`;
}

const FOUND = { pass: "in order", warn: "warned", fail: "failed" };

export function VoiceCall({ id }) {
  const [state, setState] = useState({ one: null, error: null });
  const read = () => getJson(`${VOICE_CALLS}/${encodeURIComponent(id)}`).then((one) => setState({ one, error: null }), (error) => setState((old) => ({ ...old, error })));
  const soon = useThrottled(read, 300);
  useEffect(() => {
    read();
    return onEvent((name, data) => {
      if (name === "resync" || name === "reset" || (name === "voice.call" && (data.voiceCallId === id || data.vendorCallKey === id))) soon();
    });
  }, [id]);
  const { one, error } = state;
  const back = html`<p class="back"><a href=${href("voice-calls")}>← Voice calls</a></p>`;
  if (!one) return html`<section>${back}${error ? html`<${Trouble} error=${error} retry=${isAbsent(error) ? null : read} />` : html`<${Waiting} what="the voice call" />`}</section>`;
  return html`<article class="voice-call">${back}
    <header class="call-head"><${Badge} status=${worst(one.findings)} word=${FOUND[worst(one.findings)]} /><h1 class="mono">${one.voiceCallId}</h1><span class="state ${one.isActiveCall ? "live-state" : ""}">${one.state}</span></header>
    <${Remarks} findings=${one.findings} />
    <${About} one=${one} />
    <${Requests} requests=${requestsOf(one)} />
  </article>`;
}

const requestsOf = (one) => (Array.isArray(one.requests) ? one.requests : one.log || []);

export function Remarks({ findings = [] }) {
  const against = findings.filter((finding) => finding.status === "fail" || finding.status === "warn");
  return against.map((finding) => html`<div key=${finding.rule + finding.detail} class="cure ${finding.status}"><p><${Glyph} status=${finding.status} /> <${RuleLink} rule=${finding.rule} /> ${finding.detail || finding.title}</p>${finding.fix && html`<p><span class="tag">fix</span> ${finding.fix}</p>`}</div>`);
}

function About({ one }) {
  const parent = one.parentVoiceCallId;
  const calls = [...new Set([one.call, ...(one.calls || [])].filter(Boolean))];
  return html`<dl class="facts">
    <${Fact} name="vendorCallKey" wide><span class="mono">${one.vendorCallKey || "–"}</span><//>
    <${Fact} name="From">${one.from || "–"}<//><${Fact} name="To">${one.to || "–"}<//>
    <${Fact} name="Method">${one.initiationMethod || "–"}<//>
    <${Fact} name="Partner">${one.partner || "–"}<//>
    <${Fact} name="Org">${one.org || "–"}<//><${Fact} name="Call centre">${one.callCenter || "–"}<//>
    <${Fact} name="SIP call">${calls.length ? calls.map((call) => html`<a key=${call} href=${href("calls", call)}>the call</a> `) : "none names it yet"}<//>
    <${Fact} name="Linked to">${parent ? html`<a class="mono" href=${href("voice-calls", parent)}>${parent}</a>` : "–"}<//>
    ${(one.linkedCalls || []).length > 0 && html`<${Fact} name="Linked by">${one.linkedCalls.map((other) => html`<a key=${other} class="mono" href=${href("voice-calls", other)}>${other}</a> `)}<//>`}
    <${Fact} name="Created"><time title=${time(one.createdAt)}>${preciseMoment(time(one.createdAt))}</time><//>
    <${Fact} name="Accepted">${one.acceptedAt ? html`<time title=${time(one.acceptedAt)}>${preciseMoment(time(one.acceptedAt))}</time>` : "–"}<//>
    <${Fact} name="Closed">${one.closedAt ? html`<time title=${time(one.closedAt)}>${preciseMoment(time(one.closedAt))}</time>` : "still open"}<//>
    <${Fact} name="Messages">${one.messages ?? "–"}<//>
    ${one.routing && html`<${Fact} name="Routing" wide><span class="mono">${JSON.stringify(one.routing)}</span><//>`}
    ${one.callAttributes && html`<${Fact} name="callAttributes" wide><span class="mono">${JSON.stringify(one.callAttributes)}</span><//>`}
  </dl>`;
}

function Requests({ requests }) {
  if (!requests.length) return html`<p class="dim">Its requests are not kept any more.</p>`;
  return html`<section><h2>Requests</h2>${requests.map((request, index) => html`<${Request} key=${request.id || index} request=${request} />`)}</section>`;
}

const json = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** One request to the Telephony Integration API with its answer; open when something is to be said of it. */
export function Request({ request }) {
  const stands = worst(request.findings);
  const refused = request.status >= 400;
  return html`<details class="one-message request" open=${stands !== "pass"}>
    <summary class="line"><strong class="mono">${request.method} ${request.path}</strong><span class=${refused ? "bad" : "good-status"}>${request.status}</span>${stands !== "pass" ? html`<${Glyph} status=${stands} />` : ""}
      <time title=${time(request.at)}>${preciseMoment(time(request.at))}</time><span class="dim">${typeof request.durationMs === "number" ? `${request.durationMs.toFixed(1)} ms` : ""}</span></summary>
    <${Remarks} findings=${request.findings} />
    <div class="two">
      <section><h3>Request</h3>${request.request === null || request.request === undefined || request.request === "" ? html`<p class="dim">no body</p>` : html`<${Code} text=${json(request.request)} what="the request" wrap />`}</section>
      <section><h3>Answer</h3>${request.answer === null || request.answer === undefined || request.answer === "" ? html`<p class="dim">no body</p>` : html`<${Code} text=${json(request.answer)} what="the answer" wrap />`}</section>
    </div>
  </details>`;
}
