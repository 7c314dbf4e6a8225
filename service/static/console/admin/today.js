// Today's figures of the whole shop: each seller's statement since midnight, then every live entry on top.
//
// An entry counts once: a statement says up to which moment it speaks, and only later entries are added to it.

import { get } from "../app/api.js";
import { decimalsOf, fromMinor, toMinor } from "../app/money.js";
import { remember } from "../ui/seller.js";

const SELLERS_MAX = 500;
const AT_ONCE = 6;
const KEPT_MAX = 20000;

export class Today {
  constructor() {
    this.sellers = new Map(); // id -> {seller, available, held, seq, sold, refunded, counts, to}
    this.later = []; // live entries, in case a statement that is being loaded does not know them
    this.isPartial = false;
  }

  /** Loads everything; entries that arrive meanwhile are kept and added afterwards. */
  async load(since, signal) {
    const found = [];
    for (let cursor = null; ; ) {
      const page = await get("/v1/sellers", { limit: 100, cursor }, { signal });
      found.push(...page.data);
      cursor = page.next_cursor;
      this.isPartial = page.has_more && found.length >= SELLERS_MAX;
      if (!page.has_more || this.isPartial) break;
    }
    found.forEach(remember);
    const queue = [...found];
    const loaded = new Map();
    const work = async () => {
      for (let seller = queue.pop(); seller; seller = queue.pop()) loaded.set(seller.id, await accountOf(seller, since, signal));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.sellers = loaded;
    this.later.forEach((entry) => this.#count(entry));
  }

  tell(entries) {
    this.later = this.later.concat(entries).slice(-KEPT_MAX);
    entries.forEach((entry) => this.#count(entry));
  }

  #count(entry) {
    const account = this.sellers.get(entry.seller_id);
    if (!account || entry.created_at < account.to || entry.seq <= account.seq) return;
    Object.assign(account, { available: toMinor(entry.available_after), held: toMinor(entry.held_after), seq: entry.seq });
    account.counts[entry.type] = (account.counts[entry.type] || 0) + 1;
    if (entry.type === "charge") account.sold -= toMinor(entry.amount);
    if (entry.type === "capture") account.sold -= toMinor(entry.held_change);
    if (entry.type === "refund") account.refunded += toMinor(entry.amount);
  }

  /** {currencies: [{currency, sold, refunded, outstanding}] (most sellers first), counts, best: [{seller, sold}]} */
  figures() {
    const currencies = new Map();
    const counts = {};
    for (const { seller, sold, refunded, available, held, counts: own } of this.sellers.values()) {
      const sums = currencies.get(seller.currency) ?? { sellers: 0, decimals: decimalsOf(seller.balance.held), sold: 0n, refunded: 0n, outstanding: 0n };
      sums.sellers++;
      sums.sold += sold;
      sums.refunded += refunded;
      sums.outstanding += available + held;
      currencies.set(seller.currency, sums);
      for (const [type, count] of Object.entries(own)) counts[type] = (counts[type] || 0) + count;
    }
    const ordered = [...currencies].sort((a, b) => b[1].sellers - a[1].sellers);
    const main = ordered[0]?.[0];
    const best = [...this.sellers.values()].filter(({ seller, sold }) => seller.currency === main && sold > 0n);
    return {
      counts,
      currencies: ordered.map(([currency, { decimals, sold, refunded, outstanding }]) => ({
        currency, sold: fromMinor(sold, decimals), refunded: fromMinor(refunded, decimals), outstanding: fromMinor(outstanding, decimals),
      })),
      best: best.sort((a, b) => (b.sold > a.sold ? 1 : -1)).slice(0, 6)
        .map(({ seller, sold }) => ({ seller, sold: fromMinor(sold, decimalsOf(seller.balance.held)), size: Number(sold) })),
    };
  }
}

const MOVES_HELD = ["hold", "capture", "void", "expiry"];

async function accountOf(seller, since, signal) {
  const statement = await get("/v1/statement", { seller_id: seller.id, from: since }, { signal });
  const { totals, to } = statement;
  const amount = (type) => toMinor(totals[type]?.amount ?? "0");
  const isMoved = MOVES_HELD.some((type) => totals[type]);
  const heldAt = async (time) => toMinor((await get("/v1/balance", { seller_id: seller.id, at: justBefore(time) }, { signal })).held);
  const [before, held] = isMoved ? await Promise.all([heldAt(since), heldAt(to)]) : [0n, toMinor(seller.balance.held)];
  // A statement speaks of available credit, which a capture leaves as it is: captured is what was held and is held no more,
  // but for what was given back.
  const captured = isMoved ? before - held - amount("hold") - amount("void") - amount("expiry") : 0n;
  return {
    seller, to, seq: 0, held,
    available: toMinor(statement.closing_balance),
    sold: captured - amount("charge"),
    refunded: amount("refund"),
    counts: Object.fromEntries(Object.entries(totals).map(([type, { count }]) => [type, count])),
  };
}

/** A microsecond earlier, as text: a statement ends before its end, a balance includes the moment that it is of. */
function justBefore(time) {
  const parts = /^(.*?)(?:\.(\d+))?Z$/.exec(time);
  const us = BigInt(Date.parse(`${parts[1]}Z`)) * 1000n + BigInt((parts[2] ?? "").padEnd(6, "0")) - 1n;
  return new Date(Number(us / 1000n)).toISOString().replace("Z", `${String(us % 1000n).padStart(3, "0")}Z`);
}
