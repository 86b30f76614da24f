// What to set on the partner's side so that calls come here.

import { html, useState } from "./vendor/preact-htm.js";
import { API } from "./api.js";
import { Choice, Code, Copy, Fact, Trouble, useFetch, Waiting } from "./ui.js";
import { NumberTable } from "./faults.js";

export function Setup() {
  const { data, error, retry } = useFetch(`${API}/setup`);
  const regions = useFetch(`${API}/regions`);
  const partners = useFetch(`${API}/partners`);
  const numbers = useFetch(`${API}/numbers`);
  return html`<section class="setup"><h1>Point your SBC here</h1>
    <${Trouble} error=${error} retry=${retry} />
    ${!data && !error && html`<${Waiting} what="the addresses" />`}
    ${data && html`<div class="steps">
      <${Trunk} setup=${data} /><${Trust} setup=${data} /><${Header} uui=${data.uui} /><${Regions} regions=${regions.data && regions.data.regions} /><${Partners} partners=${partners.data && partners.data.partners} /><${Numbers} numbers=${(numbers.data && numbers.data.numbers) || data.numbers} />
      <${AllowList} list=${data.allowList} /><${Snippets} snippets=${data.snippets} />
    </div>`}
  </section>`;
}

function Trunk({ setup: { sip, media } }) {
  const ports = media && (media.mode === "mux" || media.portStart === media.portEnd ? String(media.portStart || "any") : `${media.portStart}–${media.portEnd}`);
  return html`<section><h2>Trunk</h2><dl class="facts">
    <${Fact} name="Destination"><span class="mono">${sip.host}:${sip.port}</span> <${Copy} text="${sip.host}:${sip.port}" what="the destination" /><//>
    <${Fact} name="URI"><span class="mono">${sip.uri}</span> <${Copy} text=${sip.uri} what="the URI" /><//>
    <${Fact} name="Transport">${sip.transport}<//>
    ${media && html`<${Fact} name="Media"><span class="mono">${media.host}</span>, UDP ${ports}<//>`}
    <${Fact} name="SRTP">SDES keys, RTP/SAVP, PCMU<//>
  </dl></section>`;
}

function Trust({ setup: { ca, certificateNames } }) {
  return html`<section><h2>Certificate</h2>
    ${ca ? html`<p><a class="button" href=${String(ca.path || `${API}/tls/ca.pem`).replace(/^\//, "")} download="sbc-sim-ca.pem">Download the CA</a> and import it as a trusted root of this trunk. Show no client certificate.</p>
      <dl class="facts"><${Fact} name="SHA-256" wide><span class="mono break">${ca.fingerprint}</span> <${Copy} text=${ca.fingerprint} what="the fingerprint" /><//></dl>` : html`<p>The certificate in use was not made here: your SBC must trust whoever issued it.</p>`}
    <p>Its names: ${(certificateNames || []).map((name) => html`<code key=${name}>${name}</code> `)} <span class="dim">Call the simulator by one of them.</span></p>
  </section>`;
}

function Header({ uui }) {
  if (!uui) return null;
  return html`<section><h2>User-to-User for the echo test</h2><${Code} text="${uui.header}: ${uui.value}" what="the header" wrap /><p class="dim">It says <code>${uui.decoded}</code></p></section>`;
}

function Numbers({ numbers }) {
  if (!numbers || !numbers.length) return null;
  return html`<section class="whole"><h2>Test numbers</h2><${NumberTable} numbers=${numbers} /></section>`;
}

const listed = (values) => (Array.isArray(values) ? values.join(", ") : values || "");

/** Which of Salesforce's SBCs are played here, and how a call means one of them. */
function Regions({ regions }) {
  if (!regions || !regions.length) return null;
  return html`<section class="whole"><h2>Regions</h2>
    <p class="dim">A call means a region by the listener it reaches, its server name (SNI), the host of its Request-URI, or its source network, in this order. The names are never resolved or dialled from here.</p>
    <div class="table-box"><table class="stacks"><thead><tr><th scope="col">Region</th><th scope="col">Host name</th><th scope="col">Listens</th><th scope="col">Media</th><th scope="col">Allowed from</th><th scope="col">Numbers</th></tr></thead>
    <tbody>${regions.map((one) => html`<tr key=${one.name}><th scope="row" data-name="Region">${one.label || one.name} <span class="dim mono">${one.name}</span>${one.enabled === false ? html` <span class="tag">off</span>` : ""}</th><td data-name="Host" class="mono break">${one.host}</td>
      <td data-name="Listens" class="mono">${listed(one.listen) || listed(one.listeners) || "the common one"}</td><td data-name="Media" class="mono">${listed(one.mediaPorts) || "the common ports"}</td><td data-name="From" class="mono">${listed(one.allowFrom) || "anywhere"}</td><td data-name="Numbers">${listed(one.numbers) || "all"}</td></tr>`)}</tbody></table></div></section>`;
}

function Partners({ partners }) {
  if (!partners || !partners.length) return null;
  return html`<section class="whole"><h2>Partners</h2>
    <div class="table-box"><table class="stacks"><thead><tr><th scope="col">Partner</th><th scope="col">Regions</th><th scope="col">Signalling</th><th scope="col">Media</th><th scope="col">Calls go back to</th><th scope="col">Org</th></tr></thead>
    <tbody>${partners.map((one) => html`<tr key=${one.name}><th scope="row" data-name="Partner">${one.label || one.name}${one.location ? html` <span class="dim">${one.location}</span>` : ""}</th><td data-name="Regions">${listed(one.regions) || "all"}</td><td data-name="Signalling" class="mono">${listed(one.signalling) || "from anywhere"}${one.signallingPorts ? `, TCP ${one.signallingPorts}` : ""}</td>
      <td data-name="Media" class="mono">${listed(one.media) || "as signalling"}${one.mediaPorts ? `, UDP ${one.mediaPorts}` : ""}</td><td data-name="Back to" class="mono break">${one.returnUri || "the Contact of the call"}</td><td data-name="Org" class="mono">${one.orgId || "–"}</td></tr>`)}</tbody></table></div></section>`;
}

function AllowList({ list }) {
  if (!list || !list.length) return null;
  const text = list.map((one) => [one.protocol, one.address, one.ports, one.direction, one.why].join("\t")).join("\n");
  return html`<section class="whole"><h2>Allow in the firewall <${Copy} text=${text} what="the allow-list" /></h2><div class="table-box"><table class="stacks">
    <thead><tr><th scope="col">Protocol</th><th scope="col">Address</th><th scope="col">Ports</th><th scope="col">Direction</th><th scope="col">Why</th></tr></thead>
    <tbody>${list.map((one, index) => html`<tr key=${index}><td data-name="Protocol">${one.protocol}</td><td data-name="Address" class="mono">${one.address}</td><td data-name="Ports" class="mono">${one.ports}</td><td data-name="Direction">${one.direction}</td><td data-name="Why" class="dim">${one.why}</td></tr>`)}</tbody></table></div></section>`;
}

function Snippets({ snippets = [] }) {
  const platforms = [...new Set(snippets.map((one) => one.platform))];
  const [platform, setPlatform] = useState(null);
  const now = platform || platforms[0];
  if (!platforms.length) return null;
  return html`<section class="whole"><h2>Settings for your platform</h2>
    <${Choice} label="Platform" options=${platforms.map((name) => [name, name])} value=${now} choose=${setPlatform} />
    ${snippets.filter((one) => one.platform === now).map((one) => html`<div key=${one.title}><h3>${one.title} <span class="tag">${one.tested ? "tested" : "from documentation"}</span></h3><${Code} text=${one.text} what="${one.title} for ${one.platform}" wrap /></div>`)}
  </section>`;
}
