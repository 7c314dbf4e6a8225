// Today's figures of the whole shop: the summary since midnight, then every live entry on top.
//
// An entry counts once: the summary says up to which position it speaks, and only later entries are added to it.
//
// The summary names the best sellers only. Of the others it is not known what they sold before they are heard of live, so
// they have no rank until it is asked for again.

import { get } from "../app/api.js";
import { decimalsOf, fromMinor, toMinor } from "../app/money.js";

const BEST = 6;
const NAMED_MAX = 20; // best sellers in a summary
const PAUSE_MIN_MS = 1000;
const PAUSE_SHARE = 20; // of the time that the last load took: so much longer is waited before one for the sake of ranks
const SUMMARY_TIMEOUT_MS = 60000; // of a million sellers it takes some ten seconds

export class Today {
  constructor() {
    this.position = null; // of the last entry that is counted
    this.since_ms = 0;
    // code -> {decimals, outstanding, sold, refunded, counts, soldBy: seller's id -> sold, others: the same of those whose rank
    // is not known, sold at least, least: what they had sold at most}
    this.currencies = new Map();
    this.later = null; // live entries, while a summary is being loaded that may not know them
    this.ranksDue_ms = 0;
  }

  /** Entries that arrive meanwhile are kept and added afterwards. Not those of before: it knows them, or a journal that was
   * restored does not have them any more. */
  async load(since, signal) {
    const later = (this.later = []);
    const begun_ms = Date.now();
    try {
      this.#begin(since, await get("/v1/summary", { from: since }, { signal, timeout_ms: SUMMARY_TIMEOUT_MS }));
      later.forEach((entry) => this.#count(entry));
    } finally {
      if (this.later === later) this.later = null;
      this.ranksDue_ms = Date.now() + Math.max(PAUSE_MIN_MS, PAUSE_SHARE * (Date.now() - begun_ms));
    }
  }

  #begin(since, { position, currencies }) {
    this.since_ms = Date.parse(since);
    this.currencies = new Map(currencies.map((sums) => [sums.currency, {
      decimals: decimalsOf(sums.held),
      outstanding: toMinor(sums.available) + toMinor(sums.held),
      sold: toMinor(sums.sold),
      refunded: toMinor(sums.refunded),
      counts: Object.fromEntries(Object.entries(sums.totals).map(([type, { count }]) => [type, count])),
      soldBy: new Map(sums.best_sellers.map(({ seller_id, sold }) => [seller_id, toMinor(sold)])),
      others: new Map(),
      least: sums.best_sellers.length < NAMED_MAX ? 0n : toMinor(sums.best_sellers.at(-1).sold),
    }]));
    this.position = position;
  }

  tell(entries) {
    this.later?.push(...entries);
    if (this.position !== null) entries.forEach((entry) => this.#count(entry));
  }

  #count(entry) {
    if (entry.position <= this.position) return;
    this.position = entry.position;
    const [amount, held] = [toMinor(entry.amount), toMinor(entry.held_change)];
    const sums = this.#sums(entry);
    sums.outstanding += amount + held;
    if (Date.parse(entry.created_at) < this.since_ms) return; // written after midnight, but made before
    sums.counts[entry.type] = (sums.counts[entry.type] || 0) + 1;
    if (entry.type === "refund") sums.refunded += amount;
    const sold = entry.type === "charge" ? -amount : entry.type === "capture" ? -held : 0n;
    if (!sold) return;
    sums.sold += sold;
    const soldBy = sums.least && !sums.soldBy.has(entry.seller_id) ? sums.others : sums.soldBy;
    soldBy.set(entry.seller_id, (soldBy.get(entry.seller_id) ?? 0n) + sold);
  }

  /** Whether a seller may be among the best by now of whom that is not known, and it is time to ask. */
  isBehind() {
    if (Date.now() < this.ranksDue_ms) return false;
    const [main] = this.currencies.values();
    if (!main?.others.size) return false;
    const lastShown = ranked(main.soldBy)[BEST - 1][1];
    return [...main.others.values()].some((sold) => main.least + sold > lastShown);
  }

  #sums({ currency, held_after }) {
    if (!this.currencies.has(currency)) {
      const decimals = decimalsOf(held_after);
      this.currencies.set(currency, { decimals, outstanding: 0n, sold: 0n, refunded: 0n, counts: {}, soldBy: new Map(), others: new Map(), least: 0n });
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
    const best = ranked(main?.soldBy ?? []).slice(0, BEST)
      .map(([id, sold]) => ({ id, currency: currencies[0].currency, sold: fromMinor(sold, main.decimals), size: Number(sold) }));
    return { counts, currencies, best };
  }
}

const ranked = (soldBy) => [...soldBy].sort((a, b) => (b[1] > a[1] ? 1 : -1));
