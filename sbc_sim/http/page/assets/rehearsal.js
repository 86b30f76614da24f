// One rehearsal as it goes: its steps by part, what each still lacks, why the last try failed, and every try with its call.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { API, getJson, isAbsent, post } from "./api.js";
import { onEvent } from "./events.js";
import { moment, plural } from "./format.js";
import { href, setParams } from "./route.js";
import { Fact, Glyph, Trouble, useAway, useThrottled, Waiting } from "./ui.js";
import { RuleLink } from "./finding.js";
import { Drop, sendTrace } from "./upload.js";
import { MODES, Progress, State } from "./rehearsals.js";

const SOON_MS = 400;
const OPEN = ["waiting", "running"];
const path = (id, rest = "") => `${API}/rehearsals/${encodeURIComponent(id)}${rest}`;
const stepPath = (id, step, what) => path(id, `/steps/${step.split("/").map(encodeURIComponent).join("/")}/${what}`);

/** The rehearsal, kept up to date by its events: each brings its step whole; counts and the rest are read after a burst. */
function useRehearsal(id) {
  const [state, setState] = useState({ one: null, error: null });
  const away = useAway();
  const read = () => getJson(path(id)).then((one) => setState({ one, error: null }), (error) => setState((old) => ({ ...old, error })));
  const soon = useThrottled(read, SOON_MS);
  useEffect(() => {
    if (!away) read();
  }, [id, away]);
  useEffect(() => onEvent((name, data) => {
    if (name === "resync" || name === "reset") read();
    if (!name.startsWith("rehearsal.") || data.rehearsal !== id) return;
    if (name === "rehearsal.step") setState((old) => (old.one ? { ...old, one: withStep(old.one, data) } : old));
    soon();
  }), [id]);
  return { ...state, read };
}

function withStep(one, told) {
  const at = one.steps.findIndex((step) => step.id === told.step);
  if (at < 0) return one;
  const step = { ...one.steps[at], ...told, id: told.step };
  return { ...one, state: told.rehearsalState || one.state, counts: told.counts || one.counts, steps: one.steps.map((other, index) => (index === at ? step : other)) };
}

export function Rehearsal({ id, params }) {
  const { one, error, read } = useRehearsal(id);
  const back = html`<p class="back"><a href=${href("rehearsals")}>← Rehearsals</a></p>`;
  if (!one) return html`<section>${back}${error ? html`<${Trouble} error=${error} retry=${isAbsent(error) ? null : read} />` : html`<${Waiting} what="the rehearsal" />`}</section>`;
  return html`<article class="rehearsal">${back}
    <header class="call-head"><${State} state=${one.state} /><h1>${one.name || one.id}</h1><${Progress} counts=${one.counts} /><${Acts} one=${one} read=${read} /></header>
    <${Trouble} error=${error} retry=${read} />
    <${Now} one=${one} />
    <${About} one=${one} />
    ${groups(one.steps).map(([name, steps]) => html`<${Group} key=${name} name=${name} steps=${steps} one=${one} open=${params.step} read=${read} />`)}
    <${Strays} notes=${one.notes} />
  </article>`;
}

function Acts({ one, read }) {
  const [error, setError] = useState(null);
  const act = (what) => () => {
    setError(null);
    post(path(one.id, `/${what}`)).then(read, setError);
  };
  return html`<span class="acts">
    ${one.state === "running" && html`<button type="button" onClick=${act("stop")}>Stop</button>`}
    ${["stopped", "failed"].includes(one.state) && html`<button type="button" onClick=${act("resume")}>Resume</button>`}
  </span><${Trouble} error=${error} />`;
}

/** The one sentence that whoever sits at the SBC needs: what it waits for, or how it ended. */
function Now({ one }) {
  const open = one.steps.filter((step) => OPEN.includes(step.state));
  const failed = one.steps.filter((step) => step.state === "failed");
  return html`<div class="headline" aria-live="polite">
    <p class="sentence">${sentence(one, open, failed)}</p>
    ${one.state === "running" && open.length > 0 && html`<p class="first"><span class="tag">do now</span> ${(open[0].missing || [])[0] || open[0].expects}</p>`}
    ${failed.length > 0 && html`<p class="first fail"><span class="tag">mend first</span> <${StepLink} id=${one.id} step=${failed[0]} /> ${failed[0].why}</p>`}
  </div>`;
}

