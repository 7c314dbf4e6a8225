// What time it is: the service's, whose times the pages show. This computer's clock may be minutes off, and the day with
// it. Each answer says the time in its `Date`, to the second; the answers together say how far off we are, to less.
// For how long something takes, this computer's clock is good enough: that is `Date.now()`.

import { Store } from "./store.js";

const DATE_STEP_MS = 1000;

/** What is to be added to this computer's clock; it changes when it was seen to be wrong, and not by each answer. */
export const offset_ms = new Store(0);

/** Whether the service has told the time. */
export const told = new Store(false);

let least = -Infinity;
let most = Infinity;

export const now = () => Date.now() + offset_ms.value;

/** A moment of this computer's clock as one of the service's. */
export const ofService = (moment_ms) => moment_ms + offset_ms.value;

/** An answer was made between these two moments of this computer's clock. */
export function heard(date, sent_ms, received_ms) {
  const at = Date.parse(date);
  if (Number.isNaN(at)) return;
  const [low, high] = [at - received_ms, at + DATE_STEP_MS - sent_ms];
  // Where they contradict each other, one of the clocks was set in between.
  if (low > most || high < least) [least, most] = [low, high];
  else [least, most] = [Math.max(least, low), Math.min(most, high)];
  if (offset_ms.value < least || offset_ms.value > most) offset_ms.set(Math.round((least + most) / 2));
  told.set(true);
}
