// A User-to-User value taken apart: lengths, hex, text, fields, token, findings. Used by a call's tab and by the workbench.

import { html } from "./vendor/preact-htm.js";
import { callPath } from "./api.js";
import { moment } from "./format.js";
import { Badge, Code, Fact, Trouble, useFetch, Waiting } from "./ui.js";
import { FindingCard } from "./finding.js";

const KNOWN_LIMITS = [[128, "ISDN and some platforms"], [256, "several CCaaS platforms"]];
const SCOPES = { value: "hex digits", decoded: "octets decoded", line: "characters of the header line" };

export function UuiTab({ id, version, info }) {
  const { data, error, retry } = useFetch(callPath(id, "/uui"), { version });
  if (error) return html`<${Trouble} error=${error} retry=${retry} />`;
  if (!data) return html`<${Waiting} what="the header" />`;
  if (data.raw === null) {
    return html`<div class="empty"><p>${data.read ? "The INVITE brought no User-to-User header." : "User-to-User was not read: the INVITE could not be read, or was refused before."}</p></div>${(data.explained || []).map((finding) => html`<${FindingCard} key=${finding.rule} finding=${finding} />`)}`;
  }
  return html`<${UuiView} uui=${data} info=${info} />`;
}

export function UuiView({ uui, info }) {
  const explained = uui.explained || (Array.isArray(uui.findings) && uui.findings.some((one) => one && one.rule) ? uui.findings : []);
  const parameters = (uui.parameters || []).map(([name, value]) => (value === null ? name : `${name}=${value}`));
  return html`<div class="uui-view">
    ${explained.filter((finding) => finding.status !== "pass" && finding.status !== "skip").map((finding) => html`<${FindingCard} key=${finding.rule + finding.detail} finding=${finding} />`)}
    <${Lengths} lengths=${uui.lengths} info=${info} />
    <dl class="facts">
      <${Fact} name="Header">${uui.header || "User-to-User"}<//>
      <${Fact} name="Parameters"><span class="mono">${parameters.join("; ") || "none"}</span><//>
      <${Fact} name="Leading octet">${uui.leadingOctet === null || uui.leadingOctet === undefined ? "none" : uui.leadingOctet.toString(16).padStart(2, "0")}<//>
      <${Fact} name="Selects">${uui.isEcho ? "the echo test" : "by number"}<//>
    </dl>
    <${Problems} problems=${uui.problems} />
    <div class="two">
      <section><h2>As it came</h2><${Raw} uui=${uui} /></section>
      <section><h2>Decoded</h2>${uui.decoded === null || uui.decoded === undefined ? html`<p class="dim">It could not be decoded.</p>` : html`<${Code} text=${pretty(uui.decoded)} what="the decoded text" wrap />`}</section>
    </div>
    <${Fields} fields=${uui.fields} named=${uui.named} />
    <${Token} jwt=${uui.jwt} />
  </div>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Lengths({ lengths, info }) {
  if (!lengths || !info) return null;
  const { limit: most, limitScope: scope } = info.uui;
  const scale = Math.max(most, lengths.line, lengths.value) * 1.04;
  return html`<section class="lengths"><h2>Length <span class="dim">limit ${most} ${SCOPES[scope]} (uui.limit)</span></h2>
    ${Object.entries(SCOPES).map(([name, words]) => html`<${Bar} key=${name} words=${words} count=${lengths[name] || 0} scale=${scale} limit=${name === scope ? most : null} />`)}
  </section>`;
}

function Bar({ words, count, scale, limit }) {
  const over = limit !== null && count > limit;
  const share = (value) => `${Math.min(100, (100 * value) / scale)}%`;
  const passed = KNOWN_LIMITS.filter(([known]) => count > known).map(([known, who]) => `over ${known} (${who})`);
  return html`<div class="length"><span class="number">${count}</span><span>${words}</span>
    <span class="bar-box" role="img" aria-label="${count} ${words}${limit !== null ? ` of ${limit}` : ""}${over ? ", over the limit" : ""}"><span class="fill ${over ? "over" : ""}" style=${{ width: share(count) }}></span>${limit !== null && html`<span class="limit" style=${{ left: share(limit) }}></span>`}</span>
    <span class="dim">${over ? html`<span class="bad">over the limit by ${count - limit}</span>` : passed.at(-1) || ""}</span></div>`;
}

function Raw({ uui }) {
  const problem = (uui.problems || []).find((one) => one.position !== null && one.position !== undefined && one.within === "value");
  const text = uui.raw || "";
  if (!problem) return html`<${Code} text=${text} what="the header value" wrap />`;
  const characters = Array.from(text);
  const at = problem.shownPosition ?? problem.position; // what is masked is shorter, or longer
  return html`<div class="code"><pre class="wrap" tabindex="0" role="group" aria-label="the header value">${characters.slice(0, at).join("")}<mark class="fail" title=${problem.detail}>${characters[at] ?? "␄"}</mark>${characters.slice(at + 1).join("")}</pre></div>`;
}

function Problems({ problems }) {
  if (!problems || !problems.length) return null;
  return html`<ul class="problems">${problems.map((problem) => html`<li key=${problem.fault + problem.position}><span class="mono">${problem.fault}</span> ${problem.detail}${problem.position === null || problem.position === undefined ? "" : ` (character ${problem.position} of the ${problem.within === "value" ? "value" : "decoded text"})`}</li>`)}</ul>`;
}

function Fields({ fields, named }) {
  const listed = Object.entries(fields || {});
  if (!listed.length) return null;
  const names = Object.fromEntries(Object.entries(named || {}).map(([name, key]) => [key, name]));
  return html`<section><h2>Fields</h2><div class="table-box"><table><tbody>${listed.map(([key, value]) => html`<tr key=${key}><th scope="row" class="mono">${key}${names[key] && names[key] !== key ? html` <span class="dim">(${names[key]})</span>` : ""}</th><td class="mono break">${typeof value === "string" ? value : JSON.stringify(value)}</td></tr>`)}</tbody></table></div></section>`;
}

function Token({ jwt }) {
  if (!jwt) return null;
  return html`<section><h2>Token <span class="dim">its signature is not checked</span></h2><p><${Expiry} claims=${jwt.claims} /></p>
    <div class="two"><${Code} text=${JSON.stringify(jwt.claims, null, 2)} what="the claims" wrap /><${Code} text=${JSON.stringify(jwt.header, null, 2)} what="the token's header" wrap /></div></section>`;
}

function Expiry({ claims }) {
  const at = claims && Number(claims.exp);
  if (!at) return html`<${Badge} status="warn" word="no expiry" />`;
  const left = at * 1000 - Date.now();
  const span = Math.abs(left) < 7_200_000 ? `${Math.round(Math.abs(left) / 60_000)} min` : `${Math.round(Math.abs(left) / 3_600_000)} h`;
  const when = Number.isFinite(at) && at < 8e12 / 1000 ? moment(new Date(at * 1000).toISOString()) : String(claims.exp);
  return html`<${Badge} status=${left > 0 ? "pass" : "fail"} word=${left > 0 ? `expires in ${span}` : `expired ${span} ago`} /> <span class="dim">${when}</span>`;
}
