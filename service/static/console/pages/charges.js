// Charges, newest first: what was sold, held, declined and refunded. A seller's history; for an admin, of all sellers.

import { html } from "../app/preact.js";
import { downloadCharges } from "../app/charges_csv.js";
import { place, href, setQuery } from "../app/router.js";
import { useStore } from "../app/store.js";
import { Amount } from "../ui/amount.js";
import { Button, Field } from "../ui/controls.js";
import { CsvButton } from "../ui/csv_button.js";
import { Ago } from "../ui/moment.js";
import { Filters, Page } from "../ui/page.js";
import { instants, PeriodFields } from "../ui/period.js";
import { Phone } from "../ui/phone.js";
import { SellerLink, SellerPicker } from "../ui/seller.js";
import { Badge, Empty, word } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { FindCharge } from "./find_charge.js";

const STATUSES = ["completed", "pending", "partially_refunded", "refunded", "voided", "expired", "failed"];
const CHARGE_TYPES = new Set(["charge", "declined", "hold", "capture", "void", "expiry", "refund"]);

export const chargeColumns = (isAdmin) => [
  { name: "Number", isMain: true, cell: (charge) => html`<a class="row-link" href=${href(`/charges/${charge.id}`)}><${Phone} number=${charge.phone_number} /></a>` },
  ...(isAdmin ? [{ name: "Seller", cell: ({ seller_id }) => html`<${SellerLink} id=${seller_id} />` }] : []),
  { name: "Reference", isQuiet: true, cell: ({ reference }) => html`<span dir="auto">${reference || "–"}</span>` },
  { name: "Status", cell: ({ status }) => html`<${Badge} name=${status} />` },
  { name: "When", cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
  { name: "Amount", isEnd: true, isTop: true, cell: ({ amount, currency }) => html`<${Amount} value=${amount} currency=${currency} />` },
];

export function Charges({ who }) {
  const isAdmin = who.role === "admin";
  const { query } = useStore(place);
  const change = (part) => setQuery({ ...query, ...part });
  const asked = { status: query.status, phone_number: query.phone, reference: query.reference, seller_id: query.seller, ...instants(query) };
  const pages = usePages("/v1/charges", asked, {
    isAbout: ({ type, seller_id }) => CHARGE_TYPES.has(type) && (!query.seller || query.seller === seller_id),
  });
  const actions = html`<${FindCharge} /><${CsvButton} query=${asked} download=${downloadCharges} filename="charges.csv" />`;
  const isFiltered = Object.values(query).some(Boolean);
  return html`<${Page} title=${isAdmin ? "Charges" : "History"} lead=${isAdmin ? "Every sale of every seller." : "Everything you sold, held, and what became of it."} actions=${actions}>
    <${Filters} label="Filter charges" given=${Object.values(query).filter(Boolean).length}>
      ${isAdmin && html`<${SellerPicker} value=${query.seller || ""} onChange=${(seller) => change({ seller })} />`}
      <${Field} label="Status" as="select" value=${query.status || ""} onChange=${(event) => change({ status: event.target.value })}>
        <option value="">Any</option>${STATUSES.map((status) => html`<option key=${status} value=${status}>${word(status)}</option>`)}
      </${Field}>
      <${Field} label="Phone number" type="search" inputmode="tel" dir="ltr" placeholder="+15550100001" value=${query.phone || ""} onChange=${(event) => change({ phone: event.target.value.trim() })} />
      <${Field} label="Reference" type="search" dir="auto" value=${query.reference || ""} onChange=${(event) => change({ reference: event.target.value })} />
      <${PeriodFields} query=${query} onChange=${change} />
      ${isFiltered && html`<${Button} icon="x" className="clear" onClick=${() => setQuery({})}>Clear</${Button}>`}
    </${Filters}>
    <${Pages} pages=${pages} caption="Charges" columns=${chargeColumns(isAdmin)}
      empty=${isFiltered
        ? html`<${Empty} icon="search" title="No charge matches">Loosen a filter, or clear them all.</${Empty}>`
        : html`<${Empty} icon="receipt" title="Nothing sold yet" action=${!isAdmin && html`<a class="button primary" href="#/">Sell the first one</a>`}>Each sale appears here the moment it is made.</${Empty}>`} />
  </${Page}>`;
}
