// A trace of the partner's own side as a form takes it: a file (text, pcap, pcapng), or text, with a key log where TLS hides it.

import { html, useRef, useState } from "./vendor/preact-htm.js";
import { post } from "./api.js";
import { octets } from "./format.js";

const MOST = 64 * 1024 * 1024; // more than any server takes: spare the reading

/** Send a trace as /judge takes it. Throws when it is too large to be worth reading. */
export async function sendTrace(path, file, text, keyLog = "") {
  if (!file && !keyLog.trim()) return post(path, text, "text/plain");
  if (!file) return post(path, { text });
  if (file.size > MOST) throw new Error(`The file has ${octets(file.size)}; cut it to the call first.`);
  const data = new Uint8Array(await file.arrayBuffer());
  if (!keyLog.trim()) return post(path, data, isText(data) ? "text/plain" : "application/octet-stream");
  return isText(data) ? post(path, { text: new TextDecoder().decode(data) }) : post(path, { capture: base64(data), keyLog });
}

/** Captures begin with magic numbers that have octets no text has. */
const isText = (data) => !data.subarray(0, 64).some((octet) => octet === 0 || octet > 0xf7);

function base64(data) {
  let binary = "";
  for (let at = 0; at < data.length; at += 0x8000) binary += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** Where a file is dropped or chosen. `id` must be unlike all others of the page. */
export function Drop({ id, file, take }) {
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  };
  const clear = () => {
    input.current.value = "";
    take(null);
  };
  return html`<div class="drop ${over ? "over" : ""}" onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <label for=${id}>Drop a pcap, pcapng or text file here, or choose one</label>
    <input id=${id} ref=${input} type="file" onChange=${(event) => take(event.target.files[0] || null)} />
    ${file && html`<p><strong>${file.name}</strong>, ${octets(file.size)} <button type="button" class="quiet" onClick=${clear}>take away</button></p>`}
  </div>`;
}
