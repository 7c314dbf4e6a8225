// What stands where data will be, or is not: skeletons, empty states, problems; and badges for what there is.

import { html } from "../app/preact.js";
import { explain } from "../app/problems.js";
import { Button } from "./controls.js";
import { Icon } from "./icon.js";

export function Skeleton({ lines = 5, kind = "rows" }) {
  return html`<div class="skeleton ${kind}" aria-hidden="true">${Array.from({ length: lines }, (_, index) => html`<i key=${index}></i>`)}</div>
    <p class="unseen" role="status">Loading…</p>`;
}

export function Empty({ icon = "inbox", title, children, action }) {
  return html`<div class="empty"><span class="empty-icon"><${Icon} name=${icon} size="24" /></span>
    <p class="empty-title">${title}</p>${children && html`<p>${children}</p>`}${action}</div>`;
}

/** A fault that is in the way: of a form, or of a whole page (then with a button). */
export function Trouble({ fault, context, retry }) {
  if (!fault) return null;
  return html`<div class="notice danger" role="alert"><${Icon} name="circle-x" />
    <p>${explain(fault, context)}</p>${retry && html`<${Button} icon="refresh-cw" onClick=${retry}>Try again</${Button}>`}</div>`;
}

export function Notice({ kind = "info", icon = "info", children }) {
  return html`<div class="notice ${kind}"><${Icon} name=${icon} /><div>${children}</div></div>`;
}

/** Of filters, which nothing is marked at. */
const ASKED = { isForm: false };

/** Asked again, these are answered alike. */
const LASTING = new Set([403, 404, 422]);

/** One of: loading, a problem, or the data through `children(data)`. */
export function Loaded({ resource, lines, kind, children }) {
  const retry = LASTING.has(resource.fault?.status) ? null : resource.reload;
  const trouble = html`<${Trouble} fault=${resource.fault} context=${ASKED} retry=${retry} />`;
  if (resource.data !== null) return html`${trouble}${children(resource.data)}`;
  if (resource.fault) return trouble;
  return html`<${Skeleton} lines=${lines} kind=${kind} />`;
}

const TONES = {
  completed: "good", approved: "good", active: "good", passed: "good", credit: "good", reinstated: "good",
  pending: "wait", hold: "wait", running: "wait", credit_requested: "wait", credit_endorsed: "wait", partially_refunded: "wait",
  failed: "bad", declined: "bad", rejected: "bad", suspended: "bad", disabled: "bad", credit_rejected: "bad",
};
const WORDS = {
  partially_refunded: "Partly refunded", credit_requested: "Credit requested", credit_endorsed: "First approval", credit_rejected: "Credit rejected",
  credit_cancelled: "Request cancelled", limit_changed: "Limit changed", failed: "Declined",
};

export const word = (name) => WORDS[name] || name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export function Badge({ name, label = word(name) }) {
  return html`<span class="badge ${TONES[name] || "calm"}">${label}</span>`;
}
