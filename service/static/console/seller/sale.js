// One sale from the first click to its certain answer.
//
// The intent {key, body, at, maybeSold} is written to this tab's storage before it is sent, and taken away only when its
// answer is certain. So after a lost answer, a reload, or a session that ended in between, the same key is asked again
// and the sale happens once. What certainly was not sold is not sold by itself by signing in, hours later perhaps, but
// stands in the form again. Whoever does not wait for it any more stops asking: what may have been sold by then is kept
// among those that are not finished, until its key is asked for again or it is looked up.

import { useCallback, useEffect, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { certainly, newKey, Stopped } from "../app/commands.js";
import { store, stored } from "../app/tab_storage.js";

const IDLE = { isBusy: false, isWaiting: false, maybeSold: false, fault: null };
/** Whoever bought has gone by then. */
const OLD_MS = 10 * 60 * 1000;

/** By key, who asks for it: a page that is come back to takes over from the one that was left. */
const asking = new Map();

/**
 * {sell(body), stop(), clear(), isBusy, isWaiting, maybeSold, fault, receipt, unfinished, unsold, isListed,
 * notFinished, asked, askAgain, lookUp, forget}. `unsold`: why what stands in the form was certainly not sold: "session", "old" or "stopped".
 */
export function useSale(who) {
  const place = `charge-shop.sale.${who.id}`;
  const listPlace = `charge-shop.sales-not-finished.${who.id}`;
  const [earlier] = useState(() => fateOf(stored(place)));
  const [state, setState] = useState({ ...IDLE, receipt: null, unsold: earlier.unsold ?? null, isListed: false });
  const [notFinished, setNotFinished] = useState(() => stored(listPlace) ?? []);
  const [asked, setAsked] = useState(null);
  const isSelling = useRef(false); // the state would be too late for the second click of a double click
  const stopping = useRef(null);

  const relist = (change) => {
    const next = change(stored(listPlace) ?? notFinished);
    store(listPlace, next.length ? next : null);
    setNotFinished(next);
  };
  const list = (intent) => relist((now) => [...now.filter(({ key }) => key !== intent.key), intent]);
  const forget = ({ key }) => relist((now) => now.filter((one) => one.key !== key));

  const send = async (intent) => {
    if (isSelling.current) return undefined;
    isSelling.current = true;
    asking.get(intent.key)?.abort();
    const stop = (stopping.current = new AbortController());
    asking.set(intent.key, stop);
    const isOurs = () => asking.get(intent.key) === stop;
    let maybeSold = intent.maybeSold;
    const note = (mayBeDone) => {
      maybeSold = intent.maybeSold || mayBeDone;
      if (isOurs()) store(place, { ...intent, maybeSold });
    };
    store(place, intent);
    setState((now) => ({ ...now, ...IDLE, isBusy: true, maybeSold, unsold: null, isListed: false }));
    try {
      const onWait = () => setState((now) => ({ ...now, isWaiting: true, maybeSold }));
      const receipt = await certainly("/v1/charges", intent.body, intent.key, { onOpen: note, onWait, stop: stop.signal });
      store(place, null);
      setState({ ...IDLE, receipt, unsold: null, isListed: false });
      return receipt;
    } catch (fault) {
      if (!isOurs()) return undefined;
      const isStopped = fault instanceof Stopped;
      const isListed = isStopped && maybeSold;
      if (isListed) list({ ...intent, maybeSold });
      // A session that ended says nothing about what was asked before: it is asked again after signing in.
      if (fault.status !== 401) store(place, null);
      else if (!maybeSold) store(place, { ...intent, isUnsold: true });
      setState({ ...IDLE, receipt: null, fault: isStopped ? null : fault, unsold: isStopped && !maybeSold ? "stopped" : null, isListed });
      return undefined;
    } finally {
      if (isOurs()) asking.delete(intent.key);
      isSelling.current = false;
    }
  };

  useEffect(() => {
    const { again, listed, intent } = earlier;
    if (again) return void send(intent);
    if (!intent) return undefined;
    asking.get(intent.key)?.abort();
    asking.delete(intent.key);
    if (listed) list(intent);
    return store(place, null);
  }, []);

  const sell = (body) => send({ key: newKey(), body, at: Date.now(), maybeSold: false });
  const stop = () => stopping.current?.abort();
  const askAgain = (intent) => {
    setAsked(intent);
    void send(intent);
    forget(intent);
  };
  /** The charge that was made of it; none by now says nothing of later, while a request may still be on its way. */
  const lookUp = async ({ key }) => (await get("/v1/charges", { idempotency_key: key })).data[0];
  const clear = useCallback(() => setState((now) => (now.fault ? { ...now, fault: null } : now)), []);
  return { ...state, sell, stop, clear, unfinished: earlier.listed ? null : earlier.intent, notFinished, asked, askAgain, lookUp, forget };
}

/** What becomes of a sale that was begun before this page: {intent, again | unsold | listed}. */
function fateOf(intent) {
  if (!intent) return {};
  if (intent.isUnsold) return { intent, unsold: "session" };
  if (Date.now() - intent.at < OLD_MS) return { intent, again: true };
  return intent.maybeSold === false ? { intent, unsold: "old" } : { intent, listed: true };
}
