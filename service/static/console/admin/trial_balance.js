// The trial balance: debits and credits of every account, by currency.

import { html } from "../app/preact.js";
import { get } from "../app/api.js";
import { useResource } from "../app/resource.js";
import { Amount } from "../ui/amount.js";
import { Button } from "../ui/controls.js";
import { At } from "../ui/moment.js";
import { Card, Page } from "../ui/page.js";
import { Badge, Empty, Loaded, word } from "../ui/states.js";

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
  return html`<${Card} title=${currency} aside=${html`<${Badge} name=${balanced ? "completed" : "failed"} label=${balanced ? "Balanced" : "Not balanced"} />`}>
    <div class="table-frame"><table class="ledger"><caption class="unseen">Trial balance in ${currency}</caption>
      <thead><tr><th scope="col">Account</th><th scope="col" class="quiet">Whose</th><th scope="col" class="end">Debits</th><th scope="col" class="end">Credits</th><th scope="col" class="end">Balance</th></tr></thead>
      <tbody>${accounts.map(({ account, debits, credits, balance }) => html`<tr key=${account}><th scope="row">${word(account)}</th><td class="quiet">${OWNERS[account]}</td><td class="end">${cell(debits)}</td><td class="end">${cell(credits)}</td><td class="end">${cell(balance)}</td></tr>`)}</tbody>
      <tfoot><tr><th scope="row">Total</th><td class="quiet"></td><td class="end">${cell(total_debits)}</td><td class="end">${cell(total_credits)}</td><td></td></tr></tfoot>
    </table></div>
  </${Card}>`;
}
