// What can be taken along: captures, audio, reports, the bundle; and how much is hidden in them.

import { html, useState } from "./vendor/preact-htm.js";
import { callPath, withQuery } from "./api.js";
import { isLive } from "./format.js";
import { Choice } from "./ui.js";

const LEVELS = [["share", "to share"], ["strict", "strict"], ["none", "nothing hidden"]];
const MEANING = {
  share: "Keys are masked, tokens cut, numbers partly masked; captures come decrypted, without TLS octets and secrets.",
  strict: "As to share, and no audio.",
  none: "Everything as it was on the wire, with the secrets that decrypt it. For your own eyes.",
};
const FILES = [
  ["bundle.zip", "Bundle for a support ticket", "report, ladder, messages, capture and audio in one zip"],
  ["capture.pcapng", "Capture for Wireshark", "SIP and RTP readable, findings as packet comments"],
  ["audio.wav", "Audio", "stereo: left received, right sent", "strict"],
  ["report.html", "Report to read and print", "one file, opens anywhere"],
  ["report.json", "Report for programs", "versioned schema"],
  ["report.xml", "JUnit XML", "a test case for each rule"],
];
const DRAWINGS = [
  ["ladder.svg", "Ladder as SVG", "masked as to share"],
  ["ladder.txt", "Ladder as text", "for mails and tickets"],
  ["ladder.mmd", "Ladder for Mermaid", "for wikis and issues"],
];

export function FilesTab({ id, call }) {
  const [level, setLevel] = useState("share");
  const row = ([name, title, words, not]) => html`<tr key=${name}><th scope="row">${not === level ? html`<span class="dim">${title}</span>` : html`<a href=${withQuery(callPath(id, `/${name}`), FILES.some(([file]) => file === name) ? { redaction: level } : {})} download="sbc-sim-${id}.${name.split(".").pop()}">${title}</a>`}</th><td class="mono">${name}</td><td class="dim">${not === level ? "not at this level" : words}</td></tr>`;
  return html`<div class="files">
    <p class="bar"><${Choice} label="What is hidden" options=${LEVELS} value=${level} choose=${setLevel} /> <span class="dim" aria-live="polite">${MEANING[level]}</span></p>
    ${isLive(call) && html`<p class="hint">The call goes on: files hold what is known by now.</p>`}
    <div class="table-box"><table><tbody>${FILES.map(row)}</tbody><tbody>${DRAWINGS.map(row)}</tbody></table></div>
  </div>`;
}
