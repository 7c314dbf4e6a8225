// Commands that must happen once. One intent has one idempotency key; while no certain answer has come, the same
// request is asked again under the same key, for as long as it takes. So a double click, a lost answer, a restart of
// the service or a reload of the page never sells twice.

import { useCallback, useRef, useState } from "./preact.js";
import { LostAnswer, post, Problem } from "./api.js";
import { whenAnswering } from "./connection.js";
import { session } from "./session.js";

/** crypto.randomUUID is there only on secure origins; random bytes are everywhere. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The certain answer; `onDoubt(fault)` hears of each answer that left it open. Whoever signs in meanwhile has nothing to
 * do with it: it is asked in the name of who began it, to the end.
 */
export async function certainly(path, body, key, onDoubt) {
  const token = session.value?.token;
  for (let attempt = 0; ; attempt++) {
    try {
      return await post(path, body, { key, token });
    } catch (fault) {
      const isOpen = fault instanceof LostAnswer || (fault instanceof Problem && fault.isPassing);
      if (!isOpen) throw fault;
      onDoubt?.(fault);
      await whenAnswering();
      const wait_ms = fault.retryAfter_s ? fault.retryAfter_s * 1000 : Math.min(300 * 2 ** attempt, 5000);
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait_ms, 5000)));
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
      const answer = await certainly(path, body, key, () => setState((now) => ({ ...now, isInDoubt: true })));
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
