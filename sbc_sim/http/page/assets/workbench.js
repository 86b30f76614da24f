// The UUI workbench: paste a header to see what is in it, or write one.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, post } from "./api.js";
import { Choice, Code, Fact, Trouble } from "./ui.js";
import { FindingCard } from "./finding.js";
import { byUrgency } from "./format.js";
import { UuiView } from "./uui.js";

const CALM_MS = 250;
const MAKE = [["json", "JSON"], ["text", "text"], ["echo", "echo test"]];

export function Workbench({ info }) {
  return html`<section class="workbench"><h1>User-to-User workbench</h1>
    <div class="two"><${Read} info=${info} /><${Write} /></div>
  </section>`;
}

/** Ask the API about `value` once the reader pauses; an older answer never follows a newer one. */
function useAsked(value, ask) {
  const [state, setState] = useState({ data: null, error: null });
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    if (!value) {
      setState({ data: null, error: null });
      return undefined;
    }
    const timer = setTimeout(() => {
      ask(value).then(
        (data) => mine === turn.current && setState({ data, error: null }),
        (error) => mine === turn.current && setState({ data: null, error }),
      );
    }, CALM_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return state;
}

async function decodeAndLint(value) {
  const [decoded, linted] = await Promise.all([post(`${API}/uui/decode`, { value }), post(`${API}/uui/lint`, { value })]);
  return { decoded, findings: (linted.findings || []).filter((finding) => finding && finding.rule) };
}

function Read({ info }) {
  const [value, setValue] = useState("");
  const { data, error } = useAsked(value.trim(), decodeAndLint);
  const against = data ? data.findings.filter((finding) => finding.status === "fail" || finding.status === "warn").sort(byUrgency) : [];
  return html`<section><h2>Read</h2>
    <label for="uui-value">A header line, its value, or bare hex</label>
    <textarea id="uui-value" rows="5" spellcheck="false" class="mono" placeholder="User-to-User: 7b226f…7d;encoding=hex" value=${value} onInput=${(event) => setValue(event.target.value)}></textarea>
    <${Trouble} error=${error} />
    <div aria-live="polite">${data && html`
      ${against.length ? against.map((finding) => html`<${FindingCard} key=${finding.rule + finding.detail} finding=${finding} />`) : html`<p class="good">✓ Nothing stands against this value.</p>`}
      <${UuiView} uui=${{ ...data.decoded, explained: [], findings: [] }} info=${info} />`}</div>
  </section>`;
}

const SAMPLE = `{
  "orgId": "00D...",
  "scrt2Domain": "example.my.salesforce-scrt.com"
}`;

function wish(kind, text) {
  if (kind === "echo") return { echo: true };
  if (!text.trim()) return null;
  if (kind === "text") return { text };
  try {
    return { json: JSON.parse(text) };
  } catch (error) {
    return { trouble: { message: `This is no JSON yet: ${error.message}`, fix: "" } };
  }
}

function Write() {
  const [kind, setKind] = useState("json");
  const [text, setText] = useState(SAMPLE);
  const wanted = wish(kind, text);
  const trouble = wanted && wanted.trouble;
  const { data, error } = useAsked(wanted && !trouble ? JSON.stringify(wanted) : "", (body) => post(`${API}/uui/encode`, JSON.parse(body)));
  return html`<section><h2>Write</h2>
    <p class="bar"><${Choice} label="What to encode" options=${MAKE} value=${kind} choose=${setKind} /></p>
    ${kind === "echo" ? html`<p class="dim">The content that selects the echo test.</p>` : html`<label for="uui-text">${kind === "json" ? "JSON; it is written without blanks" : "Text, octet by octet as UTF-8"}</label>
      <textarea id="uui-text" rows="5" spellcheck="false" class="mono" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>`}
    <${Trouble} error=${trouble || error} />
    <div aria-live="polite">${data && !trouble && html`<${Written} made=${data} />`}</div>
  </section>`;
}

function Written({ made }) {
  const { value, header: line, lengths } = made;
  return html`<h3>Header line</h3><${Code} text=${line} what="the header line" wrap />
    <h3>Value</h3><${Code} text=${value} what="the value" wrap />
    <dl class="facts"><${Fact} name="Hex digits">${lengths.value}<//><${Fact} name="Octets decoded">${lengths.decoded}<//><${Fact} name="Header line">${lengths.line}<//></dl>`;
}
