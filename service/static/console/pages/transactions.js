// The journal, entry by entry, newest first.

import { html } from "../app/preact.js";
import { href, place, setQuery } from "../app/router.js";
import { useStore } from "../app/store.js";
import { Amount } from "../ui/amount.js";
import { Button, Field } from "../ui/controls.js";
import { CsvButton } from "../ui/csv_button.js";
import { Ago } from "../ui/moment.js";
import { Filters, Page } from "../ui/page.js";
import { instants, PeriodFields } from "../ui/period.js";
import { SellerLink, SellerPicker } from "../ui/seller.js";
import { Badge, Empty, word } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";

export const TYPES = [
  "charge", "declined", "hold", "capture", "void", "expiry", "refund", "credit_requested", "credit_endorsed", "credit", "credit_rejected",
  "credit_cancelled", "adjustment", "opened", "suspended", "reinstated", "limit_changed",
];

export const transactionColumns = (isAdmin) => [
  { name: "Entry", isMain: true, cell: (entry) => html`<a class="row-link" href=${href(`/transactions/${entry.id}`)}><${Badge} name=${entry.type} /></a>` },
  ...(isAdmin ? [{ name: "Seller", cell: ({ seller_id }) => html`<${SellerLink} id=${seller_id} />` }] : []),
  { name: "No.", isEnd: true, isQuiet: true, cell: ({ seq }) => html`<span class="number">${seq}</span>` },
  { name: "When", cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
  { name: "From → to", isQuiet: true, cell: (entry) => html`<${Flow} entry=${entry} />` },
  { name: "Amount", isEnd: true, isTop: true, cell: (entry) => html`<${Effect} entry=${entry} />` },
  { name: "Available after", isEnd: true, isQuiet: true, cell: ({ available_after, currency }) => html`<${Amount} value=${available_after} currency=${currency} />` },
];

export function Flow({ entry }) {
  if (!entry.debit_account) return html`<span class="flow faint">nothing moves</span>`;
  return html`<span class="flow">${entry.debit_account} <span aria-label="to">→</span> ${entry.credit_account}</span>`;
}

/** The effect on available credit; of what moves held credit only, that; of what moves nothing, the amount it speaks of. */
export function Effect({ entry }) {
  if (!entry.debit_account) {
    const said = entry.details.amount ?? entry.details.credit_limit;
    return html`<span class="faint">${said ? html`<${Amount} value=${said} currency=${entry.currency} />` : "–"}</span>`;
  }
  if (entry.type === "capture") return html`<span class="faint"><${Amount} value=${entry.held_change} currency=${entry.currency} isSigned /> held</span>`;
  return html`<${Amount} value=${entry.amount} currency=${entry.currency} isSigned />`;
}

export function Transactions({ who }) {
  const isAdmin = who.role === "admin";
  const { query } = useStore(place);
  const change = (part) => setQuery({ ...query, ...part });
  const asked = { type: query.type, charge_id: query.charge, seller_id: query.seller, ...instants(query) };
  const pages = usePages("/v1/transactions", asked, {
    isAbout: (entry) => (!query.seller || query.seller === entry.seller_id) && (!query.type || query.type === entry.type),
  });
  const isFiltered = Object.values(query).some(Boolean);
  return html`<${Page} title=${isAdmin ? "Transactions" : "Journal"} lead="The journal, entry by entry: each one chained to the one before by its hash." actions=${html`<${CsvButton} query=${asked} />`}>
    <${Filters} label="Filter transactions" given=${Object.values(query).filter(Boolean).length}>
      ${isAdmin && html`<${SellerPicker} value=${query.seller || ""} onChange=${(seller) => change({ seller })} />`}
      <${Field} label="Type" as="select" value=${query.type || ""} onChange=${(event) => change({ type: event.target.value })}>
        <option value="">Any</option>${TYPES.map((type) => html`<option key=${type} value=${type}>${word(type)}</option>`)}
      </${Field}>
      <${PeriodFields} query=${query} onChange=${change} />
      <${Field} label="Charge id" type="search" dir="ltr" value=${query.charge || ""} spellcheck="false" onChange=${(event) => change({ charge: event.target.value.trim() })} />
      ${isFiltered && html`<${Button} icon="x" className="clear" onClick=${() => setQuery({})}>Clear</${Button}>`}
    </${Filters}>
    <${Pages} pages=${pages} caption="Transactions" columns=${transactionColumns(isAdmin)}
      empty=${html`<${Empty} icon="list-tree" title=${isFiltered ? "No entry matches" : "The journal is empty"}>${isFiltered ? "Loosen a filter, or clear them all." : "Its first entry comes with the first seller."}</${Empty}>`} />
  </${Page}>`;
}
