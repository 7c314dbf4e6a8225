// One sale from the first click to its certain answer.
//
// The intent {key, body} is written to this tab's storage before it is sent, and taken away only when its answer is
// certain. So after a lost answer, a reload, or a session that ended in between, the same key is asked again and the
// sale happens once. Where the session had ended before anything was asked, nothing was sold for certain: then it is not
// sold by itself by signing in, hours later perhaps, but stands in the form again.

import { useCallback, useEffect, useRef, useState } from "../app/preact.js";
import { certainly, newKey } from "../app/commands.js";

const IDLE = { isBusy: false, isInDoubt: false, fault: null };

/** {sell(body), clear(), isBusy, isInDoubt, fault, receipt, unfinished, isUnsold} */
export function useSale(who) {
  const place = `charge-shop.sale.${who.id}`;
  const [unfinished] = useState(() => kept(place));
  const [state, setState] = useState({ ...IDLE, receipt: null, isUnsold: Boolean(unfinished?.isUnsold) });
  const isSelling = useRef(false); // the state would be too late for the second click of a double click

  const send = async (intent, wasSent = false) => {
    if (isSelling.current) return undefined;
    isSelling.current = true;
    let isOpen = wasSent;
    keep(place, intent);
    setState((now) => ({ ...now, ...IDLE, isBusy: true, isUnsold: false }));
    try {
      const onDoubt = () => {
        isOpen = true;
        setState((now) => ({ ...now, isInDoubt: true }));
      };
      const receipt = await certainly("/v1/charges", intent.body, intent.key, onDoubt);
      keep(place, null);
      setState({ ...IDLE, receipt });
      return receipt;
    } catch (fault) {
      // A session that ended says nothing about what was asked before: it is asked again after signing in.
      if (fault.status !== 401) keep(place, null);
      else if (!isOpen) keep(place, { ...intent, isUnsold: true });
      setState({ ...IDLE, receipt: null, fault });
      return undefined;
    } finally {
      isSelling.current = false;
    }
  };

  useEffect(() => {
    if (unfinished?.isUnsold) keep(place, null);
    else if (unfinished) void send(unfinished, true);
  }, []);

  const sell = (body) => send({ key: newKey(), body });
  const clear = useCallback(() => setState((now) => (now.fault ? { ...now, fault: null } : now)), []);
  return { ...state, sell, clear, unfinished };
}

function kept(place) {
  try {
    return JSON.parse(sessionStorage.getItem(place));
  } catch {
    return null;
  }
}

function keep(place, intent) {
  try {
    if (intent) sessionStorage.setItem(place, JSON.stringify(intent));
    else sessionStorage.removeItem(place);
  } catch {
    // Storage is refused: the key lives as long as the page.
  }
}
