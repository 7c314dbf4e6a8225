// Money as integers: the API's decimal texts to minor units in a BigInt and back. No float is ever computed with.

const GRAMMAR = /^(0|[1-9][0-9]{0,12})(\.[0-9]+)?$/;

export const decimalsOf = (text) => (text.split(".")[1] || "").length;

export const toMinor = (text) => BigInt(text.replace(".", ""));

export function fromMinor(minor, decimals) {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, "0");
  const sign = minor < 0n ? "-" : "";
  return sign + (decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits);
}

export const isNegative = (text) => text.startsWith("-") && toMinor(text) !== 0n;
export const isZero = (text) => toMinor(text) === 0n;
export const negated = (text) => fromMinor(-toMinor(text), decimalsOf(text));

export function sum(texts, decimals) {
  return fromMinor(texts.reduce((total, text) => total + toMinor(text), 0n), decimals);
}

/** "5" as "5.00": texts of the same decimals compare and add as minor units. */
export function withDecimals(text, decimals) {
  const missing = decimals - decimalsOf(text);
  if (missing <= 0) return text;
  return (text.includes(".") ? text : `${text}.`) + "0".repeat(missing);
}

/** Adds two texts of one currency. */
export const plus = (a, b) => sum([a, b], decimalsOf(a));

/** Digits as other keyboards type them (Arabic, Persian, full-width), and the signs between them. */
export const inLatin = (text) =>
  text.replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, (digit) => digit.charCodeAt(0) & 15).replaceAll("\u066b", ".").replaceAll("\u066c", ",");

/** What a person typed, as the API takes it: {text} or {error}. A comma alone is taken for the decimal point. */
export function readAmount(typed, decimals, { mayBeZero = false } = {}) {
  let text = inLatin(typed).trim().replace(/[\s\u00a0\u202f']/g, "");
  if (/^[0-9]+,[0-9]+$/.test(text) && !(decimals < 3 && /,[0-9]{3}$/.test(text))) text = text.replace(",", ".");
  else if (/^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$/.test(text)) text = text.replaceAll(",", "");
  if (!text) return { error: "Enter an amount." };
  if (/^[0-9]{14,}(\.[0-9]*)?$/.test(text)) return { error: "Use at most 13 digits before the point." };
  if (!GRAMMAR.test(text)) return { error: `Enter an amount like ${decimals ? "25." + "0".repeat(decimals) : "25"}.` };
  if (decimalsOf(text) > decimals) {
    return { error: decimals ? `Use at most ${decimals} decimals.` : "This currency has no decimals." };
  }
  if (!mayBeZero && toMinor(text) === 0n) return { error: "Enter more than zero." };
  return { text };
}
