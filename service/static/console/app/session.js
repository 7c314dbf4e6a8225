// Who is signed in. The token lives in memory and in this tab's session storage, so that a reload keeps it and closing
// the tab forgets it; it is never put into an address or into local storage.

import { Store } from "./store.js";

const KEPT_AS = "charge-shop.session";

/** null, or {token, expires_at, role, seller_id, id, username, seller} (seller: the Seller object, for sellers) */
export const session = new Store(kept());
/** Why the sign-in page is shown, when it was not the person's own wish. */
export const endedBecause = new Store(null);

export function begin(value) {
  endedBecause.set(null);
  keep(value);
  session.set(value);
}

export function end(reason = null) {
  keep(null);
  endedBecause.set(reason);
  session.set(null);
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT_AS));
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    if (value) sessionStorage.setItem(KEPT_AS, JSON.stringify(value));
    else sessionStorage.removeItem(KEPT_AS);
  } catch {
    // Storage is refused: the token lives in memory only.
  }
}
