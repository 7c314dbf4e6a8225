// Admins by name: ids are for machines. All are asked for at once, since there are few, and again for one that was not there.

import { html, useEffect, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { shortId } from "../app/format.js";

const known = new Map();
let asking = null;

async function load() {
  let page = { has_more: true };
  while (page.has_more) {
    page = await get("/v1/admins", { limit: 100, cursor: page.next_cursor });
    page.data.forEach(({ id, username }) => known.set(id, username));
  }
}

async function nameOf(id) {
  if (!known.has(id)) await (asking ??= load().finally(() => (asking = null)));
  return known.get(id);
}

export function AdminName({ id }) {
  const [name, setName] = useState(known.get(id));
  useEffect(() => {
    let isShown = true;
    nameOf(id).then((found) => isShown && setName(found), () => {});
    return () => (isShown = false);
  }, [id]);
  return html`<span>${name ?? shortId(id)}</span>`;
}
