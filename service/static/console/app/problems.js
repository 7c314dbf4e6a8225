// Errors in words that a person can act on. Codes are the contract's; what the service says itself is used where it
// knows more than we do (a detail about this very request).

import { LostAnswer, Problem } from "./api.js";
import { money } from "./format.js";
import { decimalsOf, plus, withDecimals } from "./money.js";

const WORDS = {
  insufficient_credit: (problem, { currency, credit_limit = "0" } = {}) =>
    problem.available && currency
      ? `Only ${money(plus(problem.available, withDecimals(credit_limit, decimalsOf(problem.available))), currency)} is available. Choose a smaller amount or request credit.`
      : "There is not enough credit for this. Choose a smaller amount or request credit.",
  forbidden: () => "Your account may not do this. Ask an admin if you think it should.",
  seller_suspended: () => "This account is suspended. It can be read, and open holds can be ended. Ask an admin to reinstate it.",
  not_found: () => "This does not exist, or belongs to somebody else. Check the address or the id.",
  username_taken: () => "Somebody already has this username. Choose another one.",
  already_decided: () => "Somebody decided this request in the meantime. The list shows what they decided.",
  not_pending: () => "This hold is not open any more: it was captured, voided or it expired.",
  refund_exceeds_charge: () => "That is more than is left to refund on this charge.",
  limit_in_use: () => "The seller already uses more credit than this limit allows. Choose a higher limit, or wait until it is paid back.",
  too_many_pending: () => "100 requests are waiting for a decision already. Cancel one, or wait.",
  second_admin_needed: () => "This amount needs a second admin. Ask a colleague to approve it too.",
  last_admin: () => "This is the last active admin. Add or enable another one first.",
  validation_failed: (problem, { isForm = true } = {}) => {
    if (!problem.errors.length) return problem.detail;
    if (isForm) return "Check what is marked below.";
    return problem.errors.map(({ field, message }) => `${field.replaceAll("_", " ")}: ${message}`).join(" ");
  },
  idempotency_key_reused: () => "This was already sent with other content. Start again from an empty form.",
  rate_limited: () => "Too much at once. Wait a moment and try again.",
  too_many_attempts: (problem) => `Too many attempts to sign in. Wait ${waiting(problem.retryAfter_s)} and try again.`,
  overloaded: () => "The service is very busy, and nothing was changed. Try again in a moment.",
  journal_unavailable: () => "The journal cannot be reached, and nothing was changed. Try again in a moment.",
  standby: () => "The service is starting, and nothing was changed. Try again in a moment.",
  draining: () => "The service is restarting, and nothing was changed. Try again in a moment.",
  not_applied: () => "This was not carried out, and nothing was changed. Try again.",
  outcome_unknown: () => "It is not known yet whether this was carried out. Try again: it will not happen twice.",
};

export function explain(fault, context) {
  if (fault instanceof Problem) {
    if (fault.status === 401) return context?.isSignIn ? "The username or the password is not right." : "Your session has ended. Sign in again.";
    const words = WORDS[fault.code];
    if (words) return words(fault, context);
    return `Something went wrong in the service. Try again; if it stays, tell your operator this number: ${fault.requestId || "none"}.`;
  }
  if (fault instanceof LostAnswer) return "The service did not answer. Try again when it is back.";
  console.error(fault);
  return "Something went wrong on this page. Reload it.";
}

/** {field: message} of a 422; nested fields under their first name. */
export function fieldErrors(fault) {
  if (!(fault instanceof Problem)) return {};
  const found = {};
  for (const { field, message } of fault.errors) found[field.split(".")[0]] ??= message;
  return found;
}

function waiting(seconds) {
  if (!seconds) return "a minute";
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
