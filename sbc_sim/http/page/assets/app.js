// The frame: navigation, live state, banners, sign-in; and which view is shown.

import { html, render, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, onTokenNeeded, remove } from "./api.js";
import { connect, onEvent, onStream } from "./events.js";
import { href, useRoute } from "./route.js";
import { useFetch } from "./ui.js";
import { SignIn } from "./sign-in.js";
import { Calls } from "./calls.js";
import { Attempts, Outside } from "./attempts.js";
import { Call } from "./call.js";
import { Workbench } from "./workbench.js";
import { RulePage, Rules } from "./rules.js";
import { Setup } from "./setup.js";
import { Judge } from "./judge.js";
import { FaultBanner, Faults } from "./faults.js";
import { Rehearsals } from "./rehearsals.js";
import { Rehearsal } from "./rehearsal.js";
import { VoiceCall, VoiceCalls } from "./voice-calls.js";

const PLACES = [
  ["calls", "Calls"],
  ["rehearsals", "Rehearsals"],
  ["faults", "Faults"],
  ["uui", "UUI"],
  ["rules", "Rules"],
  ["connect", "Connect"],
  ["judge", "Judge"],
];
const UNDER_CALLS = ["calls", "attempts", "outside", "voice-calls"];
const THEMES = ["system", "light", "dark"];

function view({ names, params }, info) {
  const [place, id, part] = names;
  if (place === "calls" && id) return html`<${Call} key=${id} id=${id} part=${part || "verdict"} params=${params} info=${info} />`;
  if (place === "calls") return html`<${Calls} params=${params} />`;
  if (place === "attempts") return html`<${Attempts} />`;
  if (place === "outside") return html`<${Outside} />`;
  if (place === "rehearsals" && id) return html`<${Rehearsal} key=${id} id=${id} params=${params} />`;
  if (place === "rehearsals") return html`<${Rehearsals} />`;
  if (place === "voice-calls" && id) return html`<${VoiceCall} key=${id} id=${id} />`;
  if (place === "voice-calls") return html`<${VoiceCalls} />`;
  if (place === "faults") return html`<${Faults} />`;
  if (place === "uui") return html`<${Workbench} info=${info} />`;
  if (place === "rules" && id) return html`<${RulePage} id=${id} />`;
  if (place === "rules") return html`<${Rules} params=${params} />`;
  if (place === "connect") return html`<${Setup} />`;
  if (place === "judge") return html`<${Judge} />`;
  return html`<section><h1>No such page</h1><p>Nothing is at ${location.hash}. <a href=${href("calls")}>The calls</a></p></section>`;
}

function title({ names }) {
  const [place, id] = names;
  const known = { attempts: "Attempts", outside: "Outside calls", "voice-calls": "Voice calls", ...Object.fromEntries(PLACES) }[place] || "?";
  return `${id ? `${id} · ` : ""}${known} · sbc-sim`;
}

function App() {
  const route = useRoute();
  const [locked, setLocked] = useState(false);
  const [health, setHealth] = useState(null);
  const [round, setRound] = useState(0);
  const { data: info } = useFetch(`${API}/info`, { version: round });
  const main = useRef(null);
  const at = route.names.slice(0, 2).join("/");

  useEffect(() => onTokenNeeded(() => setLocked(true)), []);
  useEffect(() => onEvent((name, data) => name === "store" && setHealth(data.health || data)), []);
  useEffect(() => connect(), [round]);
  useEffect(() => {
    document.title = title(route);
  }, [at]);
  useMoved(at, main);

  const signedIn = () => {
    setLocked(false);
    setRound(round + 1);
  };
  return html`
    <a class="to-content" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>To the content</a>
    <${Top} place=${route.names[0]} info=${info} locked=${locked} signOut=${() => remove(`${API}/session`).finally(() => setLocked(true))} />
    <${StoreBanner} health=${health || (info && info.store)} />
    ${!locked && html`<${FaultBanner} key=${`faults-${round}`} />`}
    <main id="main" ref=${main} tabindex="-1">${locked ? html`<${SignIn} done=${signedIn} />` : html`<div key=${round}>${view(route, info)}</div>`}</main>`;
}

/** Move the focus to the content when another view opens, as a page load would. */
function useMoved(at, main) {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current && main.current && !main.current.contains(document.activeElement)) main.current.focus({ preventScroll: true });
    first.current = false;
  }, [at]);
}

function Top({ place, info, locked, signOut }) {
  const open = UNDER_CALLS.includes(place) ? "calls" : place;
  return html`<header class="top">
    <a class="name" href=${href("calls")}>sbc-sim</a>
    <nav aria-label="Main">${PLACES.map(([name, label]) => html`<a key=${name} href=${href(name)} aria-current=${name === open ? "page" : null}>${label}</a>`)}</nav>
    <div class="end">
      <${LiveSign} />
      <${ThemeButton} />
      ${info && info.http && info.http.auth === "token" && !locked && html`<button type="button" class="quiet" onClick=${signOut}>Sign out</button>`}
      ${info && info.replica && html`<span class="dim" title=${others(info)}>${info.replica}</span>`}
      ${info && html`<span class="dim version" title="rule set ${info.ruleSet}, profile ${info.profile}">${info.version}</span>`}
    </div>
  </header>`;
}

/** Who shares the store, for the tip of the replica that answers. */
const others = ({ replicas = [] }) => `This replica answers; sharing the store: ${replicas.map(({ name, state }) => `${name} (${state})`).join(", ")}`;

function LiveSign() {
  const [state, setState] = useState("connecting");
  useEffect(() => onStream(setState), []);
  return html`<span class="stream ${state.replace(" ", "-")}" role="status"><span class="dot" aria-hidden="true"></span>${state}</span>`;
}

function ThemeButton() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme || "system");
  const turn = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("sbc-sim-theme", next);
    } catch {
      // not remembered, then
    }
    setTheme(next);
    dispatchEvent(new Event("themechange"));
  };
  return html`<button type="button" class="quiet theme" onClick=${turn} title="Colours: ${theme}" aria-label="Colours: ${theme}">${{ system: "◐", light: "○", dark: "●" }[theme]}</button>`;
}

function StoreBanner({ health }) {
  if (!health || !health.trouble) return null;
  const waiting = health.waiting ? ` ${health.waiting} entries wait to be written.` : "";
  const lost = health.lost ? ` ${health.lost} entries are lost.` : "";
  return html`<div class="banner" role="alert"><strong>The store has trouble:</strong> ${health.trouble}${waiting}${lost}</div>`;
}

const app = document.getElementById("app");
app.replaceChildren(); // what tells of scripts that did not load
render(html`<${App} />`, app);
