// The same rules on a trace of the partner's own side: SIP text, pcap or pcapng, with a key log where TLS hides it.

import { html, useState } from "./vendor/preact-htm.js";
import { API } from "./api.js";
import { party, plural } from "./format.js";
import { Badge, Code, Counts, Trouble } from "./ui.js";
import { Against, Board } from "./board.js";
import { Drop, sendTrace } from "./upload.js";

export function Judge() {
  const [file, setFile] = useState(null);
  const [keyLog, setKeyLog] = useState("");
  const [text, setText] = useState("");
  const [state, setState] = useState({ busy: false, judged: null, error: null });
  const judge = async (event) => {
    event.preventDefault();
    setState({ busy: true, judged: null, error: null });
    try {
      setState({ busy: false, judged: await sendTrace(`${API}/judge`, file, text, keyLog), error: null });
    } catch (error) {
      setState({ busy: false, judged: null, error });
    }
  };
  return html`<section class="judge"><h1>Judge a trace</h1>
    <p class="dim">Nothing is kept: the trace is read, judged by the same rules, and forgotten. On the terminal: <code>sbc-sim judge FILE</code></p>
    <form onSubmit=${judge}>
      <${Drop} id="judge-file" file=${file} take=${setFile} />
      <label for="judge-text">or SIP messages as text</label>
      <textarea id="judge-text" class="mono" rows="6" spellcheck="false" placeholder="INVITE sip:… SIP/2.0" value=${text} disabled=${Boolean(file)} onInput=${(event) => setText(event.target.value)}></textarea>
      <details class="key-log"><summary>Key log, when the capture holds TLS</summary>
        <label for="key-log">Lines as SSLKEYLOGFILE has them; <input type="file" aria-label="Key log file" onChange=${async (event) => event.target.files[0] && setKeyLog(await event.target.files[0].text())} /></label>
        <textarea id="key-log" class="mono" rows="4" spellcheck="false" placeholder="CLIENT_HANDSHAKE_TRAFFIC_SECRET …" value=${keyLog} onInput=${(event) => setKeyLog(event.target.value)}></textarea></details>
      <p class="bar"><button type="submit" class="main" disabled=${state.busy || (!file && !text.trim())}>${state.busy ? "Judging …" : "Judge"}</button></p>
    </form>
    <${Trouble} error=${state.error} />
    <div aria-live="polite">${state.judged && html`<${Judged} judged=${state.judged} />`}</div>
  </section>`;
}

function Judged({ judged: { calls = [], notes = [] } }) {
  return html`<h2>${plural(calls.length, "call")} found</h2>
    ${notes.length > 0 && html`<ul class="notes">${notes.map((note, index) => html`<li key=${index}>${typeof note === "string" ? note : note.text || JSON.stringify(note)}</li>`)}</ul>`}
    ${calls.map((call, index) => html`<${JudgedCall} key=${index} call=${call} first=${index === 0} />`)}`;
}

function JudgedCall({ call, first }) {
  const [open, setOpen] = useState(null);
  const findings = call.findings || (call.verdict && call.verdict.findings) || [];
  const verdict = call.verdict || {};
  const ladder = typeof call.ladder === "string" ? call.ladder : (call.ladder && call.ladder.text) || "";
  return html`<details class="judged" open=${first}>
    <summary class="line"><${Badge} status=${verdict.status} /> <strong>${party(call.from, call.numbers && call.numbers.from)} → ${party(call.to, call.numbers && call.numbers.requestUri)}</strong> <span>${call.state}</span> <${Counts} counts=${verdict.counts} /> <span class="mono dim">${call.sipCallId}</span></summary>
    <${Against} findings=${findings} />
    ${ladder && html`<h3>Ladder</h3><${Code} text=${ladder} what="the ladder" />`}
    <${Board} findings=${findings} open=${open} choose=${setOpen} />
  </details>`;
}
