// Downloads that need an Authorization header: a link cannot send one, and credentials are never put into addresses.

import { request } from "./api.js";
import { whole } from "./format.js";

/** Saves the journal of a filter as the API streams it; `onProgress(text)` hears how much has come. */
export async function downloadJournal(query, filename, onProgress) {
  const response = await request("GET", "/v1/transactions.csv", { query, timeout_ms: 0 });
  const parts = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    onProgress(`${whole(Math.ceil(bytes / 1000))} kB`);
  }
  save(parts, filename);
  return true;
}

export function save(parts, filename) {
  const address = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
