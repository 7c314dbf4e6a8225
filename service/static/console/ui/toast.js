// Short news about what was just done, said aloud by screen readers, gone after a while unless pointed at.

import { html } from "../app/preact.js";
import { session } from "../app/session.js";
import { Store, useStore } from "../app/store.js";
import { Icon } from "./icon.js";

const SHOWN_MS = 5000;
const SHOWN_MAX = 3;

const toasts = new Store([]);
let count = 0;

const timers = new Map();

// It is news for whoever was signed in, and for nobody who signs in after.
session.watch(() => toasts.value.forEach(({ id }) => dismiss(id)));

export function toast(text, kind = "good") {
  if (!session.value) return;
  const id = ++count;
  toasts.set([...toasts.value, { id, text, kind }].slice(-SHOWN_MAX));
  leaveLater(id);
}

function leaveLater(id) {
  stay(id);
  timers.set(id, setTimeout(() => dismiss(id), SHOWN_MS));
}

function stay(id) {
  clearTimeout(timers.get(id));
}

function dismiss(id) {
  stay(id);
  timers.delete(id);
  toasts.set(toasts.value.filter((one) => one.id !== id));
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${useStore(toasts).map(({ id, text, kind }) => html`<div key=${id} class="toast ${kind}"
      onMouseEnter=${() => stay(id)} onMouseLeave=${() => leaveLater(id)} onFocusIn=${() => stay(id)} onFocusOut=${() => leaveLater(id)}>
      <${Icon} name=${kind === "good" ? "circle-check" : "info"} /><span>${text}</span>
      <button type="button" class="icon-button small" aria-label="Dismiss" onClick=${() => dismiss(id)}><${Icon} name="x" size="14" /></button>
    </div>`)}
  </div>`;
}
