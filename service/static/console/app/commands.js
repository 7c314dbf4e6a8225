// Commands that must happen once. One intent has one idempotency key; while no certain answer has come, the same
// request is asked again under the same key, for as long as it takes. So a double click, a lost answer, a restart of
// the service or a reload of the page never sells twice.

import { useCallback, useRef, useState } from "./preact.js";
import { isInDoubt, LostAnswer, post, Problem } from "./api.js";
import { now } from "./clock.js";
import { connection, whenAnswering } from "./connection.js";
import { session } from "./session.js";

/** crypto.randomUUID is there only on secure origins; random bytes are everywhere. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Why there is no certain answer: who asked wanted no more of it. */
export class Stopped extends Error {}

/**
 * The certain answer. Whoever signs in meanwhile has nothing to do with it: it is asked in the name of who began it, to
 * the end, or until the signal `stop` (then: Stopped). While it is known that nobody answers, nothing is sent.
 *
 * `onOpen(mayBeDone)` hears, of each request that goes out and of each that failed, whether what is asked for may have
 * been done by then; `onWait()`, each time that nothing is under way.
 */
export async function certainly(path, body, key, { onOpen, onWait, stop } = {}) {
  const token = session.value?.token;
  const stopped = new Promise((resolve) => stop?.addEventListener("abort", resolve, { once: true }));
  let mayBeDone = false;
  const pause = async (awaited) => {
    onWait?.();
    await Promise.race([awaited, stopped]);
    if (stop?.aborted) throw new Stopped("Nobody waits for it any more.");
  };
  for (let attempt = 0; ; attempt++) {
    if (connection.value.state !== "ok") await pause(whenAnswering());
    try {
      onOpen?.(true);
      return await post(path, body, { key, token, signal: stop });
    } catch (fault) {
      if (stop?.aborted) throw new Stopped("Nobody waits for it any more.");
      const isOpen = fault instanceof LostAnswer || (fault instanceof Problem && fault.isPassing);
      mayBeDone ||= isOpen && !fault.isCertain;
      onOpen?.(mayBeDone);
      if (!isOpen) throw fault;
      const wait_ms = fault.retryAfter_s ? fault.retryAfter_s * 1000 : Math.min(300 * 2 ** attempt, 5000);
      await pause(new Promise((resolve) => setTimeout(resolve, Math.min(wait_ms, 5000))));
    }
  }
}

/**
 * A button's or a form's command: {run(path, body), isBusy, isInDoubt, fault, clear}. While it is busy, another `run` is
 * ignored. `run` gives the answer, or undefined when it was refused (see `fault`) or ignored.
 */
export function useCommand() {
  const [state, setState] = useState({ isBusy: false, isInDoubt: false, fault: null });
  const isBusy = useRef(false); // the state is too late for the second click of a double click

  const run = useCallback(async (path, body, key = newKey()) => {
    if (isBusy.current) return undefined;
    isBusy.current = true;
    setState({ isBusy: true, isInDoubt: false, fault: null });
    try {
      const answer = await certainly(path, body, key, { onWait: () => setState((now) => ({ ...now, isInDoubt: true })) });
      setState({ isBusy: false, isInDoubt: false, fault: null });
      return answer;
    } catch (fault) {
      setState({ isBusy: false, isInDoubt: false, fault });
      return undefined;
    } finally {
      isBusy.current = false;
    }
  }, []);

  const clear = useCallback(() => setState((now) => ({ ...now, fault: null })), []);
  return { ...state, run, clear };
}

/** The same for what has no key: asked once; {run(action), isBusy, fault, clear}, `run` gives undefined when refused. */
export function useAction() {
  const [state, setState] = useState({ isBusy: false, fault: null });
  const isBusy = useRef(false);
  const run = useCallback(async (action) => {
    if (isBusy.current) return undefined;
    isBusy.current = true;
    setState({ isBusy: true, fault: null });
    try {
      const answer = await action();
      setState({ isBusy: false, fault: null });
      return answer ?? null;
    } catch (fault) {
      setState({ isBusy: false, fault });
      return undefined;
    } finally {
      isBusy.current = false;
    }
  }, []);
  const clear = useCallback(() => setState((now) => ({ ...now, fault: null })), []);
  return { ...state, run, clear };
}

const RECENT_MS = 10 * 60 * 1000;

/**
 * What `make()` gives; it has no key, so where its answer is lost `find()` looks whether it was made: made again, it would
 * be refused for a name that somebody has, who is oneself. {made, wasLost}; where there is none, the lost answer is thrown.
 */
export async function madeOrFound(make, find) {
  try {
    return { made: await make(), wasLost: false };
  } catch (fault) {
    if (!isInDoubt(fault)) throw fault;
    for (;;) {
      await whenAnswering();
      try {
        const made = await find();
        if (made && now() - Date.parse(made.created_at) < RECENT_MS) return { made, wasLost: true };
        throw fault;
      } catch (other) {
        if (other === fault || !(other instanceof LostAnswer || other.status === 503)) throw other;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }
}

export const madeWords = ({ name, wasLost }) => (wasLost ? `${name} was made, though the answer was lost, and can sign in now.` : `${name} can sign in now.`);
