// The stream of server-sent events: one connection for the whole page, told to whoever listens.

import { API, getJson, onTokenNeeded, withQuery } from "./api.js";

const NAMES = ["call.started", "call.updated", "call.ended", "verdict", "message", "attempt", "store", "reset", "resync", "rehearsal.step", "rehearsal.changed", "fault.changed", "voice.call"];
const REST_AFTER_MS = 30_000; // browsers allow six connections to a host: a tab that nobody sees gives its one back
const RETRY_MS = 2_000;

const listeners = new Set();
const watchers = new Set();
let source = null;
let lastId = "";
let state = "connecting";
let everOpen = false;
let timer = 0;

/** Call `heard(name, data)` for each event; `resync` means that something may have been missed. Returns the way to stop. */
export function onEvent(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

/** Call `seen(state)` now and on each change: connecting | live | reconnecting | signed out. Returns the way to stop. */
export function onStream(seen) {
  watchers.add(seen);
  seen(state);
  return () => watchers.delete(seen);
}

function become(next) {
  if (next === state) return;
  state = next;
  watchers.forEach((seen) => seen(state));
}

function tell(name, data) {
  listeners.forEach((heard) => heard(name, data));
}

function heard(event) {
  if (event.lastEventId) lastId = event.lastEventId;
  let data;
  try {
    data = event.data ? JSON.parse(event.data) : {};
  } catch {
    return; // cut in the middle: the server ended the connection, and the next one resumes
  }
  tell(event.type, data);
}

function opened() {
  const again = everOpen && !lastId; // nothing to resume from: what came in between is not known
  everOpen = true;
  become("live");
  if (again) tell("resync", {});
}

function failed() {
  if (document.hidden && !source) return;
  become(everOpen ? "reconnecting" : "connecting");
  if (source && source.readyState === EventSource.CLOSED) {
    source = null;
    clearTimeout(timer);
    timer = setTimeout(connect, RETRY_MS);
    getJson(`${API}/info`).catch(() => {}); // a stream does not say why it failed; this tells when the token is asked for
  }
}

export function connect() {
  clearTimeout(timer);
  disconnect();
  source = new EventSource(withQuery(`${API}/events`, { lastEventId: lastId }));
  source.onopen = opened;
  source.onerror = failed;
  NAMES.forEach((name) => source.addEventListener(name, heard));
}

function disconnect() {
  if (source) source.close();
  source = null;
}

onTokenNeeded(() => {
  clearTimeout(timer);
  disconnect();
  become("signed out");
});

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.hidden) timer = setTimeout(disconnect, REST_AFTER_MS);
  else if (!source && state !== "signed out") connect();
});
