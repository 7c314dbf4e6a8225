// Whether the service answers. Everything that asks reports here; while it does not answer, it is probed until it does.
// Pages watch `connection`: the banner says so, and what is shown is loaded again afterwards.

import { session } from "./session.js";
import { Store } from "./store.js";

const BUSY_MIN_S = 1;
const BUSY_MAX_S = 10;
const PROBE_FIRST_MS = 500;
const PROBE_LAST_MS = 4000;
const PROBE_TIMEOUT_MS = 5000;

/** state: "ok" | "lost" (no answer) | "unavailable" (it answers that it cannot serve now); restored: how often it came back. */
export const connection = new Store({ state: "ok", code: null, restored: 0 });

/** How many questions wait since the service is too busy for them. */
export const waiting = new Store(0);

let isProbing = false;

export function answered() {
  const { state, restored } = connection.value;
  if (state !== "ok") connection.set({ state: "ok", code: null, restored: restored + 1 });
}

export function lost() {
  report("lost", null);
}

export function unavailable(code) {
  report("unavailable", code);
}

/** Resolves when the service answers again; at once while it does. */
export function whenAnswering() {
  return connection.until(({ state }) => state === "ok");
}

/** Resolves when it may be asked again: after what it said itself; or when the signal is aborted. */
export function whenLessBusy(retryAfter_s, signal) {
  const wait_s = Math.min(Math.max(retryAfter_s ?? BUSY_MIN_S, BUSY_MIN_S), BUSY_MAX_S);
  return new Promise((resolve) => {
    setTimeout(resolve, wait_s * 1000);
    signal?.addEventListener("abort", resolve, { once: true });
  });
}

function report(state, code) {
  const now = connection.value;
  if (now.state !== state || now.code !== code) connection.set({ ...now, state, code });
  if (!isProbing) void probe();
}

async function probe() {
  isProbing = true;
  let wait_ms = PROBE_FIRST_MS;
  while (connection.value.state !== "ok") {
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    wait_ms = Math.min(wait_ms * 1.6, PROBE_LAST_MS);
    try {
      // Any answer below 500 says that it serves, 401 too. A standby says 503, a proxy without a service 502.
      const token = session.value?.token;
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      const isServing = async (path) =>
        (await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).status < 500;
      // One that cannot reach its journal still knows who asks.
      const paths = connection.value.state === "unavailable" ? ["/v1/auth/me", "/readyz"] : ["/v1/auth/me"];
      if ((await Promise.all(paths.map(isServing))).every(Boolean)) answered();
    } catch {
      // Still away.
    }
  }
  isProbing = false;
}

window.addEventListener("online", () => connection.value.state !== "ok" && !isProbing && void probe());
