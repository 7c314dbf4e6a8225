// A list that somebody reads stays as it is: what is known of its rows is told where they stand, and new ones wait behind a
// button until they are asked for or nobody reads any more. Otherwise a row would move away under the pointer that is
// about to click it, and a dialog that was opened from a row would go with it.

import { useEffect, useReducer, useRef } from "../app/preact.js";

/** Pointed at, with the focus in it, or, where it is longer than the window, scrolled into. */
const isRead = (element, isLong) =>
  element !== null && element !== undefined &&
  (element.matches(":hover") || element.contains(document.activeElement) || (isLong && element.getBoundingClientRect().top < 0));

/**
 * `data` is a page of a list, loaded again and again; `place` refers to its element.
 * Returns {data (what is to be shown), news (how many rows wait), isMore (at least so many), gone (ids of rows that are
 * in the list no longer), show(), wanted()}: after `wanted` the next data is shown whoever reads, since it was asked for.
 */
export function useCalm(data, place, { isLong = true } = {}) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const state = useRef({ fresh: null, shown: null, isWanted: false }).current;
  if (data !== state.fresh) {
    const keeps = data && state.shown && !state.isWanted && isRead(place.current, isLong);
    state.shown = keeps ? merged(state.shown, data) : data;
    state.fresh = data;
    state.isWanted = false;
  }
  const show = () => {
    state.shown = state.fresh;
    redraw();
  };
  const { news, isMore, gone } = difference(state.shown, state.fresh);
  const isBehind = news > 0 || gone.size > 0;
  useEffect(() => {
    if (!isBehind) return undefined;
    // Later: where the focus, or the pointer, goes to is known only then.
    const look = () => setTimeout(() => isRead(place.current, isLong) || show());
    const element = place.current;
    element.addEventListener("pointerleave", look);
    element.addEventListener("focusout", look);
    window.addEventListener("scroll", look, { passive: true });
    return () => {
      element.removeEventListener("pointerleave", look);
      element.removeEventListener("focusout", look);
      window.removeEventListener("scroll", look);
    };
  }, [isBehind]);
  return { data: state.shown, news, isMore, gone, show, wanted: () => (state.isWanted = true) };
}

function merged(shown, fresh) {
  const known = new Map(fresh.data.map((row) => [row.id, row]));
  return { ...shown, data: shown.data.map((row) => known.get(row.id) ?? row) };
}

/** Rows before the last that both have were added or taken out; those behind it are on the next page by now. */
function difference(shown, fresh) {
  if (!shown || shown === fresh) return { news: 0, isMore: false, gone: new Set() };
  const ids = { shown: shown.data.map(({ id }) => id), fresh: fresh.data.map(({ id }) => id) };
  const [isShown, isFresh] = [new Set(ids.shown), new Set(ids.fresh)];
  const lastShown = fresh.has_more ? ids.shown.findLastIndex((id) => isFresh.has(id)) : ids.shown.length - 1;
  const lastFresh = ids.fresh.findLastIndex((id) => isShown.has(id));
  const added = (lastFresh < 0 ? ids.fresh : ids.fresh.slice(0, lastFresh)).filter((id) => !isShown.has(id));
  return {
    news: added.length,
    isMore: lastFresh < 0 && fresh.has_more,
    gone: new Set(ids.shown.slice(0, lastShown + 1).filter((id) => !isFresh.has(id))),
  };
}
