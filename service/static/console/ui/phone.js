// Phone numbers in groups, so that they can be read back. Each country groups its numbers in its own way, or in several,
// which only large tables know; so behind the country's code, whose length is known, all are grouped alike.

import { html } from "../app/preact.js";

/** Codes of one and of two digits; all others have three (ITU-T E.164, list of assigned codes). */
const CODE = /^\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9]..)/;

/** "+15550100001" as ["+1", "555", "010", "0001"]: threes, but no digit stands alone. */
function groups(number) {
  const code = /^\+[0-9]{6,15}$/.test(number) && CODE.exec(number)?.[0];
  return code ? [code, ...number.slice(code.length).match(/.{3}(?!.$)|.+/g)] : [number];
}

/** The groups stand apart on the page and on paper only: as text, to be copied or searched for, it is the number as it is. */
export function Phone({ number }) {
  return html`<span class="phone" dir="ltr">${groups(number).map((group) => html`<span>${group}</span>`)}</span>`;
}