function sentence(one, open, failed) {
  if (one.state === "passed") return "Every step passed.";
  if (one.state === "failed") return `It is over, and failed: ${plural(failed.length, "step")} did not pass. Resume to try them again.`;
  if (one.state === "incomplete") return "It is over, and incomplete: nothing failed, but a step was left out. Retry that step to complete it.";
  if (one.state === "stopped") return "It is stopped: no call counts until it is resumed.";
  const waits = open.length ? `${plural(open.length, "step waits", "steps wait")} for your calls` : "The next step is about to begin";
  return `${waits}${failed.length ? `; ${failed.length} failed and can be tried again` : ""}.`;
}

const StepLink = ({ id, step }) => html`<a href=${href("rehearsals", id, { step: step.id })}>${step.title}</a>`;

function About({ one }) {
  const file = (name) => path(one.id, `/${name}`);
  return html`<dl class="facts">
    <${Fact} name="Partner">${one.partner}<//>
    <${Fact} name="Profile">${one.profile}${one.ruleSet ? html` <span class="dim">rule set ${one.ruleSet}</span>` : ""}<//>
    <${Fact} name="Begun"><time title=${one.createdAt}>${moment(one.createdAt)}</time><//>
    <${Fact} name="Ended">${one.endedAt ? html`<time title=${one.endedAt}>${moment(one.endedAt)}</time>` : "–"}<//>
    <${Fact} name="Report" wide><a href=${file("report.html")}>to read</a>, <a href=${file("report.json")}>JSON</a>, <a href=${file("report.xml")}>JUnit</a><//>
    <${Fact} name="Signaling form" wide><a href=${file("signaling-form.html")}>to read</a>, <a href=${file("signaling-form.md")}>Markdown</a><//>
  </dl>`;
}

const modeWords = Object.fromEntries(MODES);

function groups(steps) {
  const found = new Map();
  for (const step of steps) {
    const name = step.id.includes("/") ? step.id.split("/")[0] : "Comparison and form";
    found.set(name, [...(found.get(name) || []), step]);
  }
  return [...found];
}

function groupTitle(name) {
  if (name === "connectivity") return "Connectivity test";
  if (name.startsWith("e2e-")) return `End-to-end test, given back ${modeWords[name.slice(4)] || name.slice(4)}`;
  return name;
}

function Group({ name, steps, one, open, read }) {
  const passed = steps.filter((step) => step.state === "passed").length;
  return html`<section class="steps-of" aria-label=${groupTitle(name)}>
    <h2>${groupTitle(name)} <span class="dim">${passed} of ${steps.length} passed</span></h2>
    <ol class="step-list">${steps.map((step) => html`<${Step} key=${step.id} step=${step} one=${one} open=${open === step.id} read=${read} />`)}</ol>
  </section>`;
}

/** What a closed step says of itself in one line. */
function brief(step, notes = []) {
  if (step.state === "failed" || step.state === "skipped") return step.why;
  const own = step.why && !notes.some((note) => note.text === step.why); // what belonged to no step is told once, at the end
  if (OPEN.includes(step.state)) return own ? `Last try: ${step.why}` : (step.missing || [])[0] || step.expects;
  if (step.state === "passed") return ((step.attempts || []).at(-1) || {}).text || step.expects;
  return step.expects;
}

function Step({ step, one, open, read }) {
  const tries = step.tried || (step.attempts || []).length;
  return html`<li class="step is-${step.state}" id=${`step-${step.id}`}>
    <h3><button type="button" class="line" aria-expanded=${String(open)} onClick=${() => setParams({ step: open ? "" : step.id })}>
      <${State} state=${step.state} /><span class="title">${step.title}</span><span class="brief">${brief(step, one.notes)}</span><span class="tries dim">${tries ? plural(tries, "try", "tries") : ""}</span>
    </button></h3>
    ${open && html`<${StepBody} step=${step} one=${one} read=${read} />`}
  </li>`;
}

function StepBody({ step, one, read }) {
  const missing = step.missing || [];
  return html`<div class="step-body">
    <dl class="said">
      <div><dt>Expected</dt><dd>${step.expects}</dd></div>
      ${missing.length > 0 && html`<div><dt>Missing</dt><dd><ul>${missing.map((line) => html`<li key=${line}>${line}</li>`)}</ul></dd></div>`}
      ${step.why && html`<div><dt>${step.state === "skipped" ? "Because" : "Last try"}</dt><dd>${step.why}</dd></div>`}
      ${step.deadline && html`<div><dt>Waits until</dt><dd><time title=${step.deadline}>${moment(step.deadline)}</time></dd></div>`}
    </dl>
    ${step.kind === "compare" && step.state !== "skipped" && html`<${Upload} step=${step} one=${one} read=${read} />`}
    <${Tries} attempts=${step.attempts || []} />
    <${StepActs} step=${step} one=${one} read=${read} />
  </div>`;
}

