// The journal's health: whether the service is ready, how long a flush takes, how the last verification ended.
// From /readyz and /metrics, which an operator may keep from people: then only what is known is shown.

import { useEffect, useState } from "../app/preact.js";

const EVERY_MS = 5000;

/** {state, flush_ms, verified_at, drift}; what is not known is null. */
export function useHealth() {
  const [health, setHealth] = useState({ state: null, flush_ms: null, verified_at: null, drift: null });
  useEffect(() => {
    const abort = new AbortController();
    const ask = async () => {
      const found = await Promise.all([ready(abort.signal), metrics(abort.signal)]);
      if (!abort.signal.aborted) setHealth(Object.assign({}, ...found));
    };
    void ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => (clearInterval(timer), abort.abort());
  }, []);
  return health;
}

async function ready(signal) {
  try {
    const response = await fetch("/readyz", { cache: "no-store", signal });
    return { state: response.status === 404 ? null : (await response.json()).status };
  } catch {
    return { state: null };
  }
}

async function metrics(signal) {
  const none = { flush_ms: null, verified_at: null, drift: null };
  try {
    const response = await fetch("/metrics", { cache: "no-store", signal });
    if (!response.ok) return none;
    const text = await response.text();
    const number = (name) => Number(new RegExp(`^${name} ([0-9.e+-]+)$`, "m").exec(text)?.[1] ?? NaN);
    const verified_s = number("charge_shop_last_verification_timestamp_seconds");
    return {
      flush_ms: median_ms(text),
      verified_at: Number.isNaN(verified_s) ? null : new Date(verified_s * 1000).toISOString(),
      drift: Number.isNaN(verified_s) ? null : number("charge_shop_verification_drift"),
    };
  } catch {
    return none;
  }
}

/** The upper bound of the bucket that holds the median flush. */
function median_ms(text) {
  const buckets = [...text.matchAll(/^charge_shop_flush_duration_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$/gm)];
  const total = Number(buckets.at(-1)?.[2] ?? 0);
  const found = total && buckets.find(([, , count]) => Number(count) >= total / 2);
  return found && found[1] !== "+Inf" ? Number(found[1]) * 1000 : null;
}
