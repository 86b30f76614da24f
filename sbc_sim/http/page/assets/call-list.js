// The calls that the list shows: pages read from the API, and what the stream tells of them since.

import { useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, getJson } from "./api.js";
import { onEvent } from "./events.js";
import { isLive } from "./format.js";
import { useThrottled } from "./ui.js";

const PAGE = 100;
const MOST_ROWS = 1500; // a list that has been open for days starts anew
const MOST_SEARCHED = 2000;
const kept = new Map(); // the list of each filter as it was left, so that going back shows it at once

export const FILTERS = ["status", "region", "partner", "since"];

/** Is this call one that the API would list for `filter`? */
export function fits(call, filter) {
  const { status, region, partner, since } = filter;
  const verdict = call.verdict && call.verdict.status;
  if (status && status !== call.state && status !== verdict) return false;
  if (region && region !== call.region) return false;
  if (partner && partner !== call.partner) return false;
  return !since || Date.parse(call.startedAt) >= Date.parse(since);
}

/** Does any text that the row shows, or the ids, contain the words? */
export function mentions(call, words) {
  if (!words) return true;
  const { from, to, requestUri, sipCallId, id, endReason, userAgent, peer, region, partner, replica, uui } = call;
  const all = [from, to, requestUri, sipCallId, id, endReason, call.endStatus, userAgent, peer, region, partner, replica, uui && uui.raw, uui && uui.decoded];
  const text = all.filter(Boolean).join("\n").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

class Listed {
  constructor(filter) {
    this.filter = filter;
    this.byId = new Map();
    this.next = null;
    this.read = false;
    this.error = null;
  }

  take(call) {
    if (fits(call, this.filter)) this.byId.set(call.id, call);
    else this.byId.delete(call.id);
  }

  judged({ call: id, status, counts }) {
    const call = this.byId.get(id);
    if (call) this.take({ ...call, verdict: { status, counts } });
  }

  rows() {
    return [...this.byId.values()].sort((one, other) => (one.startedAt < other.startedAt ? 1 : one.startedAt > other.startedAt ? -1 : one.id < other.id ? 1 : -1));
  }

  /** Read a page: the next older one ("older"), the newest one to bring the list up to date ("newest"), or to begin anew ("anew"). */
  async readPage(which) {
    const page = await getJson(`${API}/calls`, { ...this.filter, limit: PAGE, cursor: which === "older" ? this.next : null });
    const joins = which === "newest" && page.calls.some((call) => this.byId.has(call.id)); // else calls in between would be missing
    if (which !== "older" && !joins) this.byId.clear();
    page.calls.forEach((call) => this.take(call));
    if (!joins) this.next = page.next;
    this.read = true;
    this.error = null;
  }
}

/** The calls of a filter, newest first: {rows, more, loading, error, load(which), searchOn(words)}. */
export function useCalls(filter) {
  const key = JSON.stringify(filter);
  const [, setTurn] = useState(0);
  const [loading, setLoading] = useState(false);
  const list = useRef(null);
  if (!list.current || list.current.key !== key) {
    list.current = kept.get(key) || new Listed(filter);
    list.current.key = key;
    kept.set(key, list.current);
    if (kept.size > 8) kept.delete(kept.keys().next().value);
  }
  const show = useThrottled(() => setTurn((n) => n + 1), 150);

  const load = async (which = "newest") => {
    const wanted = list.current;
    setLoading(true);
    try {
      await wanted.readPage(which);
    } catch (error) {
      wanted.error = error;
    }
    setLoading(false);
    show();
  };
  const searchOn = async (words) => {
    const wanted = list.current;
    for (let read = 0; wanted.next && read < MOST_SEARCHED && wanted === list.current; read += PAGE) {
      const before = wanted.rows().filter((call) => mentions(call, words)).length;
      await load("older");
      if (wanted.error || wanted.rows().filter((call) => mentions(call, words)).length > before + PAGE / 4) return;
    }
  };

  useEffect(() => {
    load();
    return onEvent((name, data) => {
      const now = list.current;
      if (name === "resync") load();
      else if (name === "reset") load("anew");
      else if (name === "verdict") now.judged(data);
      else if (name.startsWith("call.")) now.take(data);
      else return;
      if (now.byId.size > MOST_ROWS && scrollY < 200) load("anew");
      show();
    });
  }, [key]);

  const { error, next, read } = list.current;
  const rows = list.current.rows();
  return { rows, more: next !== null, read, loading, error, load, searchOn, live: rows.some(isLive) };
}
