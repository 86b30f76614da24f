// The API as this page asks it. All addresses are relative to the page, so that they hold behind a sub-path.

export const API = "api/v1";
const MOST_TRIES = 5; // of a GET while the server has too much to do
const LONGEST_REST_S = 10;

/** An answer that was no success: `detail` says what was seen, `fix` what to do (RFC 9457). */
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.title || `HTTP ${status}`);
    this.status = status;
    this.code = told.code || "";
    this.detail = this.message;
    this.fix = told.fix || "";
  }
}

const needs = new Set();

/** Call `heard` whenever the server asks for a token; returns the way to stop. */
export function onTokenNeeded(heard) {
  needs.add(heard);
  return () => needs.delete(heard);
}

export const callPath = (id, rest = "") => `${API}/calls/${encodeURIComponent(id)}${rest}`;

export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Wait as long as the server said, and up to half a second more, so that not all pages come back at once. */
function rest(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, (Math.min(seconds, LONGEST_REST_S) + Math.random() / 2) * 1000);
    if (signal) signal.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("", "AbortError")); }, { once: true });
  });
}

async function answered(path, options = {}, tries = 1) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "The simulator does not answer.", fix: "Is `sbc-sim serve` still running?" });
  }
  if (response.ok) return response;
  const reading = !options.method || options.method === "GET";
  if (response.status === 503 && reading && tries < MOST_TRIES && response.headers.has("Retry-After")) {
    await rest(Number(response.headers.get("Retry-After")) || 1, options.signal);
    return answered(path, options, tries + 1);
  }
  const told = await response.json().catch(() => ({}));
  if (response.status === 401) needs.forEach((heard) => heard());
  throw new Problem(response.status, told);
}

export async function getJson(path, query, signal) {
  return (await answered(withQuery(path, query), { signal, headers: { Accept: "application/json" } })).json();
}

export async function getText(path, query, signal) {
  return (await answered(withQuery(path, query), { signal })).text();
}

/** POST: an object goes as JSON, anything else as it is with its media type. An empty answer gives null. */
export async function post(path, body, mediaType) {
  const plain = mediaType !== undefined;
  const headers = { Accept: "application/json", "Content-Type": plain ? mediaType : "application/json" };
  const response = await answered(path, { method: "POST", headers, body: plain ? body : JSON.stringify(body ?? {}) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** PUT an object as JSON. */
export async function put(path, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  const response = await answered(path, { method: "PUT", headers, body: JSON.stringify(body) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** Is this the answer of a simulator that has no such part, or has it switched off? */
export const isAbsent = (error) => Boolean(error) && (error.status === 404 || error.status === 501);

export async function remove(path) {
  await answered(path, { method: "DELETE" });
}
