// One call: what is to be said of it at once, and the tabs with all the rest. Live while it goes on.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { callPath, getJson, post } from "./api.js";
import { onEvent } from "./events.js";
import { byUrgency, duration, ending, isLive, lasted, party, plural, preciseMoment } from "./format.js";
import { href, setParams } from "./route.js";
import { Badge, Copy, Counts, Fact, TabLinks, Trouble, useAway, useFetch, useNow, useThrottled, Waiting } from "./ui.js";
import { RuleLink } from "./finding.js";
import { Against, Board } from "./board.js";
import { LadderTab } from "./ladder.js";
import { MediaTab } from "./media.js";
import { UuiTab } from "./uui.js";
import { MessagesTab } from "./messages.js";
import { FilesTab } from "./files.js";
import { Escalate, FlowLine, FlowTab } from "./flow.js";

const SOON_MS = 300; // a burst of events is one look
const NOW_AND_THEN_MS = 1000; // counters alone, which change all the time

/** The call, and a number that rises whenever something new is known of it. `gone`: the simulator knows it no more, nor how it goes on. */
function useCall(id) {
  const [state, setState] = useState({ call: null, error: null, version: 0, gone: false });
  const read = () =>
    getJson(callPath(id)).then(
      (call) => setState((old) => ({ call, error: null, gone: false, version: old.version + 1 })),
      (error) => setState((old) => (old.call ? { ...old, gone: old.gone || error.status === 404 } : { ...old, error })),
    );
  const rise = () => setState((old) => ({ ...old, version: old.version + 1 }));
  const [soon, nowAndThen] = [useThrottled(rise, SOON_MS), useThrottled(rise, NOW_AND_THEN_MS)];
  const away = useAway();
  useEffect(() => {
    if (!away) read(); // at first, and after a break: the simulator may be another one since, which never heard of this call
  }, [id, away]);
  useEffect(() => {
    return onEvent((name, data) => {
      if (name === "resync") read();
      else if (name === "reset") setState((old) => ({ ...old, gone: !(old.call && isLive(old.call)) }));
      else if (name.startsWith("call.") && data.id === id) setState((old) => ({ ...old, call: data }));
      else if (name === "verdict" && data.call === id) setState((old) => ({ ...old, call: old.call && { ...old.call, verdict: { status: data.status, counts: data.counts } } }));
      if (name === "call.updated" && data.id === id) nowAndThen();
      else if ((data.id || data.call) === id) soon();
    });
  }, [id]);
  return { ...state, away, read };
}

/** Tabs that ask for what they show and tell themselves when there is no answer. */
const TELLS = ["ladder", "flow", "media", "uui"];

export function Call({ id, part, params, info }) {
  const { call, error, version, gone, away, read } = useCall(id);
  const verdict = useFetch(callPath(id, "/verdict"), { version });
  if (error && !call) return html`<section><p><a href=${href("calls")}>← Calls</a></p><${Trouble} error=${error} retry=${read} /></section>`;
  if (!call) return html`<${Waiting} what="the call" />`;
  const findings = (verdict.data && verdict.data.findings) || [];
  return html`<article class="call">
    <p class="back"><a href=${href("calls")}>← Calls</a></p>
    ${gone && html`<p class="hint" role="status">The store was emptied or the simulator began anew: this call is remembered by this page only.</p>`}
    ${away && !gone && html`<p class="hint" role="status">The stream of events is broken off: this is what was known by then. It is taken up again by itself.</p>`}
    <${Head} call=${call} going=${isLive(call) && !gone && !away} />
    <${Headline} call=${call} findings=${findings} known=${verdict.data !== null || gone} lastKnown=${gone || away} />
    <${Facts} call=${call} />
    <${TabLinks} label="Parts of the call" now=${part} tabs=${tabs(id)} />
    ${!gone && !TELLS.includes(part) && html`<${Trouble} error=${verdict.error} retry=${verdict.retry} />`}
    ${tab(part, { id, call, version, findings, params, info, final: Boolean(verdict.data && verdict.data.final) })}
  </article>`;
}

const TABS = { verdict: "Verdict", ladder: "Ladder", flow: "Flow", media: "Media", uui: "UUI", messages: "Messages", files: "Files" };
const tabs = (id) => Object.entries(TABS).map(([name, label]) => ({ name, label, to: href("calls", id, name) }));

function tab(part, known) {
  if (part === "ladder") return html`<${LadderTab} ...${known} />`;
  if (part === "flow") return html`<${FlowTab} ...${known} />`;
  if (part === "media") return html`<${MediaTab} ...${known} />`;
  if (part === "uui") return html`<${UuiTab} ...${known} />`;
  if (part === "messages") return html`<${MessagesTab} ...${known} />`;
  if (part === "files") return html`<${FilesTab} ...${known} />`;
  return html`<${VerdictTab} ...${known} />`;
}

