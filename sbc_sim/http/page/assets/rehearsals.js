// Rehearsals: those that there are, and beginning one.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, isAbsent, post } from "./api.js";
import { onEvent } from "./events.js";
import { moment } from "./format.js";
import { go, href } from "./route.js";
import { Trouble, useFetch, useThrottled, Waiting } from "./ui.js";

export const PARTS = [
  ["connectivity", "Connectivity test in each region"],
  ["end-to-end", "End-to-end test with the agent"],
  ["compare", "Comparison with the partner's own trace"],
  ["form", "SIP Signaling Configuration Form"],
];
export const MODES = [["bye", "by BYE"], ["bye+data", "by BYE with data"], ["invite-back", "by INVITE back to the partner"], ["refer", "by REFER (extended profile)"]];
const USUAL = { parts: ["connectivity", "end-to-end"], escalations: ["bye", "invite-back"] };
const SHAPES = { passed: "pass", failed: "fail", skipped: "skip", stopped: "warn", incomplete: "warn" };
const GLYPHS = { passed: "✓", failed: "✕", skipped: "–", stopped: "!", incomplete: "!", waiting: "…", running: "▸", pending: "·" };
const WORDS = { skipped: "left out", pending: "not yet" };

/** The state of a rehearsal or of a step as colour, glyph and word. */
export function State({ state }) {
  return html`<span class="badge step-state ${SHAPES[state] || `is-${state}`}"><span class="glyph" aria-hidden="true">${GLYPHS[state] || "·"}</span>${WORDS[state] || state}</span>`;
}

/** How many steps are done, as a bar and in words. */
export function Progress({ counts = {} }) {
  const all = ["passed", "failed", "skipped", "waiting", "pending"].map((name) => [name, counts[name] || 0]);
  const total = all.reduce((sum, [, count]) => sum + count, 0);
  const told = all.filter(([, count]) => count).map(([name, count]) => `${count} ${WORDS[name] || name}`);
  return html`<span class="progress"><progress max=${total || 1} value=${total - (counts.waiting || 0) - (counts.pending || 0)} aria-label="steps that are over"></progress> <span class="number">${told.join(", ") || "no steps"}</span></span>`;
}

