// The one importer of Preact and htm, with what the pinned file lacks.

import { useState } from "../vendor/htm-preact-3.1.1.js";

export * from "../vendor/htm-preact-3.1.1.js";

let count = 0;

/** An id that is unique on the page and stays with the component. */
export function useId() {
  return useState(() => `id-${++count}`)[0];
}
