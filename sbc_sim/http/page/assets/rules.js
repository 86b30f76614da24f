// The rules: searched as `sbc-sim explain` searches, and one rule alone.

import { html } from "./vendor/preact-htm.js";
import { API } from "./api.js";
import { area, areaOrder, AREAS, plural } from "./format.js";
import { href, setParams } from "./route.js";
import { Trouble, useFetch, Waiting } from "./ui.js";
import { RuleText } from "./finding.js";

const SEVERITIES = { must: "must", profile: "profile: a setting decides", advice: "advice" };

export function Rules({ params }) {
  const { data, error, retry } = useFetch(`${API}/rules`, { query: { q: params.q } });
  const set = (name) => (event) => setParams({ [name]: event.target.value });
  const shown = data ? data.rules.filter((rule) => (!params.area || area(rule.id) === params.area) && (!params.severity || rule.severity === params.severity)) : [];
  const option = ([value, words]) => html`<option key=${value} value=${value}>${words}</option>`;
  return html`<section class="rules"><h1 class="offscreen">Rules</h1>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label class="grow">Search <input type="search" value=${params.q || ""} placeholder="488, unknown_ca, SBC-UUI-002, jitter …" onInput=${set("q")} spellcheck="false" /></label>
      <label>Area <select value=${params.area || ""} onChange=${set("area")}><option value="">all</option>${Object.entries(AREAS).map(option)}</select></label>
      <label>Weight <select value=${params.severity || ""} onChange=${set("severity")}><option value="">all</option>${Object.entries(SEVERITIES).map(option)}</select></label>
    </form>
    <${Trouble} error=${error} retry=${retry} />
    ${!data && !error && html`<${Waiting} what="the rules" />`}
    ${data && html`<p class="dim" role="status">${plural(shown.length, "rule")}${params.q ? ` for “${params.q}”` : ""}, rule set ${data.ruleSet}</p>`}
    ${data && (params.q ? html`<${List} rules=${shown} />` : html`<${ByArea} rules=${shown} />`)}
  </section>`;
}

function ByArea({ rules }) {
  const names = [...new Set(rules.map((rule) => area(rule.id)))].sort(areaOrder);
  return names.map((name) => html`<section key=${name}><h2>${AREAS[name] || name}</h2><${List} rules=${rules.filter((rule) => area(rule.id) === name)} /></section>`);
}

const List = ({ rules }) => html`<ul class="rule-list">${rules.map((rule) => html`<li key=${rule.id}><a href=${href("rules", rule.id)}><span class="mono rule-id">${rule.id}</span> <span>${rule.title}</span></a> <span class="tag">${rule.severity}</span></li>`)}</ul>`;

export function RulePage({ id }) {
  const { data: rule, error, retry } = useFetch(`${API}/rules/${encodeURIComponent(id)}`);
  return html`<article class="rule-page">
    <p class="back"><a href=${href("rules")}>← Rules</a></p>
    <${Trouble} error=${error} retry=${retry} />
    ${!rule && !error && html`<${Waiting} what="the rule" />`}
    ${rule && html`<h1><span class="mono">${rule.id}</span> ${rule.title} <span class="tag">${rule.severity}</span></h1>
      <${RuleText} rule=${{ ...rule, openPlatforms: true }} />
      ${rule.keywords && rule.keywords.length > 0 && html`<p class="dim">found by ${rule.keywords.map((word) => html`<a key=${word} class="keyword" href=${href("rules", { q: word })}>${word}</a> `)}</p>`}
      <p class="dim">On the terminal: <code>sbc-sim explain ${rule.id}</code></p>`}
  </article>`;
}
