// Who is signed in. The token lives in memory and in this tab's session storage, so that a reload keeps it and closing
// the tab forgets it; it is never put into an address or into local storage. Other tabs may share it: see tabs.js.

import { Store } from "./store.js";

const KEPT_AS = "charge-shop.session";

/** null, or {token, expires_at, role, seller_id, id, username, seller} (seller: the Seller object, for sellers) */
export const session = new Store(kept());
/** Why the sign-in page is shown, when it was not the person's own wish in this tab: "expired" or "elsewhere". */
export const endedBecause = new Store(null);
/** Whether nobody was ever signed in at this tab: only then it may go on with the session of another. */
export const isFresh = textKept() === null;

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
  return JSON.parse(textKept());
}

/** null where nobody ever signed in; "null" where somebody was. */
function textKept() {
  try {
    return sessionStorage.getItem(KEPT_AS);
  } catch {
    return "null";
  }
}

function keep(value) {
  try {
    sessionStorage.setItem(KEPT_AS, JSON.stringify(value));
  } catch {
    // Storage is refused: the token lives in memory only.
  }
}