export function Rehearsals() {
  const [version, setVersion] = useState(0);
  const { data, error, retry } = useFetch(`${API}/rehearsals`, { version });
  const look = useThrottled(() => setVersion((n) => n + 1), 500);
  useEffect(() => onEvent((name) => ["rehearsal.step", "rehearsal.changed", "resync", "reset"].includes(name) && look()), []);
  if (isAbsent(error)) return html`<section><h1>Rehearsals</h1><div class="empty"><p>This simulator keeps no rehearsals.</p></div></section>`;
  const listed = (data && data.rehearsals) || [];
  return html`<section class="rehearsals"><h1>Rehearsals</h1>
    <p class="lead">The checklist of the endorsement: a connectivity test in each region, then the call to the agent and back. Every step waits for your own calls and requests, and says what is missing.</p>
    <${Trouble} error=${error} retry=${retry} />
    ${!data && !error && html`<${Waiting} what="the rehearsals" />`}
    ${data && !listed.length && html`<div class="empty"><p><strong>No rehearsal yet.</strong> Begin one below, then place the calls it waits for; from another terminal <code>sbc-sim rehearse</code> does the same.</p></div>`}
    ${listed.length > 0 && html`<div class="table-box"><table class="stacks rehearsal-list">
      <thead><tr><th scope="col">Rehearsal</th><th scope="col">State</th><th scope="col">Partner</th><th scope="col">Steps</th><th scope="col">Begun</th></tr></thead>
      <tbody>${listed.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</tbody></table></div>`}
    ${data && html`<${Begin} open=${!listed.length} />`}
  </section>`;
}

function Row({ one }) {
  return html`<tr><td data-name="Rehearsal"><a href=${href("rehearsals", one.id)}>${one.name || one.id}</a></td><td data-name="State"><${State} state=${one.state} /></td>
    <td data-name="Partner">${one.partner}</td><td data-name="Steps"><${Progress} counts=${one.counts} /></td><td data-name="Begun"><time title=${one.createdAt}>${moment(one.createdAt)}</time></td></tr>`;
}

function Begin({ open }) {
  const [shown, setShown] = useState(open);
  const first = useRef(null);
  useEffect(() => {
    if (shown && !open && first.current) first.current.focus();
  }, [shown]);
  if (!shown) return html`<p class="bar"><button type="button" class="main" onClick=${() => setShown(true)}>New rehearsal</button></p>`;
  return html`<${BeginForm} first=${first} />`;
}

/** Boxes of which some are ticked: [[value, label]]. */
export function Boxes({ legend, options, value, change, hint }) {
  const turn = (one) => change(value.includes(one) ? value.filter((other) => other !== one) : options.map(([name]) => name).filter((name) => name === one || value.includes(name)));
  return html`<fieldset><legend>${legend}</legend>
    <div class="boxes">${options.map(([name, label]) => html`<label key=${name}><input type="checkbox" checked=${value.includes(name)} onChange=${() => turn(name)} /> ${label}</label>`)}</div>
    ${hint && html`<p class="dim">${hint}</p>`}</fieldset>`;
}

function BeginForm({ first }) {
  const regions = useFetch(`${API}/regions`);
  const partners = useFetch(`${API}/partners`);
  const [wanted, setWanted] = useState({ name: "", partner: "", regions: null, ...USUAL, stepSeconds: "" });
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (member) => (value) => setWanted((old) => ({ ...old, [member]: value }));
  const known = ((regions.data && regions.data.regions) || []).filter((one) => one.enabled !== false);
  const firms = (partners.data && partners.data.partners) || [];
  const mapped = mappedRegions(firms, wanted.partner, known);
  const chosen = wanted.regions || mapped;
  const begin = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const made = await post(`${API}/rehearsals`, body({ ...wanted, regions: chosen }));
      go("rehearsals", made.id);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  const some = wanted.parts.includes("connectivity") && !chosen.length && known.length > 0;
  return html`<form class="begin" onSubmit=${begin} aria-label="New rehearsal"><h2>New rehearsal</h2>
    <p class="fields"><label>Name <input ref=${first} value=${wanted.name} maxlength="80" onInput=${(event) => set("name")(event.target.value)} placeholder="what you call it" /></label>
      ${firms.length > 0 && html`<label>Partner <select value=${wanted.partner || firms[0].name} onChange=${(event) => setWanted((old) => ({ ...old, partner: event.target.value, regions: null }))}>${firms.map((one) => html`<option key=${one.name} value=${one.name}>${one.label || one.name}</option>`)}</select></label>`}
      <label>Seconds a step may wait <input type="number" min="1" value=${wanted.stepSeconds} placeholder="as set" onInput=${(event) => set("stepSeconds")(event.target.value)} /></label></p>
    <${Boxes} legend="Parts" options=${PARTS} value=${wanted.parts} change=${set("parts")} />
    ${wanted.parts.includes("connectivity") && known.length > 0 && html`<${Boxes} legend="Regions" options=${known.map((one) => [one.name, one.label || one.name])} value=${chosen} change=${set("regions")} hint=${chosen.length === 1 ? "With one region alone, a call that names no region counts for it." : ""} />`}
    ${wanted.parts.includes("end-to-end") && html`<${Boxes} legend="The agent gives the call back" options=${MODES} value=${wanted.escalations} change=${set("escalations")} />`}
    <${Trouble} error=${error} />
    <p class="bar"><button type="submit" class="main" disabled=${busy || !wanted.parts.length || some}>${busy ? "Beginning …" : "Begin"}</button>
      <span class="dim" role="status">${some ? "Choose a region." : ""}</span></p>
  </form>`;
}

function mappedRegions(firms, partner, known) {
  const firm = firms.find((one) => one.name === partner) || firms[0];
  const own = (firm && firm.regions) || [];
  return known.map((one) => one.name).filter((name) => !own.length || own.includes(name));
}

function body({ name, partner, regions, parts, escalations, stepSeconds }) {
  const wanted = { parts };
  if (name.trim()) wanted.name = name.trim();
  if (partner) wanted.partner = partner;
  if (regions.length && parts.includes("connectivity")) wanted.regions = regions;
  if (parts.includes("end-to-end")) wanted.escalations = escalations;
  if (stepSeconds) wanted.stepSeconds = Number(stepSeconds);
  return wanted;
}
