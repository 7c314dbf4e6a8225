// Addresses within the console: `#/sellers/ID?status=active`. The part behind `#` never leaves the browser.

import { Store } from "./store.js";

export const place = new Store(read());

window.addEventListener("hashchange", () => place.set(read()));

function read() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean);
  return { path: `/${parts.join("/")}`, parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function go(path, query) {
  location.hash = href(path, query);
}

/** Something about this page that is kept with its step of the way back: a reload, and the way back, find it again. */
export const kept = (name) => history.state?.[name];
export const keep = (name, value) => history.replaceState({ ...history.state, [name]: value }, "");

/** Changes the query of this page in place: filters are part of the address, but no steps of the way back. */
export function setQuery(query) {
  history.replaceState(null, "", href(place.value.path, query));
  place.set(read());
}
