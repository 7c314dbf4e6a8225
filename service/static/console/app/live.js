// Live entries of the journal, from GET /v1/events.
//
// Read with fetch, since EventSource cannot send an Authorization header. A broken stream is resumed after the last
// entry that was seen (Last-Event-ID), so nothing is missed or told twice. Where there is no stream, the newest
// transactions are asked for every few seconds instead. Entries are handed out in small batches, for calm pages
// under any load; when some could not be told one by one, `gaps` counts up and pages load themselves again.
//
// A page that nobody looks at lets its stream go: a browser has few connections for all its tabs. When it was away for
// long, it does not catch up entry by entry but begins anew.

import { get, Problem, request } from "./api.js";
import { whenAnswering } from "./connection.js";
import { session } from "./session.js";
import { Store } from "./store.js";
import { useEffect, useRef } from "./preact.js";

const BATCH_EVERY_MS = 200;
const BATCH_MAX = 2000;
const POLL_EVERY_MS = 3000;
const STREAM_AGAIN_MS = 30000;
const SILENCE_MAX_MS = 60000;
const HIDDEN_MAX_MS = 30000;
const CATCH_UP_MAX_MS = 60000;
const NO_STREAM = new Set([404, 405, 406, 501]);

/** "off" | "connecting" | "live" | "polling" */
export const liveStatus = new Store("off");
export const gaps = new Store(0);

/** Whether somebody looks at the page, or did a moment ago. */
const looked = new Store(true);
let hiddenTimer = null;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (!document.hidden) looked.set(true);
  else hiddenTimer = setTimeout(() => looked.set(false), HIDDEN_MAX_MS);
});

const listeners = new Set();
let batch = [];
let batchTimer = null;
let lastEventId = null;
let lastPosition = null;
let heardAt = 0;
let running = null;

/** Calls back with arrays of Transaction objects, oldest first, as long as the component is shown. */
export function useLive(onEntries) {
  const latest = useRef(onEntries);
  latest.current = onEntries;
  useEffect(() => {
    const listener = (entries) => latest.current(entries);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
}

session.watch(follow);
export function follow(value = session.value) {
  if (running?.token === value?.token) return;
  running?.abort.abort();
  running = null;
  [lastEventId, lastPosition, batch] = [null, null, []];
  if (!value) return liveStatus.set("off");
  running = { token: value.token, abort: new AbortController() };
  void keepUp(running.abort.signal);
}

async function keepUp(signal) {
  let failures = 0;
  while (!signal.aborted) {
    await whenAnswering();
    await looked.until(Boolean);
    try {
      await stream(signal, () => (failures = 0));
    } catch (fault) {
      if (signal.aborted) return;
      if (fault instanceof Problem && NO_STREAM.has(fault.status)) await poll(signal, STREAM_AGAIN_MS);
      else if (fault instanceof Problem && fault.status === 401) return;
      else if (fault instanceof SyntaxError) console.warn("The stream is not what it should be.", fault);
    }
    if (signal.aborted) return;
    if (liveStatus.value !== "polling") liveStatus.set("connecting");
    await pause(Math.min(250 * 2 ** failures++, 5000) * (0.75 + Math.random() / 2), signal);
  }
}

async function stream(signal, onOpen) {
  const silence = new AbortController();
  let watchdog = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
  if (Date.now() - heardAt > CATCH_UP_MAX_MS) lastEventId = null;
  const isResumed = lastEventId !== null;
  const headers = { Accept: "text/event-stream" };
  if (isResumed) headers["Last-Event-ID"] = lastEventId;
  const stopLooking = looked.watch(() => silence.abort());
  try {
    const either = AbortSignal.any([signal, silence.signal]);
    const response = await request("GET", "/v1/events", { headers, signal: either, timeout_ms: 0 });
    liveStatus.set("live");
    onOpen();
    if (!isResumed) gaps.set(gaps.value + 1); // what happened between loading the page and now was not told
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heardAt = Date.now();
      clearTimeout(watchdog);
      watchdog = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      blocks.forEach(read);
    }
  } finally {
    stopLooking();
    clearTimeout(watchdog);
  }
}

function read(block) {
  let id = null;
  const data = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue; // a comment: a heartbeat
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "id") id = value;
    else if (name === "data") data.push(value);
  }
  if (id !== null) lastEventId = id;
  if (!data.length) return;
  const entry = JSON.parse(data.join("\n"));
  if (entry.seq && entry.type) tell(entry);
}

async function poll(signal, until_ms) {
  const end = Date.now() + until_ms;
  while (!signal.aborted && Date.now() < end) {
    const page = await get("/v1/transactions", { limit: 100 }, { signal });
    liveStatus.set("polling");
    const fresh = page.data.filter((entry) => lastPosition !== null && entry.position > lastPosition).reverse();
    if (lastPosition === null || (fresh.length === page.data.length && page.has_more)) gaps.set(gaps.value + 1);
    lastPosition = Math.max(lastPosition ?? 0, page.data[0]?.position ?? 0);
    fresh.forEach(tell);
    await pause(POLL_EVERY_MS, signal);
  }
}

function tell(entry) {
  batch.push(entry);
  batchTimer ??= setTimeout(handOut, BATCH_EVERY_MS);
}

function handOut() {
  batchTimer = null;
  const entries = batch.slice(0, BATCH_MAX);
  const isTooMany = batch.length > BATCH_MAX;
  batch = [];
  for (const listener of [...listeners]) listener(entries);
  if (isTooMany) gaps.set(gaps.value + 1);
}

function pause(duration_ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, duration_ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
