// The signed-in seller's balance, live: loaded once, then carried on by every entry of its journal, which says the
// balances after it. `seq` keeps an older answer from overwriting a newer one. And what an admin may change meanwhile.

import { createContext, html, useContext, useEffect, useState } from "./preact.js";
import { get } from "./api.js";
import { useLive } from "./live.js";
import { useResource } from "./resource.js";

export const CHANGES_SELLER = new Set(["suspended", "reinstated", "limit_changed"]);

const Balance = createContext(null);

export function BalanceProvider({ who, children }) {
  const [balance, setBalance] = useState(null);
  const newer = (next) => setBalance((now) => (now && now.seq > next.seq ? now : { ...now, ...next }));
  const { data } = useResource((signal) => get("/v1/balance", {}, { signal }), [who.token]);
  useEffect(() => data && newer(data), [data]);
  const { data: seller } = useResource((signal) => get(`/v1/sellers/${who.seller_id}`, {}, { signal }), [who.token], {
    isAbout: ({ type }) => CHANGES_SELLER.has(type),
  });
  const { credit_limit, status } = seller ?? who.seller;
  useLive((entries) => {
    const last = entries.at(-1);
    newer({ currency: last.currency, available: last.available_after, held: last.held_after, seq: last.seq });
  });
  // What this page itself did is known from its answer, before the stream tells it.
  const told = (charge) => newer({ ...charge.balance, currency: charge.currency, seq: charge.seq });
  return html`<${Balance.Provider} value=${balance && { ...balance, credit_limit, isSuspended: status === "suspended", told }}>${children}</${Balance.Provider}>`;
}

/** {currency, available, held, credit_limit, seq, isSuspended, told(charge)}; null until it is known. */
export const useBalance = () => useContext(Balance);
