// What a page loads: shown stale while it is loaded again, and loaded again when the service is back, when live
// entries were missed, or when entries arrive that the page says it is about.

import { useCallback, useEffect, useRef, useState } from "./preact.js";
import { LostAnswer } from "./api.js";
import { connection, whenAnswering } from "./connection.js";
import { gaps, useLive } from "./live.js";

const SETTLE_MS = 250;
const SETTLE_MAX_MS = 1000;

/**
 * `load(signal)` gives the data; `deps` as of useEffect; `isAbout(entry)` tells whether a live entry changes it.
 * Returns {data, fault, isLoading, reload, replace}.
 */
export function useResource(load, deps, { isAbout } = {}) {
  const [state, setState] = useState({ data: null, fault: null, isLoading: true });
  const latest = useRef(load);
  latest.current = load;
  const attempt = useRef(null);
  const timer = useRef(null);
  const due = useRef(null);
  const isLate = useRef(false);

  const reload = useCallback(async () => {
    attempt.current?.abort();
    const abort = (attempt.current = new AbortController());
    isLate.current = false;
    await loaded(abort);
    if (attempt.current === abort) attempt.current = null;
    if (isLate.current && !abort.signal.aborted) again();
  }, []);

  const loaded = useCallback(async (abort) => {
    setState((now) => ({ ...now, isLoading: true }));
    for (;;) {
      try {
        const data = await latest.current(abort.signal);
        if (!abort.signal.aborted) setState({ data, fault: null, isLoading: false });
        return;
      } catch (fault) {
        if (abort.signal.aborted) return;
        if (fault instanceof LostAnswer || fault.status === 503) {
          await whenAnswering();
          await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
          if (abort.signal.aborted) return;
          continue;
        }
        return setState((now) => ({ ...now, fault, isLoading: false }));
      }
    }
  }, []);

  // Under a steady stream the next load is put off, but not for ever, and never takes the place of one that is under way:
  // where answers are slow none would arrive.
  const again = useCallback(() => {
    due.current ??= Date.now() + SETTLE_MAX_MS;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      due.current = null;
      if (attempt.current) isLate.current = true;
      else void reload();
    }, Math.max(0, Math.min(SETTLE_MS, due.current - Date.now())));
  }, []);

  useEffect(() => {
    setState({ data: null, fault: null, isLoading: true });
    void reload();
    return () => attempt.current?.abort();
  }, deps);

  useEffect(() => {
    let { restored } = connection.value;
    const stops = [
      gaps.watch(again),
      connection.watch((value) => {
        if (value.restored !== restored) again();
        restored = value.restored;
      }),
    ];
    return () => {
      clearTimeout(timer.current);
      stops.forEach((stop) => stop());
    };
  }, []);

  useLive((entries) => {
    if (isAbout && entries.some(isAbout)) again();
  });

  const replace = useCallback((change) => setState((now) => ({ ...now, data: change(now.data) })), []);
  return { ...state, reload, replace };
}
