// Whether this page is in sight: what only asks how far something is, asks nothing while nobody can see the answer.

import { Store } from "./store.js";

export const inSight = new Store(!document.hidden);
document.addEventListener("visibilitychange", () => inSight.set(!document.hidden));

/** Resolves when it is in sight; at once while it is. */
export const whenInSight = () => inSight.until(Boolean);
