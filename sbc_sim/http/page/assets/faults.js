// What the simulator does wrong on purpose: what is set, setting more, and the banner that says so on every page.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { API, isAbsent, put, remove } from "./api.js";
import { onEvent } from "./events.js";
import { moment, plural } from "./format.js";
import { href } from "./route.js";
import { Trouble, useFetch, useThrottled, Waiting } from "./ui.js";

const FAULTS = `${API}/faults`;
const AREAS = { signalling: "Signalling", media: "Media", tls: "TLS", telephony: "Telephony Integration API" };
const HITS_MS = 3000; // a hit changes no fault, so that nothing tells of it

/** The faults that are set and the types that there are, anew whenever one changes; `looking`: and now and then, for their hits. */
export function useFaults(looking = false) {
  const [version, setVersion] = useState(0);
  const known = useFetch(FAULTS, { version });
  const look = useThrottled(() => setVersion((n) => n + 1), 200);
  useEffect(() => onEvent((name) => ["fault.changed", "resync", "reset"].includes(name) && look()), []);
  useEffect(() => {
    if (!looking) return undefined;
    const timer = setInterval(() => document.hidden || look(), HITS_MS);
    return () => clearInterval(timer);
  }, [looking]);
  return { ...known, faults: (known.data && known.data.faults) || [], look };
}

export function FaultBanner() {
  const { faults } = useFaults();
  if (!faults.length) return null;
  const told = faults.slice(0, 3).map((fault) => fault.type).join(", ");
  return html`<div class="banner fault-banner" role="status"><strong>Wrong on purpose:</strong> ${plural(faults.length, "fault is", "faults are")} set (${told}${faults.length > 3 ? ", …" : ""}); calls that they strike say so. <a href=${href("faults")}>See and remove them</a></div>`;
}

export function Faults() {
  const { data, error, retry, faults, look } = useFaults(true);
  const [told, setTold] = useState("");
  const numbers = useFetch(`${API}/numbers`);
  if (isAbsent(error)) return html`<section><h1>Faults</h1><div class="empty"><p>This simulator sets no faults.</p></div></section>`;
  const changed = (words) => {
    setTold(words);
    look();
  };
  return html`<section class="faults"><h1>Faults</h1>
    <p class="lead">What the simulator does wrong on purpose, so that you see how your side takes it. A verdict that a fault has touched says so.</p>
    <${Trouble} error=${error} retry=${retry} />
    ${!data && !error && html`<${Waiting} what="the faults" />`}
    <p class="offscreen" role="status">${told}</p>
    ${data && !faults.length && html`<div class="empty"><p><strong>No fault is set:</strong> the simulator behaves. Set one below, or dial one of the test numbers, which do the same for one call.</p></div>`}
    ${faults.length > 0 && html`<div class="table-box"><table class="stacks fault-list">
      <thead><tr><th scope="col">Name</th><th scope="col">What is done</th><th scope="col">To whom</th><th scope="col" class="number">Hits</th><th scope="col">Ends</th><th scope="col"><span class="offscreen">Remove</span></th></tr></thead>
      <tbody>${faults.map((fault) => html`<${Row} key=${fault.name} fault=${fault} types=${typesOf(data)} changed=${changed} />`)}</tbody></table></div>`}
    ${data && html`<${SetOne} types=${typesOf(data)} faults=${faults} changed=${changed} />`}
    <${TestNumbers} numbers=${numbers.data && numbers.data.numbers} />
  </section>`;
}

/** Types as the API lists them; a plain list of names will do. */
const typesOf = (data) => ((data && data.types) || []).map((one) => (typeof one === "string" ? { name: one } : { ...one, name: one.name || one.type }));

const DONE = { value: "" };

function Row({ fault, types, changed }) {
  const [error, setError] = useState(null);
  const type = types.find((one) => one.name === fault.type) || DONE;
  const scope = Object.entries(fault.scope || {}).filter(([, value]) => value);
  const take = () => remove(`${FAULTS}/${encodeURIComponent(fault.name)}`).then(() => changed(`${fault.name} is removed`), setError);
  const more = [fault.value !== null && fault.value !== undefined && `value ${fault.value}`, fault.seed !== null && fault.seed !== undefined && `seed ${fault.seed}`, fault.probability < 1 && `${fault.probability * 100} % of the time`];
  return html`<tr><th scope="row" data-name="Name" class="mono">${fault.name}</th>
    <td data-name="What is done"><strong>${fault.type}</strong> ${type.does || ""} <span class="dim">${more.filter(Boolean).join(", ")}</span></td>
    <td data-name="To whom">${scope.length ? scope.map(([name, value]) => `${name} ${value}`).join(", ") : "everybody"}</td>
    <td data-name="Hits" class="number">${fault.hits}${fault.remaining !== null && fault.remaining !== undefined ? html` <span class="dim">${fault.remaining} left</span>` : ""}</td>
    <td data-name="Ends">${fault.expiresAt ? html`<time title=${fault.expiresAt}>${moment(fault.expiresAt)}</time>` : "when removed"}</td>
    <td data-name=""><button type="button" onClick=${take} aria-label="Remove ${fault.name}">Remove</button><${Trouble} error=${error} /></td></tr>`;
}

