// Downloads that need an Authorization header: a link cannot send one, and credentials are never put into addresses.

import { request } from "./api.js";

/** Saves what the address answers; `onProgress(bytes)` hears how much has come. */
export async function download(path, query, filename, onProgress) {
  const response = await request("GET", path, { query, timeout_ms: 0 });
  const parts = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    onProgress?.(bytes);
  }
  const address = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
