// One seller: its balance, live, its history, and what an admin may do about it.

import { html, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { CHANGES_SELLER } from "../app/balance.js";
import { downloadCharges } from "../app/charges_csv.js";
import { useLive } from "../app/live.js";
import { useResource } from "../app/resource.js";
import { href } from "../app/router.js";
import { Figure } from "../ui/amount.js";
import { Button, Choice, Copyable } from "../ui/controls.js";
import { CsvButton } from "../ui/csv_button.js";
import { At } from "../ui/moment.js";
import { Card, Facts, Page, Stat } from "../ui/page.js";
import { remember } from "../ui/seller.js";
import { Badge, Empty, Loaded } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { chargeColumns } from "../pages/charges.js";
import { transactionColumns } from "../pages/transactions.js";
import { requestColumns } from "./requests.js";
import { Adjust, ChangeLimit, Rename, ResetPassword, Suspend } from "./seller_actions.js";

const DIALOGS = { adjust: Adjust, limit: ChangeLimit, suspend: Suspend, rename: Rename, password: ResetPassword };

export function SellerPage({ id }) {
  const [open, setOpen] = useState(null);
  const resource = useResource(
    async (signal) => {
      const seller = await get(`/v1/sellers/${id}`, {}, { signal });
      remember(seller);
      return { seller, seq: 0 };
    },
    [id],
    { isAbout: ({ seller_id, type }) => seller_id === id && CHANGES_SELLER.has(type) },
  );
  useLive((entries) => {
    const last = entries.findLast(({ seller_id }) => seller_id === id);
    if (!last) return;
    resource.replace((now) => now && { seller: { ...now.seller, balance: { available: last.available_after, held: last.held_after } }, seq: last.seq });
  });
  const seller = resource.data?.seller;
  const OpenDialog = DIALOGS[open];
  const changed = (next) => {
    if (next?.balance) resource.replace(() => ({ seller: next, seq: 0 }));
    else void resource.reload();
    setOpen(null);
  };
  const actions = seller && html`
    <${Button} kind="primary" icon="sliders-horizontal" onClick=${() => setOpen("adjust")}>Adjust</${Button}>
    <${Button} icon="wallet" onClick=${() => setOpen("limit")}>Credit limit</${Button}>
    <${Button} icon=${seller.status === "active" ? "ban" : "play"} onClick=${() => setOpen("suspend")}>${seller.status === "active" ? "Suspend" : "Reinstate"}</${Button}>`;
  return html`<${Page} title=${seller?.name ?? "Seller"} back=${{ path: "/sellers", label: "Sellers" }} actions=${actions}>
    <${Loaded} resource=${resource} kind="card">${({ seller }) => html`
      <div class="stats three">
        <${Stat} label="Available" icon="wallet"><${Figure} value=${seller.balance.available} currency=${seller.currency} /></${Stat}>
        <${Stat} label="On hold" icon="hourglass"><${Figure} value=${seller.balance.held} currency=${seller.currency} /></${Stat}>
        <${Stat} label="Credit limit" icon="arrow-down-left"><${Figure} value=${seller.credit_limit} currency=${seller.currency} /></${Stat}>
      </div>
      <div class="columns narrow-first">
        <${Card} title="About" aside=${html`<${Badge} name=${seller.status} />`}>
          <${Facts} facts=${[
            ["Name", html`<span dir="auto">${seller.name}</span>`], ["Username", seller.username], ["Currency", seller.currency],
            ["Created", html`<${At} at=${seller.created_at} />`], ["Id", html`<${Copyable} text=${seller.id} label="Copy id" />`],
          ]} />
          <div class="card-actions"><${Button} kind="small" onClick=${() => setOpen("rename")}>Rename</${Button}><${Button} kind="small" onClick=${() => setOpen("password")}>New password</${Button}></div>
        </${Card}>
        <${History} id=${id} />
      </div>
      ${OpenDialog && html`<${OpenDialog} seller=${seller} onClose=${() => setOpen(null)} onDone=${changed} />`}`}
    </${Loaded}>
  </${Page}>`;
}

const VIEWS = [{ value: "charges", label: "Charges" }, { value: "transactions", label: "Journal" }, { value: "credit-requests", label: "Requests" }];
const COLUMNS = {
  charges: chargeColumns(false),
  transactions: transactionColumns(false).filter(({ name }) => name !== "From → to"),
  "credit-requests": requestColumns(false),
};
/** Those that have a page with filters, and are saved. */
const CSV = { charges: { download: downloadCharges, filename: "charges.csv" }, transactions: {} };

function History({ id }) {
  const [view, setView] = useState("charges");
  return html`<${Card} title="History" aside=${html`<div class="card-aside"><${Choice} label="Show" isLabelHidden options=${VIEWS} value=${view} onChange=${setView} />${CSV[view] && html`<${CsvButton} query=${{ seller_id: id }} ...${CSV[view]} />`}</div>`}>
    <${View} key=${view} id=${id} view=${view} />
    ${CSV[view] && html`<p class="card-foot"><a href=${href(`/${view}`, { seller: id })}>With filters</a></p>`}
  </${Card}>`;
}

function View({ id, view }) {
  const pages = usePages(`/v1/${view}`, { seller_id: id }, { limit: 10, isAbout: ({ seller_id }) => seller_id === id });
  return html`<${Pages} pages=${pages} caption="History" columns=${COLUMNS[view]} empty=${html`<${Empty} icon="receipt" title="Nothing yet" />`} />`;
}
