// Money on the page: in the currency's format, negative amounts said in colour and sign.

import { html } from "../app/preact.js";
import { isNegative, isZero } from "../app/money.js";
import { money } from "../app/format.js";

/** An amount that may be broken is broken between currency and number first: in its digits it would read as a smaller one. */
export const breakable = (text) => text.replace(/(?<=\D)\u00a0|\u00a0(?=\D)/g, " ");

export function Amount({ value, currency, isSigned, className = "" }) {
  const tone = isSigned && !isZero(value) ? (isNegative(value) ? "minus" : "plus") : isNegative(value) ? "minus" : "";
  return html`<span class="amount ${tone} ${className}" dir="ltr">${money(value, currency, { sign: isSigned ? "exceptZero" : "auto" })}</span>`;
}

/** From so many characters on a figure is set smaller, and may break wherever it stands. */
const LONG = 15;

/** A big figure with its small cents, so that the eye finds the size of it first. */
export function Figure({ value, currency }) {
  const text = breakable(money(value, currency));
  const match = /^(.*\d)([.,]\d{2,4})(\D*)$/.exec(text);
  const hasDecimals = value.includes(".");
  return html`<span class="figure ${isNegative(value) ? "minus" : ""} ${text.length > LONG ? "long" : ""}" dir="ltr">${match && hasDecimals
    ? html`${match[1]}<span class="cents">${match[2]}</span>${match[3]}`
    : text}</span>`;
}