function StepActs({ step, one, read }) {
  const [error, setError] = useState(null);
  const act = (what) => () => {
    setError(null);
    post(stepPath(one.id, step.id, what)).then(read, setError);
  };
  const over = ["passed", "failed", "skipped"].includes(step.state);
  return html`<p class="bar">
    ${over && html`<button type="button" onClick=${act("retry")} aria-label="Try again: ${step.title}">Try again</button>`}
    ${!["passed", "skipped"].includes(step.state) && html`<button type="button" onClick=${act("skip")} aria-label="Leave out: ${step.title}">Leave out</button>`}
  </p><${Trouble} error=${error} />`;
}

function Tries({ attempts }) {
  if (!attempts.length) return null;
  return html`<ol class="attempt-list" aria-label="Tries">${[...attempts].reverse().map((attempt, index) => html`<li key=${`${attempt.at}${attempt.call}${index}`}><${Try} attempt=${attempt} /></li>`)}</ol>`;
}

function Try({ attempt }) {
  const { checks = [], findings = [], faults = [] } = attempt;
  return html`<p class="line"><${State} state=${attempt.status} /><time title=${attempt.at}>${moment(attempt.at)}</time>
      ${attempt.call && html`<a href=${href("calls", attempt.call)}>the call</a>`}${attempt.call && html`<a href=${href("calls", attempt.call, "ladder")}>its ladder</a>`}
      ${attempt.voiceCall && html`<a href=${href("voice-calls", attempt.voiceCall)}>voice call ${attempt.voiceCall}</a>`}<span>${attempt.text}</span></p>
    ${checks.length > 0 && html`<ul class="checks">${checks.map((check) => html`<li key=${check.name}><${Glyph} status=${CHECKED[check.status] || check.status} /> ${check.name}${check.text ? html` <span class="dim">${check.text}</span>` : ""}</li>`)}</ul>`}
    ${faults.length > 0 && html`<p class="dim">Wrong on purpose: ${faults.map((fault) => fault.type || fault.name).join(", ")}</p>`}
    ${findings.map((finding) => html`<p key=${finding.rule + finding.detail} class="cure ${finding.status}"><${Glyph} status=${finding.status} /> <${RuleLink} rule=${finding.rule} /> ${finding.detail}${finding.evidence && html`<br /><code>${finding.evidence}</code>`}</p>`)}`;
}

const CHECKED = { passed: "pass", failed: "fail", skipped: "skip" };

/** The partner's own trace, for the step that compares both ends. */
function Upload({ step, one, read }) {
  const [file, setFile] = useState(null);
  const [text, setText] = useState("");
  const [state, setState] = useState({ busy: false, error: null, told: "" });
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null, told: "" });
    try {
      const compared = await sendTrace(stepPath(one.id, step.id, "trace"), file, text);
      setState({ busy: false, error: null, told: compared.text });
      read();
    } catch (error) {
      setState({ busy: false, error, told: "" });
    }
  };
  return html`<form class="upload" onSubmit=${send} aria-label="The partner's trace">
    <${Drop} id="trace-file" file=${file} take=${setFile} />
    <label for="trace-text">or its SIP messages as text</label>
    <textarea id="trace-text" class="mono" rows="4" spellcheck="false" placeholder="INVITE sip:… SIP/2.0" value=${text} disabled=${Boolean(file)} onInput=${(event) => setText(event.target.value)}></textarea>
    <p class="bar"><button type="submit" disabled=${state.busy || (!file && !text.trim())}>${state.busy ? "Comparing …" : "Compare"}</button> <span role="status">${state.told}</span></p>
    <${Trouble} error=${state.error} />
  </form>`;
}

function Strays({ notes = [] }) {
  if (!notes.length) return null;
  return html`<section><h2>Belonged to no step</h2><ul class="notes">${[...notes].reverse().map((note) => html`<li key=${note.at + note.text}><time title=${note.at}>${moment(note.at)}</time> ${note.text} ${note.call && html`<a href=${href("calls", note.call)}>the call</a>`}</li>`)}</ul></section>`;
}
