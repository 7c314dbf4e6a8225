// The only way to the API. Failures come as one of two kinds, which callers treat differently:
//   Problem     the service said no, and why: certainly not applied (unless its code is outcome_unknown)
//   LostAnswer  nothing came back: what was asked may or may not have happened

import { heard } from "./clock.js";
import { answered, lost, unavailable, whenLessBusy, waiting } from "./connection.js";
import { end, session } from "./session.js";

const TIMEOUT_MS = 20000;
const NOT_SERVING = new Set(["standby", "draining", "journal_unavailable"]);

export class Problem extends Error {
  constructor(status, body, retryAfter_s) {
    super(body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code || "unknown";
    this.detail = body.detail || "";
    this.errors = body.errors || [];
    this.available = body.available;
    this.chargeId = body.charge_id;
    this.requestId = body.request_id;
    this.retryAfter_s = retryAfter_s;
  }

  /** Whether the same request, sent again, may well succeed. */
  get isPassing() {
    return this.status === 503 || this.code === "rate_limited";
  }

  /** Whether it is known that nothing was changed. */
  get isCertain() {
    return this.code !== "outcome_unknown" && this.code !== "unknown";
  }
}

export class LostAnswer extends Error {}

/** Whether what was asked may have happened all the same. */
export const isInDoubt = (fault) => fault instanceof LostAnswer || (fault instanceof Problem && fault.code === "outcome_unknown");

export const get = (path, query, options) => json("GET", path, { query, ...options });
export const post = (path, body, options) => json("POST", path, { body, ...options });
export const patch = (path, body, options) => json("PATCH", path, { body, ...options });
export const remove = (path, options) => json("DELETE", path, options);

async function json(method, path, options = {}) {
  const response = await request(method, path, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (fault) {
    throw interrupted(fault, options.signal);
  }
}

/**
 * A successful Response, its body not yet read. What only reads is asked again while the service is too busy for it: nobody
 * has to do so by hand, and what was read before it, of a long list, is not lost.
 */
export async function request(method, path, { token = session.value?.token, ...options } = {}) {
  let isWaiting = false;
  try {
    for (;;) {
      try {
        return await attempt(method, path, { token, ...options });
      } catch (fault) {
        if (method !== "GET" || !isBusy(fault)) throw fault;
        if (!isWaiting) waiting.set(waiting.value + 1);
        isWaiting = true;
        await whenLessBusy(fault.retryAfter_s, options.signal);
      }
    }
  } finally {
    if (isWaiting) waiting.set(waiting.value - 1);
  }
}

/** It serves, but not this now. */
const isBusy = (fault) => fault instanceof Problem && (fault.status === 429 || (fault.status === 503 && !NOT_SERVING.has(fault.code)));

async function attempt(method, path, { query, body, key, signal, headers = {}, token, timeout_ms = TIMEOUT_MS }) {
  const sent = { ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (key) sent["Idempotency-Key"] = key;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const signals = [signal, timeout_ms && AbortSignal.timeout(timeout_ms)].filter(Boolean);
  const sent_ms = Date.now();
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: signals.length ? AbortSignal.any(signals) : undefined,
    });
  } catch (fault) {
    throw interrupted(fault, signal);
  }
  heard(response.headers.get("Date"), sent_ms, Date.now());
  if (response.ok) {
    answered();
    return response;
  }
  throw await problemOf(response, token);
}

export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

function interrupted(fault, signal) {
  if (signal?.aborted) return fault;
  lost();
  return new LostAnswer("No answer came back.");
}

async function problemOf(response, token) {
  const retryAfter_s = Number(response.headers.get("Retry-After")) || null;
  if (!response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    // Not ours: a proxy that found nobody behind it, or gave up waiting.
    if (response.status >= 500) return interrupted(null, null);
    return new Problem(response.status, {}, retryAfter_s);
  }
  const body = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, body, retryAfter_s);
  if (NOT_SERVING.has(problem.code)) unavailable(problem.code);
  else answered();
  if (response.status === 401 && token && token === session.value?.token) end("expired");
  return problem;
}
