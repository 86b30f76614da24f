// What goes with a call beside its messages: region, scenario, faults, the agent's talk, voice call, escalation, partner check.

import { html, useState } from "./vendor/preact-htm.js";
import { API, callPath, post } from "./api.js";
import { isLive, preciseMoment } from "./format.js";
import { href } from "./route.js";
import { Fact, Trouble, useFetch, Waiting } from "./ui.js";
import { Request, Remarks } from "./voice-calls.js";

const MODES = { bye: "by BYE", "bye+data": "by BYE with data", "invite-back": "by INVITE to the partner", refer: "by REFER" };
const CHECKS = [["customerAlive", "The customer's leg", "lives", "was dropped"], ["repReached", "A human rep", "was reached", "was not reached"], ["linked", "The rep's voice call", "refers to this one", "does not refer to this one"]];

/** The line under the head of a call that went further than the echo, or was treated badly on purpose. */
export function FlowLine({ call }) {
  const faults = call.faults || [];
  const parts = [
    call.escalationOf && html`gives back <a href=${href("calls", call.escalationOf)}>this call</a>`,
    call.escalation && html`<strong>${escalationWords(call.escalation)}</strong>${call.escalation.call ? html`, <a href=${href("calls", call.escalation.call)}>the other leg</a>` : ""}`,
    call.voiceCallId && html`<a href=${href("voice-calls", call.voiceCallId)}>voice call ${call.voiceCallId}</a>`,
    faults.length > 0 && html`<span class="fault-mark">wrong on purpose: ${faults.map((fault) => fault.type || fault.name).join(", ")}</span>`,
  ].filter(Boolean);
  if (!parts.length) return null;
  return html`<p class="flow-line" aria-live="polite">${parts.map((part, index) => html`<span key=${index}>${part}</span>`)}</p>`;
}

function escalationWords(escalation) {
  const states = escalation.states || [];
  const now = (states.at(-1) || {}).state || escalation.state || "";
  const words = { began: "is being given back", data: "is being given back", calling: "the partner is being called", returned: "given back", failed: "giving back failed", over: "given back" }[now] || now;
  return `${words} ${MODES[escalation.mode] || escalation.mode || ""}`.trim();
}

export function Escalate({ call }) {
  const [state, setState] = useState({ sent: false, error: null });
  const escalate = () => {
    setState({ sent: true, error: null });
    post(callPath(call.id, "/escalate"), {}).catch((error) => setState({ sent: false, error }));
  };
  const under = state.sent || Boolean(call.escalation);
  return html`<button type="button" onClick=${escalate} disabled=${under}>${under ? "Escalating" : "Escalate"}</button><${Trouble} error=${state.error} />`;
}

export function FlowTab({ id, version, call }) {
  const { data, error, retry } = useFetch(callPath(id, "/journey"), { version });
  if (error) return html`<${Trouble} error=${error} retry=${retry} />`;
  if (!data) return html`<${Waiting} what="the flow" />`;
  return html`<div class="flow-tab">
    <${Reached} flow=${data} />
    <${Talk} agent=${data.agent} call=${call} scenario=${data.scenario} />
    <${Escalation} flow=${data} />
    <${VoiceCall} flow=${data} />
    <${FlowInput} input=${data.flowInput} />
  </div>`;
}

function Reached({ flow }) {
  return html`<section><h2>What the call reached</h2><dl class="facts">
    <${Fact} name="Scenario">${flow.scenario || "echo"}<//>
    <${Fact} name="Because" wide>${flow.why || "not told"}<//>
    <${Fact} name="Region">${flow.region || "names none"}<//>
    <${Fact} name="Chosen by">${flow.chosenBy || "–"}<//>
    <${Fact} name="Partner">${flow.partner || "–"}<//>
  </dl>
  ${flow.words.faults.length > 0 && html`<p class="hint fault-mark">Wrong on purpose: ${flow.words.faults.join("; ")}. <a href=${href("faults")}>Faults</a></p>`}</section>`;
}

const SPOKEN = { prompt: "agent", speech: "caller", digit: "caller", silence: "caller" };

