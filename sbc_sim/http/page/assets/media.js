// The media of a call: packets, loss, jitter and level over time, the audio itself, and the key numbers.

import { html, useMemo } from "./vendor/preact-htm.js";
import { callPath } from "./api.js";
import { axis, Chart } from "./chart.js";
import { duration, fixed, measured, plural } from "./format.js";
import { Fact, Trouble, useFetch, Waiting } from "./ui.js";

export function MediaTab({ id, version, call }) {
  const media = useFetch(callPath(id, "/media"), { version });
  const series = useFetch(callPath(id, "/media/series"), { version });
  if (media.error) return html`<${Trouble} error=${media.error} retry=${media.retry} />`;
  if (!media.data) return html`<${Waiting} what="the media" />`;
  const { agreed, earlier, report, dtmf } = media.data;
  if (!agreed && !report) return html`<div class="empty"><p>No media was agreed on: the call ended before.</p></div>`;
  return html`<div class="media-tab">
    ${report ? html`<${Numbers} report=${{ ...report, ...counted(call.media) }} />` : html`<p class="dim">No packet yet.</p>`}
    <${Trouble} error=${series.error} retry=${series.retry} />
    ${series.data && html`<${Charts} series=${series.data} />`}
    <${Player} id=${id} over=${Boolean(call.endedAt)} seconds=${series.data && (series.data.t || []).at(-1)} />
    <${Agreed} agreed=${agreed} earlier=${earlier} />
    <${Keys} keys=${dtmf} start=${call.answeredAt} />
    ${report && html`<${Rest} report=${report} />`}
  </div>`;
}

/** What the head of the call counts too comes from where it does, so that both say the same. */
const counted = (media) => (media ? { packetsReceived: media.packetsReceived, packetsSent: media.packetsSent, lost: media.lost } : {});

function Numbers({ report }) {
  const lossShare = report.expected ? (100 * report.lost) / report.expected : 0;
  return html`<dl class="facts numbers">
    <${Fact} name="Received">${report.packetsReceived}<//>
    <${Fact} name="Sent">${report.packetsSent}<//>
    <${Fact} name="Echoed">${report.echoedPackets}<//>
    <${Fact} name="Lost"><span class=${report.lost ? "bad" : ""}>${report.lost}${report.lost ? `, ${fixed(lossShare)} %` : ""}</span><//>
    <${Fact} name="Jitter">${measured(report.jitterMs, "ms")}, at most ${fixed(report.maxJitterMs)}<//>
    <${Fact} name="First packet">${measured(report.firstPacketMs, "ms after the 200")}<//>
    <${Fact} name="Level">${measured(report.levelDbfs, "dBFS")}, peak ${fixed(report.peakDbfs)}<//>
    <${Fact} name="Round trip (RTCP)">${measured(report.roundTripMs, "ms")}<//>
    <${Fact} name="Not authentic"><span class=${report.authFailures ? "bad" : ""}>${report.authFailures}</span><//>
  </dl>`;
}

const cursor = { y: false, points: { size: 5 } };
const TIME = { time: false };
const seconds = (look) => axis(look, { values: (_, ticks) => ticks.map((tick) => `${tick} s`), size: 28, space: 70 });
const points = { show: (plot) => plot.data[0].length < 4, size: 5 };
const drawnLine = (label, stroke, more = {}) => ({ label, stroke, width: 1.5, points, ...more });

