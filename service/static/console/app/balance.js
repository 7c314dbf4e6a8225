// The signed-in seller's balance, live: loaded once, then carried on by every entry of its journal, which says the
// balances after it. `seq` keeps an older answer from overwriting a newer one.

import { createContext, html, useContext, useEffect, useState } from "./preact.js";
import { get } from "./api.js";
import { useLive } from "./live.js";
import { useResource } from "./resource.js";

const Balance = createContext(null);

export function BalanceProvider({ who, children }) {
  const [balance, setBalance] = useState(null);
  const newer = (next) => setBalance((now) => (now && now.seq > next.seq ? now : { ...now, ...next }));
  const { data } = useResource((signal) => get("/v1/balance", {}, { signal }), [who.token]);
  useEffect(() => data && newer(data), [data]);
  useLive((entries) => {
    const last = entries.at(-1);
    newer({ currency: last.currency, available: last.available_after, held: last.held_after, seq: last.seq });
  });
  // What this page itself did is known from its answer, before the stream tells it.
  const told = (charge) => newer({ ...charge.balance, currency: charge.currency, seq: charge.seq });
  return html`<${Balance.Provider} value=${balance && { ...balance, told }}>${children}</${Balance.Provider}>`;
}

/** {currency, available, held, credit_limit, seq, told(charge)}; null until it is known. */
export const useBalance = () => useContext(Balance);
