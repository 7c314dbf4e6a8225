// The journal's health: whether the service is ready, how long a flush takes, how the last verification ended.
// From /readyz and /metrics, which an operator may keep from people: then they are not asked again, and what is known
// is what every answer of the API says.

import { connection } from "../app/connection.js";
import { useEffect, useState } from "../app/preact.js";
import { inSight } from "../app/sight.js";

const EVERY_MS = 5000;
const REFUSED = new Set([401, 403, 404]);

/** {state, flush_ms, verified_at, drift}; what is not known is null. */
export function useHealth() {
  const [health, setHealth] = useState({ state: null, flush_ms: null, verified_at: null, drift: null });
  useEffect(() => {
    const abort = new AbortController();
    const asked = new Set(["/readyz", "/metrics"]);
    const ask = async () => {
      if (!inSight.value) return;
      const [state, figures] = await Promise.all([ready(asked, abort.signal), metrics(asked, abort.signal)]);
      if (!abort.signal.aborted) setHealth({ state, ...figures });
    };
    void ask();
    const timer = setInterval(ask, EVERY_MS);
    const stopWatching = inSight.watch(ask);
    return () => (clearInterval(timer), stopWatching(), abort.abort());
  }, []);
  return health;
}

/** The text of an answer; null where there is none for us. */
async function text(asked, path, signal) {
  if (!asked.has(path)) return null;
  try {
    const response = await fetch(path, { cache: "no-store", signal });
    if (REFUSED.has(response.status)) asked.delete(path);
    return response.ok || response.status === 503 ? await response.text() : null;
  } catch {
    return null;
  }
}

async function ready(asked, signal) {
  const answer = await text(asked, "/readyz", signal);
  const { state, code } = connection.value;
  if (answer === null) return state === "ok" ? "ready" : code || "lost";
  return JSON.parse(answer).status;
}

async function metrics(asked, signal) {
  const shown = (await text(asked, "/metrics", signal)) ?? "";
  const number = (name) => Number(new RegExp(`^${name} ([0-9.e+-]+)$`, "m").exec(shown)?.[1] ?? NaN);
  const verified_s = number("charge_shop_last_verification_timestamp_seconds");
  return {
    flush_ms: median_ms(shown),
    verified_at: Number.isNaN(verified_s) ? null : new Date(verified_s * 1000).toISOString(),
    drift: Number.isNaN(verified_s) ? null : number("charge_shop_verification_drift"),
  };
}

/** The upper bound of the bucket that holds the median flush. */
function median_ms(text) {
  const buckets = [...text.matchAll(/^charge_shop_flush_duration_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$/gm)];
  const total = Number(buckets.at(-1)?.[2] ?? 0);
  const found = total && buckets.find(([, , count]) => Number(count) >= total / 2);
  return found && found[1] !== "+Inf" ? Number(found[1]) * 1000 : null;
}
