// Where the reader is: the part of the address behind #, so that every view can be linked to.

import { useEffect, useState } from "./vendor/preact-htm.js";

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const names = path.split("/").filter(Boolean).map(decoded);
  return { names: names.length ? names : ["calls"], params: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Write an address: href("calls", id, {m: 2}) is #/calls/ID?m=2. Empty params are left out. */
export function href(...parts) {
  const params = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${query}`;
}

export function go(...parts) {
  location.hash = href(...parts);
}

/** Change params of the present view without a new step in the history. */
export function setParams(changes) {
  const { names, params } = read();
  history.replaceState(history.state, "", href(...names, { ...params, ...changes }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
