// The amounts that a seller sells most, to be chosen with one click: five dollars are usual, five yen are not.

import { useEffect, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { toMinor, withDecimals } from "../app/money.js";

const SHOWN = 4;
const READ = 100;
const FIRST = ["5", "10", "20", "50"];
/** Of a currency without decimals, whose unit is small. */
const FIRST_WITHOUT_DECIMALS = ["500", "1000", "2000", "5000"];

/** By seller, as long as the page lives: a button that a hand has learnt must not be another one after each sale. */
const known = new Map();

/** Up to four, from small to large; none until they are known. */
export function useUsual(who, decimals) {
  const [usual, setUsual] = useState(known.get(who.id) ?? []);
  useEffect(() => {
    if (known.has(who.id)) return;
    const choose = (sold) => {
      known.set(who.id, mostSold(sold, decimals));
      setUsual(known.get(who.id));
    };
    get("/v1/charges", { limit: READ }).then(({ data }) => choose(data.filter(({ status }) => status !== "failed")), () => setUsual(mostSold([], decimals)));
  }, [who.id]);
  return usual;
}

function mostSold(charges, decimals) {
  const counts = new Map();
  for (const { amount } of charges) {
    const text = amount.replace(/\.0+$/, "");
    counts.set(text, (counts.get(text) || 0) + 1);
  }
  const often = [...counts].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  const size = (text) => toMinor(withDecimals(text, decimals));
  const chosen = [...new Set([...often, ...(decimals ? FIRST : FIRST_WITHOUT_DECIMALS)])].slice(0, SHOWN);
  return chosen.sort((a, b) => (size(a) < size(b) ? -1 : 1));
}