const NOTHING = { name: "", value: "", number: "", region: "", partner: "", path: "", count: "", seconds: "", probability: "", seed: "" };
const NUMERIC = ["count", "seconds", "probability", "seed"];

function SetOne({ types, faults, changed }) {
  const [chosen, choose] = useState("");
  const [fields, setFields] = useState(NOTHING);
  const [error, setError] = useState(null);
  const type = types.find((one) => one.name === (chosen || (types[0] || {}).name)) || { name: chosen };
  const field = (name, label, more = {}) => html`<label key=${name}>${label} <input name=${name} value=${fields[name]} onInput=${(event) => setFields((old) => ({ ...old, [name]: event.target.value }))} ...${more} /></label>`;
  const set = async (event) => {
    event.preventDefault();
    setError(null);
    const name = fields.name.trim() || free(type.name, faults);
    try {
      await put(`${FAULTS}/${encodeURIComponent(name)}`, body(type, fields));
      setFields(NOTHING);
      changed(`${name} is set`);
    } catch (problem) {
      setError(problem);
    }
  };
  const groups = [...new Set(types.map((one) => one.area || ""))];
  const takesValue = type.unit !== "" && type.value !== false;
  return html`<form class="set-fault" onSubmit=${set} aria-label="Set a fault"><h2>Set a fault</h2>
    <p class="fields">
      <label>Type <select value=${type.name} onChange=${(event) => { choose(event.target.value); setFields((old) => ({ ...old, value: "" })); }}>
        ${groups.map((group) => html`<optgroup key=${group} label=${AREAS[group] || group || "All"}>${types.filter((one) => (one.area || "") === group).map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}</optgroup>`)}
      </select></label>
      ${takesValue && (type.words && type.words.length ? html`<label>${type.unit || "Value"} <select value=${fields.value || type.usual} onChange=${(event) => setFields((old) => ({ ...old, value: event.target.value }))}>${type.words.map((word) => html`<option key=${word}>${word}</option>`)}</select></label>` : field("value", type.unit ? capital(type.unit) : "Value", { placeholder: type.usual ?? "" }))}
      ${field("name", "Name", { placeholder: free(type.name, faults), maxlength: 64 })}
    </p>
    ${type.does && html`<p class="dim" role="status">The simulator ${type.does}.</p>`}
    <details class="limits"><summary>For whom, how often and how long</summary><p class="fields">
      ${type.area !== "telephony" && type.area !== "tls" && field("number", "Number called", { placeholder: "any" })}
      ${type.area !== "telephony" && field("region", "Region", { placeholder: "any" })}
      ${type.area !== "tls" && field("partner", "Partner", { placeholder: "any" })}
      ${type.area === "telephony" && field("path", "Part of the path", { placeholder: "any" })}
      ${field("count", "Times", { type: "number", min: 1, placeholder: "always" })}
      ${field("seconds", "Seconds", { type: "number", min: 1, placeholder: "until removed" })}
      ${field("probability", "Probability", { type: "number", min: 0, max: 1, step: "any", placeholder: "1" })}
      ${field("seed", "Seed", { type: "number", placeholder: "by its name" })}
    </p></details>
    <${Trouble} error=${error} />
    <p class="bar"><button type="submit" class="main">Set it</button></p>
  </form>`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A name that no fault has yet. */
function free(type, faults) {
  const taken = new Set(faults.map((fault) => fault.name));
  if (!type) return "fault";
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? type : `${type}-${number}`;
    if (!taken.has(name)) return name;
  }
}

function body(type, fields) {
  const wanted = { type: type.name };
  const scope = Object.fromEntries(["number", "region", "partner", "path"].filter((name) => fields[name].trim()).map((name) => [name, fields[name].trim()]));
  if (Object.keys(scope).length) wanted.scope = scope;
  for (const name of NUMERIC) if (fields[name] !== "") wanted[name] = Number(fields[name]);
  if (fields.value.trim()) wanted.value = Number.isNaN(Number(fields.value)) ? fields.value.trim() : Number(fields.value);
  return wanted;
}

function TestNumbers({ numbers }) {
  if (!numbers || !numbers.length) return null;
  return html`<section><h2>The same by number, for one call</h2><${NumberTable} numbers=${numbers} /></section>`;
}

export function NumberTable({ numbers }) {
  return html`<div class="table-box"><table class="stacks"><thead><tr><th scope="col">Number</th><th scope="col">Name</th><th scope="col">What it does</th></tr></thead>
    <tbody>${numbers.map((one) => html`<tr key=${one.number}><th scope="row" data-name="Number" class="mono">${one.number}</th><td data-name="Name">${one.label || one.name}</td><td data-name="Does" class="dim">${one.does}</td></tr>`)}</tbody></table></div>`;
}