function Head({ call, going }) {
  const now = useNow(going);
  const { numbers = {} } = call;
  const unjudged = going ? "live" : isLive(call) ? "end not known" : "not judged";
  return html`<header class="call-head">
    <${Badge} status=${call.verdict && call.verdict.status} word=${call.verdict ? call.verdict.status : unjudged} />
    <h1>${party(call.from, numbers.from)} <span class="dim">→</span> ${party(call.to, numbers.requestUri || numbers.to)}</h1>
    <span class="state ${going ? "live-state" : ""}">${isLive(call) && !going ? `last known: ${call.state}` : call.state}</span>
    <span class="number">${duration(lasted(call, now))}</span>
    <span class="dim">${ending(call)}</span>
    <span class="dim">${[call.scenario, call.partner, call.region && `${call.region}${call.chosenBy ? ` by ${call.chosenBy}` : ""}`, call.direction].filter(Boolean).join(", ")}</span>
    ${going && html`<span class="acts">${call.state === "answered" && call.direction === "inbound" && html`<${Escalate} call=${call} />`}<${HangUp} call=${call} /></span>`}
  </header>
  <${FlowLine} call=${call} />`;
}

function HangUp({ call }) {
  const [error, setError] = useState(null);
  const [sent, setSent] = useState(false);
  const end = () => {
    setSent(true);
    post(callPath(call.id, "/hangup")).catch((problem) => {
      setSent(false);
      setError(problem);
    });
  };
  return html`<button type="button" class="danger" onClick=${end} disabled=${sent}>${sent ? "BYE sent" : "Hang up"}</button><${Trouble} error=${error} />`;
}

function Headline({ call, findings, known, lastKnown }) {
  if (!known) return null;
  const against = findings.filter((finding) => finding.status === "fail" || finding.status === "warn").sort(byUrgency);
  const first = against[0];
  return html`<div class="headline" aria-live="polite">
    <p class="sentence">${sentence(call, against, lastKnown)} <${Counts} counts=${call.verdict && call.verdict.counts} /></p>
    ${first && html`<p class="first ${first.status}"><span class="tag">${first.status === "fail" ? "mend first" : "look at first"}</span> <${RuleLink} rule=${first.rule} /> ${first.detail || first.title}</p>
      ${first.fix && html`<p class="first-fix">${first.fix}</p>`}`}
  </div>`;
}

function sentence(call, against, lastKnown) {
  const fails = against.filter((finding) => finding.status === "fail").length;
  const warns = against.length - fails;
  if (!call.verdict && isLive(call) && lastKnown) return `How the call ended, if it did, is not known${fails || warns ? `; until then ${told(fails, warns)}` : ""}.`;
  if (!call.verdict && call.escalationOf && !isLive(call)) return "This call gives back another one, and is judged with that one.";
  if (!call.verdict) return fails || warns ? `The call goes on; so far ${told(fails, warns)}.` : isLive(call) ? "The call goes on; nothing stands against it so far." : "There is no verdict on this call.";
  if (fails && call.state === "rejected") return `The SBC refused this call${call.endStatus ? ` with ${call.endStatus}` : ""}: ${told(fails, warns)}.`;
  if (fails) return `The call was taken, but it fails the test: ${told(fails, warns)}.`;
  if (warns) return `The call passes, with ${plural(warns, "warning")}.`;
  return call.state === "rejected" ? "The call was refused, though no rule stands against it." : "The call passes: every rule that could be checked holds.";
}

const told = (fails, warns) => [fails && `${plural(fails, "rule is", "rules are")} broken`, warns && plural(warns, "warning")].filter(Boolean).join(", ");

function Facts({ call }) {
  const { media } = call;
  return html`<dl class="facts">
    <${Fact} name="Started"><time title=${call.startedAt}>${preciseMoment(call.startedAt)}</time><//>
    <${Fact} name="Answered"><time title=${call.answeredAt}>${preciseMoment(call.answeredAt)}</time><//>
    <${Fact} name="Ended"><time title=${call.endedAt}>${preciseMoment(call.endedAt)}</time><//>
    <${Fact} name="Packets received / sent"><span class="packets">${media ? `${media.packetsReceived} / ${media.packetsSent}` : "–"}</span>${media && media.lost ? html`, <span class="bad">${media.lost} lost</span>` : ""}<//>
    <${Fact} name="Peer">${call.peer || "–"}<//>
    ${call.replica && html`<${Fact} name="Replica">${call.replica}<//>`}
    <${Fact} name="Media" wide>${media ? html`${media.codec || "–"}, <span class="mono">${media.suite || "no suite"}</span>` : "none"}<//>
    <${Fact} name="User-Agent">${call.userAgent || "not given"}<//>
    <${Fact} name="Call-ID" wide><span class="mono">${call.sipCallId}</span> <${Copy} text=${call.sipCallId} what="the Call-ID" /><//>
    <${Fact} name="From" wide><span class="mono">${call.from}</span><//>
    <${Fact} name="Request-URI" wide><span class="mono">${call.requestUri}</span><//>
  </dl>`;
}

function VerdictTab({ findings, params }) {
  return html`<div class="verdict-tab">
    <${Against} findings=${findings} />
    <${Board} findings=${findings} open=${params.rule} choose=${(rule) => setParams({ rule })} />
  </div>`;
}