function packetsPlan(look) {
  return {
    height: 150, cursor, legend: { live: true }, scales: { x: TIME, y: { range: (_, low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
    axes: [seconds(look), axis(look, { size: 58 })],
    series: [{ label: "s" }, drawnLine("received", `${look("accent")}88`, { width: 5 }), drawnLine("sent", look("second"), { dash: [5, 3] }), drawnLine("lost", look("fail"), { fill: look("fail"), width: 1 })],
  };
}

function jitterPlan(look) {
  return {
    height: 120, cursor, scales: { x: TIME, y: { range: (_, low, high) => [0, Math.max(high || 0, 1) * 1.15] } },
    axes: [seconds(look), axis(look, { size: 58, values: (_, ticks) => ticks.map((tick) => `${tick} ms`) })],
    series: [{ label: "s" }, drawnLine("jitter ms", look("accent"), { value: (_, value) => fixed(value) })],
  };
}

function levelPlan(look) {
  const told = (value) => (value === null || value === undefined ? "–" : value === 0 ? "silence" : `${(20 * Math.log10(Math.abs(value))).toFixed(0)} dBFS`);
  const hovered = (_, value) => told(value);
  return {
    height: 150, cursor, scales: { x: TIME, y: { range: (_, low, high) => mirrored(low, high) } },
    axes: [seconds(look), axis(look, { size: 68, values: (_, ticks) => ticks.map(told) })],
    series: [{ label: "s" }, drawnLine("received ↑", look("accent"), { fill: `${look("accent")}55`, width: 1, value: hovered }), drawnLine("sent ↓", look("second"), { fill: `${look("second")}55`, width: 1, value: hovered })],
  };
}

function mirrored(low, high) {
  const most = Math.max(Math.abs(low || 0), Math.abs(high || 0), 0.05) * 1.1;
  return [-most, most];
}

const amplitude = (level) => (level === null || level === undefined ? null : level <= -90 ? 0 : 10 ** (level / 20));

/** Both directions mirrored, what was sent moved back by the time the echo took, so that copies stand under each other. */
function waveform({ t, levelIn, levelOut, echoDelayMs, stepMs }) {
  const steps = Math.round((echoDelayMs || 0) / (stepMs || 20));
  const out = t.map((_, index) => amplitude(levelOut[index + steps]));
  return [t, levelIn.map(amplitude), out.map((value) => (value === null ? null : -value))];
}

function Charts({ series }) {
  const { t = [], gap, echoDelayMs } = series;
  const packets = useMemo(() => [t, series.received, series.sent, series.lost], [series]);
  const jitter = useMemo(() => [t, series.jitterMs], [series]);
  const levels = useMemo(() => waveform(series), [series]);
  if (!t.length) return html`<p class="dim">There is nothing to draw yet.</p>`;
  const echo = typeof echoDelayMs === "number" ? `, what was sent moved back by ${echoDelayMs < 0.1 ? "less than 0.1" : fixed(echoDelayMs)} ms, as the echo took` : "";
  const hasLevels = series.levelIn.some((level) => level !== null) || series.levelOut.some((level) => level !== null);
  return html`<section class="charts">
    ${gap && html`<p class="hint">Between ${fixed(gap[0])} s and ${fixed(gap[1])} s of the call no packets were kept; totals are complete.</p>`}
    <figure><figcaption>Packets each ${series.stepMs} ms</figcaption><${Chart} plan=${packetsPlan} data=${packets} words="Packets received, sent and lost over ${fixed(t.at(-1))} s: ${plural(sum(series.lost), "packet")} lost." /></figure>
    <figure><figcaption>Jitter</figcaption><${Chart} plan=${jitterPlan} data=${jitter} words="Jitter over time, at most ${fixed(Math.max(0, ...series.jitterMs.filter((value) => value !== null)))} ms." /></figure>
    ${hasLevels && html`<figure><figcaption>Level: received up, sent down${echo}</figcaption><${Chart} plan=${levelPlan} data=${levels} words="Level of both directions over time${echo}." /></figure>`}
  </section>`;
}

const sum = (values = []) => values.reduce((total, value) => total + (value || 0), 0);

function Player({ id, over, seconds: length }) {
  return html`<section><h2>Audio</h2>
    ${over ? html`<audio controls preload="none" src=${callPath(id, "/audio.wav")} aria-label="left received, right sent"></audio><p class="dim">${length ? `About ${duration(length)}. ` : ""}Left ear: received. Right ear: sent.</p>` : html`<p class="dim">To be heard when the call is over.</p>`}
  </section>`;
}

function Agreed({ agreed, earlier }) {
  const all = [...(earlier || []), agreed].filter(Boolean);
  if (!all.length) return null;
  return html`<section><h2>Agreed in SDP</h2><div class="table-box"><table class="stacks">
    <thead><tr><th scope="col">Codec</th><th scope="col">Suite</th><th scope="col">Profile</th><th scope="col">Direction</th><th scope="col" class="number">ptime</th><th scope="col">Partner</th><th scope="col">Here</th><th scope="col">DTMF</th><th scope="col">Offered</th></tr></thead>
    <tbody>${all.map((one, index) => html`<tr key=${index}><td data-name="Codec">${one.codec} (${one.payloadType})</td><td data-name="Suite" class="mono">${one.suite}, tag ${one.tag}</td><td data-name="Profile">${one.profile}</td><td data-name="Direction">${one.direction}${one.held ? ", held" : ""}</td><td data-name="ptime" class="number">${one.ptime ? `${one.ptime} ms` : "–"}</td><td data-name="Partner" class="mono">${one.remote}</td><td data-name="Here" class="mono">${one.local}</td><td data-name="DTMF">${one.dtmfPayloadType ?? "–"}</td><td data-name="Offered" class="mono">${(one.offeredCodecs || []).join(" ")}</td></tr>`)}</tbody>
  </table></div></section>`;
}

function Keys({ keys, start }) {
  if (!keys || !keys.length) return null;
  const after = (at) => (start ? `+${((Date.parse(at) - Date.parse(start)) / 1000).toFixed(1)} s` : "");
  return html`<section><h2>Keys pressed (RFC 4733)</h2><p class="keys">${keys.map((key, index) => html`<span key=${index} class="key" title="${after(key.at)}, ${key.durationMs} ms">${key.digit}</span>`)}</p></section>`;
}

const TOLD = new Set(["packetsReceived", "packetsSent", "echoedPackets", "lost", "jitterMs", "maxJitterMs", "firstPacketMs", "levelDbfs", "peakDbfs", "roundTripMs", "authFailures", "dtmf", "final"]);
const spaced = (name) => name.replace(/([A-Z])/g, " $1").toLowerCase();

function shown(value) {
  if (value === null) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(2);
  return Array.isArray(value) ? value.map((inner) => (Array.isArray(inner) ? inner.join(": ") : inner)).join(", ") || "–" : String(value);
}

function Rest({ report }) {
  const rest = Object.entries(report).filter(([name]) => !TOLD.has(name));
  return html`<details><summary>All counters</summary><dl class="facts numbers">${rest.map(([name, value]) => html`<${Fact} key=${name} name=${spaced(name)}>${shown(value)}<//>`)}</dl></details>`;
}
