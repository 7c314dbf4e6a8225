// Charges per second over the last two minutes: filled up from the list of charges, then carried on by live entries.

import { get } from "../app/api.js";
import { useEffect, useRef } from "../app/preact.js";
import { useLive } from "../app/live.js";
import { useNow } from "../ui/moment.js";

export const SHOWN_S = 120;
const BACKFILL_PAGES = 5;
const SALES = new Set(["charge", "hold"]);

/** {points: [{second, count}], perSecond (mean of the last ten)} */
export function usePace() {
  const seconds = useRef(new Map());
  const seen = useRef(new Set());
  const now = Math.floor(useNow() / 1000);

  const count = (id, created_at) => {
    if (seen.current.has(id)) return;
    seen.current.add(id);
    const second = Math.floor(Date.parse(created_at) / 1000);
    seconds.current.set(second, (seconds.current.get(second) || 0) + 1);
  };
  useEffect(() => {
    const abort = new AbortController();
    void backfill(count, abort.signal).catch(() => {});
    return () => abort.abort();
  }, []);
  useLive((entries) => entries.forEach((entry) => SALES.has(entry.type) && count(entry.id, entry.created_at)));
  useEffect(() => {
    for (const second of seconds.current.keys()) if (second < now - SHOWN_S - 5) seconds.current.delete(second);
    if (seen.current.size > 50000) seen.current.clear();
  }, [now]);

  const points = Array.from({ length: SHOWN_S }, (_, index) => {
    const second = now - SHOWN_S + 1 + index;
    return { second, count: seconds.current.get(second) || 0 };
  });
  const last = points.slice(-11, -1);
  return { points, perSecond: last.reduce((sum, point) => sum + point.count, 0) / last.length };
}

async function backfill(count, signal) {
  const from = new Date(Date.now() - SHOWN_S * 1000).toISOString();
  for (let cursor = null, turn = 0; turn < BACKFILL_PAGES; turn++) {
    const page = await get("/v1/charges", { from, limit: 100, cursor }, { signal });
    page.data.forEach((charge) => charge.status !== "failed" && count(charge.id, charge.created_at));
    if (!page.has_more) return;
    cursor = page.next_cursor;
  }
}
