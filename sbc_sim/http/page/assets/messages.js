// All messages of a call, as they came, one under the other.

import { html, useState } from "./vendor/preact-htm.js";
import { plural, preciseMoment } from "./format.js";
import { Glyph, Waiting } from "./ui.js";
import { OneMessage, useMessages } from "./ladder.js";

export function MessagesTab({ id, version, findings, final }) {
  const [secrets, setSecrets] = useState(false);
  const messages = useMessages(id, version, findings, final, secrets ? "show" : "");
  return html`<div class="messages-tab">
    <p class="bar"><span class="dim" role="status">${plural(messages.length, "message")}</span>
      <label><input type="checkbox" checked=${secrets} onChange=${(event) => setSecrets(event.target.checked)} /> show keys and tokens</label></p>
    ${!messages.length && html`<${Waiting} what="the messages" />`}
    ${messages.map((message) => html`<${OneRow} key=${message.number} message=${message} />`)}
  </div>`;
}

function OneRow({ message }) {
  const worst = ["fail", "warn"].find((status) => (message.marks || []).some((mark) => mark.status === status));
  const arrow = message.direction === "out" ? "←" : "→";
  return html`<details class="one-message" open=${Boolean(worst) || message.number === 0}>
    <summary class="line"><span class="arrow-${message.direction || "in"}" aria-label=${message.direction === "out" ? "sent by sbc-sim" : "received"} role="img">${arrow}</span>
      <strong>${message.summary || message.kind}</strong>${message.repeated ? html`<span class="tag">repeated</span>` : ""}${worst ? html`<${Glyph} status=${worst} />` : ""}
      <time title=${message.at}>${preciseMoment(message.at)}</time><span class="dim">${message.octets} octets, ${message.peer || ""}</span></summary>
    <${OneMessage} message=${message} />
  </details>`;
}