function Talk({ agent, call, scenario }) {
  const heard = agent.filter((event) => event.event !== "prompt-over");
  if (!heard.length) {
    if (scenario !== "agent" && !(call.scenario && call.scenario !== "echo")) return null;
    return html`<section><h2>The agent's talk</h2><p class="dim">${isLive(call) ? "The agent has said nothing yet." : "The agent said nothing."}</p></section>`;
  }
  return html`<section><h2>The agent's talk</h2><ol class="talk" aria-label="the agent's talk">${heard.map((event, index) => html`<li key=${index} class=${SPOKEN[event.event] || "step-mark"}>
    <time title=${event.at}>${event.offsetS === null ? "" : `+${event.offsetS.toFixed(1)} s`}</time><span>${event.words}</span>${event.line ? html` <span class="dim">line ${event.line}</span>` : ""}</li>`)}</ol></section>`;
}

function Escalation({ flow }) {
  const { escalation, words } = flow;
  if (flow.escalationOf) return html`<section><h2>Escalation</h2><p>This call gives back <a href=${href("calls", flow.escalationOf)}>call ${flow.escalationOf}</a>.</p></section>`;
  if (!escalation) return null;
  const check = escalation.check || null;
  return html`<section><h2>Escalation ${MODES[escalation.mode] || escalation.mode || ""}</h2>
    ${escalation.why && html`<p>Because: ${escalation.why}</p>`}
    <ol class="talk" aria-label="states of the escalation">${words.escalation.map((state, index) => html`<li key=${index} class="step-mark"><time title=${state.at}>${preciseMoment(state.at)}</time><span>${state.words}</span></li>`)}</ol>
    ${escalation.call && html`<p><a href=${href("calls", escalation.call)}>The other leg, call ${escalation.call}</a></p>`}
    <${Check} check=${check} />
  </section>`;
}

/** What the partner did with the call that it got back (requirements 111 to 113). */
function Check({ check }) {
  if (!check) return html`<p class="dim">Nothing is known yet of what the partner did with it: the check waits for its REST requests, or for a POST to the call's /partner.</p>`;
  return html`<h3>Partner check</h3><ul class="checks">${CHECKS.map(([name, what, good, bad]) => {
    const known = typeof check[name] === "boolean";
    return html`<li key=${name}><span class="glyph ${known ? (check[name] ? "pass" : "fail") : "unknown"}" aria-hidden="true">${known ? (check[name] ? "✓" : "✕") : "?"}</span> ${what} ${known ? (check[name] ? good : bad) : "is not known"}</li>`;
  })}</ul>
  <p class="dim">${[check.repCall && `rep's voice call ${check.repCall}`, check.by && `told by ${{ rest: "REST", api: "the API", deadline: "nobody in time" }[check.by] || check.by}`, check.text].filter(Boolean).join(", ")}</p>`;
}

function VoiceCall({ flow }) {
  const one = flow.voiceCall;
  const id = one && one.voiceCallId;
  const record = useFetch(id ? `${API}/voice-calls/${encodeURIComponent(id)}` : null, { version: one && one.requests });
  const requests = (record.data && record.data.log) || flow.requests; // those before the INVITE stand with the record alone
  if (!one && !flow.requests.length) {
    if (!flow.scenario || flow.scenario === "echo") return null;
    return html`<section><h2>Voice call</h2><p class="dim">No voice call belongs to this call: none was created by REST, or its User-to-User names none.</p></section>`;
  }
  return html`<section><h2>Voice call</h2>
    ${one && html`<p>${flow.words.voiceCall} <a href=${href("voice-calls", one.voiceCallId)}>All of it</a></p><${Remarks} findings=${one.findings} />`}
    ${requests.map((request, index) => html`<${Request} key=${request.id || index} request=${request} />`)}
  </section>`;
}

function FlowInput({ input }) {
  const listed = Object.entries(input || {});
  if (!listed.length) return null;
  return html`<section><h2>Parameters for the inbound flow</h2><div class="table-box"><table><tbody>${listed.map(([name, value]) => html`<tr key=${name}><th scope="row" class="mono">${name}</th><td class="mono">${typeof value === "string" ? value : JSON.stringify(value)}</td></tr>`)}</tbody></table></div></section>`;
}
