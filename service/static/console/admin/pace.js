// Charges per second over the last two minutes: filled up from the list of charges, then carried on by live entries; filled
// up again when some of those were missed. Of a busy shop the list is not read back that far: what is not known is not zero.

import { get } from "../app/api.js";
import { now, told } from "../app/clock.js";
import { useEffect, useRef } from "../app/preact.js";
import { useLive } from "../app/live.js";
import { useResource } from "../app/resource.js";
import { useNow } from "../ui/moment.js";

export const SHOWN_S = 120;
const MEAN_S = 10;
const BACKFILL_PAGES = 5;
const SALES = new Set(["charge", "hold"]);

/** {points: [{second, count}], since (the first second that is known), perSecond (mean of the last ten; null until known)} */
export function usePace() {
  const ids = useRef(new Map()).current; // of each second; a charge has the id of the entry that made it
  const current = Math.floor(useNow() / 1000);

  const count = ({ id, created_at }) => {
    const second = Math.floor(Date.parse(created_at) / 1000);
    if (!ids.has(second)) ids.set(second, new Set());
    ids.get(second).add(id);
  };
  const { data } = useResource(async (signal) => {
    const { charges, since } = await backfill(signal);
    charges.forEach(count);
    return { since };
  }, []);
  useLive((entries) => entries.filter(({ type }) => SALES.has(type)).forEach(count));
  useEffect(() => {
    for (const second of ids.keys()) if (second < current - SHOWN_S - 5) ids.delete(second);
  }, [current]);

  const since = data?.since ?? current + 1;
  const points = Array.from({ length: SHOWN_S }, (_, index) => {
    const second = current - SHOWN_S + 1 + index;
    return { second, count: second < since ? 0 : (ids.get(second)?.size ?? 0) };
  });
  const last = points.slice(-MEAN_S - 1, -1).filter(({ second }) => second >= since);
  return { points, since, perSecond: last.length ? last.reduce((sum, point) => sum + point.count, 0) / last.length : null };
}

/** {charges, since}: the newest that were not declined, and the first second of which they are all. */
async function backfill(signal) {
  await told.until(Boolean); // from when on: something else is asked for beside it
  const from_ms = now() - SHOWN_S * 1000;
  const charges = [];
  let page = { has_more: true };
  for (let turn = 0; page.has_more && turn < BACKFILL_PAGES; turn++) {
    const query = { from: new Date(from_ms).toISOString(), limit: 100, cursor: page.next_cursor };
    page = await get("/v1/charges", query, { signal });
    charges.push(...page.data);
  }
  const known_ms = page.has_more ? Date.parse(charges.at(-1).created_at) : from_ms;
  return { charges: charges.filter(({ status }) => status !== "failed"), since: Math.floor(known_ms / 1000) + 1 };
}
