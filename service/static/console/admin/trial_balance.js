// The trial balance: debits and credits of every account, by currency.

import { html } from "../app/preact.js";
import { get } from "../app/api.js";
import { useResource } from "../app/resource.js";
import { Amount } from "../ui/amount.js";
import { Button } from "../ui/controls.js";
import { At } from "../ui/moment.js";
import { Card, Page } from "../ui/page.js";
import { Badge, Empty, Loaded, word } from "../ui/states.js";
import { TableFrame } from "../ui/table.js";

const OWNERS = { available: "Sellers", held: "Sellers", funding: "House", sales: "House", adjustments: "House" };

export function TrialBalance() {
  const resource = useResource((signal) => get("/v1/trial-balance", {}, { signal, timeout_ms: 60000 }), []);
  const lead = resource.data && html`As of <${At} at=${resource.data.as_of} isExact />, summed up from every entry.`;
  return html`<${Page} title="Trial balance" lead=${lead} actions=${html`<${Button} icon="refresh-cw" isBusy=${resource.isLoading} onClick=${resource.reload}>Again</${Button}><${Button} icon="printer" onClick=${() => window.print()}>Print</${Button}>`}>
    <${Loaded} resource=${resource} kind="card">${({ currencies }) => currencies.length
      ? currencies.map((totals) => html`<${Totals} key=${totals.currency} totals=${totals} />`)
      : html`<${Empty} icon="scale" title="Nothing to balance yet">The first seller opens the books.</${Empty}>`}</${Loaded}>
  </${Page}>`;
}

function Totals({ totals }) {
  const { currency, accounts, total_debits, total_credits, balanced } = totals;
  const cell = (value) => html`<${Amount} value=${value} currency=${currency} />`;
  const amount = (name, value) => html`<td role="cell" class="end labelled" data-label=${name}>${cell(value)}</td>`;
  return html`<${Card} title=${currency} aside=${html`<${Badge} name=${balanced ? "completed" : "failed"} label=${balanced ? "Balanced" : "Not balanced"} />`}>
    <${TableFrame} caption="Trial balance in ${currency}"><table class="ledger" role="table"><caption class="unseen">Trial balance in ${currency}</caption>
      <thead role="rowgroup"><tr role="row">${["Account", "Whose"].map((name) => html`<th key=${name} role="columnheader" scope="col">${name}</th>`)}
        ${["Debits", "Credits", "Balance"].map((name) => html`<th key=${name} role="columnheader" scope="col" class="end">${name}</th>`)}</tr></thead>
      <tbody role="rowgroup">${accounts.map(({ account, debits, credits, balance }) => html`<tr key=${account} role="row">
        <th role="rowheader" scope="row" class="main">${word(account)}</th><td role="cell" class="quiet">${OWNERS[account]}</td>${amount("Debits", debits)}${amount("Credits", credits)}
        <td role="cell" class="end top">${cell(balance)}</td></tr>`)}</tbody>
      <tfoot role="rowgroup"><tr role="row"><th role="rowheader" scope="row" class="main">Total</th><td role="cell" class="quiet"></td>${amount("Debits", total_debits)}${amount("Credits", total_credits)}<td role="cell"></td></tr></tfoot>
    </table></${TableFrame}>
  </${Card}>`;
}
