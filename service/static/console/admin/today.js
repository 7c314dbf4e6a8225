// Today's figures of the whole shop: the summary since midnight, then every live entry on top.
//
// An entry counts once: the summary says up to which position it speaks, and only later entries are added to it.

import { get } from "../app/api.js";
import { decimalsOf, fromMinor, toMinor } from "../app/money.js";

const BEST = 6;
const KEPT_MAX = 20000;
const SUMMARY_TIMEOUT_MS = 60000; // of a million sellers it takes some ten seconds

export class Today {
  constructor() {
    this.position = null; // of the last entry that is counted
    this.currencies = new Map(); // code -> {decimals, outstanding, sold, refunded, counts, soldBy: seller's id -> sold}
    this.later = []; // live entries, in case a summary that is being loaded does not know them
  }

  /** Entries that arrive meanwhile are kept and added afterwards. */
  async load(since, signal) {
    const { position, currencies } = await get("/v1/summary", { from: since }, { signal, timeout_ms: SUMMARY_TIMEOUT_MS });
    this.currencies = new Map(currencies.map((sums) => [sums.currency, {
      decimals: decimalsOf(sums.held),
      outstanding: toMinor(sums.available) + toMinor(sums.held),
      sold: toMinor(sums.sold),
      refunded: toMinor(sums.refunded),
      counts: Object.fromEntries(Object.entries(sums.totals).map(([type, { count }]) => [type, count])),
      soldBy: new Map(sums.best_sellers.map(({ seller_id, sold }) => [seller_id, toMinor(sold)])),
    }]));
    this.position = position;
    this.later.forEach((entry) => this.#count(entry));
  }

  tell(entries) {
    this.later = this.later.concat(entries).slice(-KEPT_MAX);
    if (this.position !== null) entries.forEach((entry) => this.#count(entry));
  }

  #count(entry) {
    if (entry.position <= this.position) return;
    this.position = entry.position;
    const [amount, held] = [toMinor(entry.amount), toMinor(entry.held_change)];
    const sums = this.#sums(entry);
    sums.outstanding += amount + held;
    sums.counts[entry.type] = (sums.counts[entry.type] || 0) + 1;
    if (entry.type === "refund") sums.refunded += amount;
    const sold = entry.type === "charge" ? -amount : entry.type === "capture" ? -held : 0n;
    if (!sold) return;
    sums.sold += sold;
    sums.soldBy.set(entry.seller_id, (sums.soldBy.get(entry.seller_id) ?? 0n) + sold);
  }

  #sums({ currency, held_after }) {
    if (!this.currencies.has(currency)) {
      const decimals = decimalsOf(held_after);
      this.currencies.set(currency, { decimals, outstanding: 0n, sold: 0n, refunded: 0n, counts: {}, soldBy: new Map() });
    }
    return this.currencies.get(currency);
  }

  /** {currencies: [{currency, sold, refunded, outstanding}] (most sellers first), counts, best: [{id, sold, size}], currency of the best} */
  figures() {
    const counts = {};
    for (const sums of this.currencies.values()) {
      for (const [type, count] of Object.entries(sums.counts)) counts[type] = (counts[type] || 0) + count;
    }
    const currencies = [...this.currencies].map(([currency, { decimals, sold, refunded, outstanding }]) => ({
      currency, sold: fromMinor(sold, decimals), refunded: fromMinor(refunded, decimals), outstanding: fromMinor(outstanding, decimals),
    }));
    const [main] = this.currencies.values();
    const best = [...(main?.soldBy ?? [])].sort((a, b) => (b[1] > a[1] ? 1 : -1)).slice(0, BEST)
      .map(([id, sold]) => ({ id, currency: currencies[0].currency, sold: fromMinor(sold, main.decimals), size: Number(sold) }));
    return { counts, currencies, best };
  }
}
