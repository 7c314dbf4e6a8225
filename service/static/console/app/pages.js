// Which page stands at which address, and what the navigation offers, by role.
//
// Adding a page: 1. its component; 2. its row here. A row with `icon` is in the navigation.

import { Overview } from "../admin/overview.js";
import { Requests } from "../admin/requests.js";
import { Sellers } from "../admin/sellers.js";
import { SellerPage } from "../admin/seller.js";
import { Verification } from "../admin/verification.js";
import { TrialBalance } from "../admin/trial_balance.js";
import { Admins } from "../admin/admins.js";
import { Account } from "../pages/account.js";
import { Charges } from "../pages/charges.js";
import { ChargePage } from "../pages/charge.js";
import { Transactions } from "../pages/transactions.js";
import { TransactionPage } from "../pages/transaction.js";
import { Sell } from "../seller/sell.js";
import { Holds } from "../seller/holds.js";
import { Credit } from "../seller/credit.js";
import { StatementPage } from "../seller/statement.js";
import { ApiKeys } from "../seller/api_keys.js";

const SHARED = [
  { path: "/charges/:id", page: ChargePage, under: "/charges" },
  { path: "/transactions/:id", page: TransactionPage, under: "/transactions" },
  { path: "/account", page: Account },
];

export const PAGES = {
  admin: [
    { path: "/", page: Overview, name: "Overview", icon: "layout-dashboard", isFirst: true },
    { path: "/requests", page: Requests, name: "Credit requests", short: "Requests", icon: "inbox", isFirst: true },
    { path: "/sellers", page: Sellers, name: "Sellers", icon: "users", isFirst: true },
    { path: "/sellers/:id", page: SellerPage, under: "/sellers" },
    { path: "/charges", page: Charges, name: "Charges", icon: "smartphone", isFirst: true },
    { path: "/transactions", page: Transactions, name: "Transactions", icon: "list-tree" },
    { path: "/verification", page: Verification, name: "Verification", icon: "shield-check", group: "Audit" },
    { path: "/trial-balance", page: TrialBalance, name: "Trial balance", icon: "scale", group: "Audit" },
    { path: "/admins", page: Admins, name: "Admins", icon: "user-cog", group: "Audit" },
    ...SHARED,
  ],
  seller: [
    { path: "/", page: Sell, name: "Sell", icon: "zap", isFirst: true },
    { path: "/holds", page: Holds, name: "Holds", icon: "hourglass", isFirst: true },
    { path: "/charges", page: Charges, name: "History", icon: "scroll-text", isFirst: true },
    { path: "/credit", page: Credit, name: "Credit", icon: "wallet", isFirst: true },
    { path: "/statement", page: StatementPage, name: "Statement", icon: "file-text" },
    { path: "/transactions", page: Transactions, name: "Journal", icon: "list-tree" },
    { path: "/api-keys", page: ApiKeys, name: "API keys", icon: "key-round", group: "Settings" },
    ...SHARED,
  ],
};

/** {row, id} of the page at the address; undefined where there is none. */
export function pageAt(role, parts) {
  for (const row of PAGES[role]) {
    const names = row.path.split("/").filter(Boolean);
    if (names.length !== parts.length) continue;
    if (names.every((name, index) => name === ":id" || name === parts[index])) return { row, id: parts[names.indexOf(":id")] };
  }
  return undefined;
}
