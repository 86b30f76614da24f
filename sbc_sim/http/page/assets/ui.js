// Small parts that every view is made of.

import { html, useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { getJson, getText } from "./api.js";
import { onStream } from "./events.js";
import { GLYPHS, WORDS } from "./format.js";

/** A verdict as colour, glyph and word. `live`: none is there yet. */
export function Badge({ status, word }) {
  const known = GLYPHS[status] ? status : "none";
  return html`<span class="badge ${known}"><span class="glyph" aria-hidden="true">${GLYPHS[status] || "·"}</span>${word || status || "open"}</span>`;
}

export function Glyph({ status }) {
  return html`<span class="glyph ${status}" role="img" aria-label=${WORDS[status] || status}>${GLYPHS[status] || "·"}</span>`;
}

export function Counts({ counts }) {
  if (!counts) return null;
  const told = ["fail", "warn", "pass"].filter((name) => counts[name] || name === "pass");
  return html`<span class="counts">
    ${told.map((name) => html`<span class="count ${name}" title="${counts[name] || 0} ${WORDS[name]}">${GLYPHS[name]} ${counts[name] || 0}</span>`)}
  </span>`;
}

export function Copy({ text, what = "" }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    setSaid((await written(text)) ? "copied" : "select and copy by hand");
    setTimeout(() => setSaid(""), 1600);
  };
  return html`<button type="button" class="quiet copy" onClick=${copy} aria-label="Copy ${what}"><span aria-live="polite">${said || "copy"}</span></button>`;
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text); // no clipboard off https and localhost
  }
}

function byHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "offscreen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export function Trouble({ error, retry }) {
  if (!error) return null;
  return html`<div class="trouble" role="alert">
    <p><${Glyph} status="fail" /> ${error.message}</p>
    ${error.fix && html`<p class="dim">${error.fix}</p>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export const Waiting = ({ what = "" }) => html`<p class="dim waiting" role="status">Reading ${what || "…"}</p>`;

export function Fact({ name, children, wide }) {
  return html`<div class=${wide ? "fact wide" : "fact"}><dt>${name}</dt><dd>${children}</dd></div>`;
}

const TAB_BESIDE_PX = 30; // so that the next tab shows that there is one

/** Tabs that are links: [{name, label, count?, to}]. */
export function TabLinks({ label, tabs, now }) {
  const nav = useRef(null);
  useEffect(() => {
    const open = nav.current.querySelector("[aria-current]");
    if (!open) return;
    const [end, room] = [open.offsetLeft - nav.current.offsetLeft + open.offsetWidth, nav.current.clientWidth];
    nav.current.scrollLeft = Math.max(0, end + TAB_BESIDE_PX - room); // not scrollIntoView, which moves the page too
  }, [now]);
  return html`<nav class="tabs" aria-label=${label} ref=${nav}>
    ${tabs.map((tab) => html`<a key=${tab.name} href=${tab.to} aria-current=${tab.name === now ? "page" : null}>${tab.label}${tab.count !== undefined && html` <span class="tally">${tab.count}</span>`}</a>`)}
  </nav>`;
}

/** Buttons of which one is pressed: [[value, label]]. */
export function Choice({ label, options, value, choose }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(([option, words]) => html`<button type="button" key=${option} aria-pressed=${String(option === value)} onClick=${() => choose(option)}>${words}</button>`)}
  </div>`;
}

export function Code({ text, what, wrap = false }) {
  return html`<div class="code"><pre class=${wrap ? "wrap" : ""} tabindex="0" role="group" aria-label=${what}>${text}</pre><${Copy} text=${text} what=${what} /></div>`;
}

/** GET `path` (null: nothing) and again when it or `version` changes; what was read stays until the new answer is there. */
export function useFetch(path, { query, version = 0, text = false } = {}) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const [tries, setTries] = useState(0);
  const key = path && JSON.stringify([path, query]);
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    (text ? getText : getJson)(path, query, abort.signal).then(
      (data) => setState({ key, data, error: null }),
      (error) => error.name === "AbortError" || setState((old) => ({ key, data: old.key === key ? old.data : null, error })),
    );
    return () => abort.abort();
  }, [key, version, tries]);
  const current = state.key === key ? state : { data: null, error: null };
  return { ...current, retry: useCallback(() => setTries((n) => n + 1), []) };
}

/** Is the stream of events broken off, so that what stands here may be over? */
export function useAway() {
  const [away, setAway] = useState(false);
  useEffect(() => onStream((state) => setAway(state === "reconnecting")), []);
  return away;
}

/** The time in ms, anew each second while `running`. */
export function useNow(running) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

/** A function that runs `work` at most every `ms`, the last time after the last call. */
export function useThrottled(work, ms) {
  const state = useRef({ timer: 0, work });
  state.current.work = work;
  useEffect(() => () => clearTimeout(state.current.timer), []);
  return useCallback(() => {
    if (state.current.timer) return;
    state.current.timer = setTimeout(() => {
      state.current.timer = 0;
      state.current.work();
    }, ms);
  }, []);
}
