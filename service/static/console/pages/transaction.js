// One entry in full: its posting, its balances, its place in the chain; and its hash recomputed here, in the browser.

import { html, useState } from "../app/preact.js";
import { get, request } from "../app/api.js";
import { useResource } from "../app/resource.js";
import { canRecompute, recompute } from "../app/receipt_hash.js";
import { href } from "../app/router.js";
import { shortHash } from "../app/format.js";
import { fromMinor, decimalsOf, toMinor } from "../app/money.js";
import { AdminName } from "../ui/admin.js";
import { Amount } from "../ui/amount.js";
import { Button, Copyable } from "../ui/controls.js";
import { At } from "../ui/moment.js";
import { Card, Facts, Page } from "../ui/page.js";
import { Icon } from "../ui/icon.js";
import { SellerLink } from "../ui/seller.js";
import { Badge, Loaded, Notice, word } from "../ui/states.js";

const NEIGHBOURS_MAX = 100;
/** Details that are amounts; all others are shown as they stand. */
const AMOUNTS = new Set(["amount", "credit_limit", "charge_amount", "refunded_amount"]);

export function TransactionPage({ who, id }) {
  const resource = useResource(
    async (signal) => {
      const text = await (await request("GET", `/v1/transactions/${id}`, { signal })).text();
      const entry = JSON.parse(text);
      return { text, entry, previous: await previousOf(entry, signal) };
    },
    [id],
  );
  const entry = resource.data?.entry;
  return html`<${Page} title=${entry ? `${word(entry.type)}, entry ${entry.seq}` : "Entry"} back=${{ path: "/transactions", label: who.role === "admin" ? "Transactions" : "Journal" }}>
    <${Loaded} resource=${resource} kind="card">${(data) => html`<div class="columns wide-first">
      <div class="stack"><${Posting} entry=${data.entry} /><${About} entry=${data.entry} isAdmin=${who.role === "admin"} /></div>
      <div class="stack"><${Chain} ...${data} /></div>
    </div>`}</${Loaded}>
  </${Page}>`;
}

/** The entry before: what came up to this moment, the one whose number is one less. Many may share one microsecond. */
async function previousOf(entry, signal) {
  if (entry.seq === 1) return null;
  const to = new Date(Date.parse(entry.created_at) + 1).toISOString();
  const page = await get("/v1/transactions", { seller_id: entry.seller_id, to, limit: NEIGHBOURS_MAX }, { signal });
  return page.data.find(({ seq }) => seq === entry.seq - 1) ?? null;
}

function Posting({ entry }) {
  const size = (text) => (toMinor(text) < 0n ? -toMinor(text) : toMinor(text));
  const moved = fromMinor([size(entry.amount), size(entry.held_change)].reduce((a, b) => (a > b ? a : b)), decimalsOf(entry.amount));
  const rows = entry.debit_account ? [["Debit", entry.debit_account, moved, null], ["Credit", entry.credit_account, null, moved]] : [];
  const cell = (value) => value && html`<${Amount} value=${value} currency=${entry.currency} />`;
  return html`<${Card} title="Posting" aside=${html`<${Badge} name=${entry.type} />`}>
    ${rows.length
      ? html`<table class="posting" role="table"><caption class="unseen">Posting</caption><thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Account</th><th role="columnheader" scope="col" class="end">Debit</th><th role="columnheader" scope="col" class="end">Credit</th></tr></thead>
          <tbody role="rowgroup">${rows.map(([side, account, debit, credit]) => html`<tr key=${side} role="row"><th role="rowheader" scope="row" class="main">${word(account)}</th><td role="cell" class="end labelled" data-label="Debit">${cell(debit)}</td><td role="cell" class="end labelled" data-label="Credit">${cell(credit)}</td></tr>`)}</tbody></table>`
      : html`<p class="faint">Nothing moves: this entry records a fact.</p>`}
    <div class="balances-after"><div><p>Available after</p><b><${Amount} value=${entry.available_after} currency=${entry.currency} /></b></div>
      <div><p>Held after</p><b><${Amount} value=${entry.held_after} currency=${entry.currency} /></b></div></div>
  </${Card}>`;
}

function About({ entry, isAdmin }) {
  const { charge_id, credit_request_id, made_by } = entry;
  return html`<${Card} title="About">
    <${Facts} facts=${[
      ["When", html`<${At} at=${entry.created_at} isExact />`],
      ["Seller", isAdmin && html`<${SellerLink} id=${entry.seller_id} />`],
      ["Made by", made_by === "system" ? "The service itself" : made_by === entry.seller_id ? "The seller" : html`${isAdmin ? html`The admin <b><${AdminName} id=${made_by} /></b>` : "An admin"} <${Copyable} text=${made_by} label="Copy the admin's id" />`],
      ["Reason", entry.reason && html`<span dir="auto">${entry.reason}</span>`],
      ["Charge", charge_id && html`<a href=${href(`/charges/${charge_id}`)}><code>${charge_id}</code></a>`],
      ["Credit request", credit_request_id && html`<code>${credit_request_id}</code>`],
      ...Object.entries(entry.details).map(([name, value]) => [word(name), AMOUNTS.has(name)
        ? html`<${Amount} value=${value} currency=${entry.currency} />`
        : html`<span class="break" dir="auto">${typeof value === "string" ? value : JSON.stringify(value)}</span>`]),
      ["Position in the journal", entry.position],
      ["Id", html`<${Copyable} text=${entry.id} label="Copy the entry's id" />`],
    ]} />
  </${Card}>`;
}

function Chain({ entry, previous, text }) {
  return html`<${Card} title="Chain">
    <ol class="chain">
      <li class="link"><span class="link-name">${entry.seq === 1 ? "Nothing before" : `Entry ${entry.seq - 1}`}</span>
        <code title=${entry.previous_hash}>${shortHash(entry.previous_hash)}</code>
        ${previous && html`<a href=${href(`/transactions/${previous.id}`)}>${word(previous.type)}</a>`}
        ${previous && (previous.hash === entry.previous_hash ? html`<span class="ok"><${Icon} name="check" size="14" /> linked</span>` : html`<span class="not-ok"><${Icon} name="x" size="14" /> not linked</span>`)}
      </li>
      <li class="link this"><span class="link-name">Entry ${entry.seq}, this one</span><code title=${entry.hash}>${shortHash(entry.hash)}</code></li>
    </ol>
    <${Facts} facts=${[["Hash", html`<${Copyable} text=${entry.hash} label="Copy the hash" />`], ["Hash before", html`<${Copyable} text=${entry.previous_hash} label="Copy the hash before" />`]]} />
    <${Recompute} entry=${entry} text=${text} />
  </${Card}>`;
}

function Recompute({ entry, text }) {
  const [result, setResult] = useState(null);
  if (!canRecompute()) return html`<${Notice}>To recompute the hash here, open the console over https.</${Notice}>`;
  const isSame = result && result.hash === entry.hash;
  return html`<div class="recompute">
    <p>Do not take our word for it: your browser can compute SHA-256 over this entry by itself and compare.</p>
    <${Button} icon="fingerprint-pattern" onClick=${async () => setResult(await recompute(text))}>Recompute the hash</${Button}>
    <div role="status" aria-live="polite">${result && html`<div class="verdict ${isSame ? "good" : "bad"}">
      <p><${Icon} name=${isSame ? "circle-check" : "circle-x"} /> ${isSame ? "It is the same: this entry is as it was written." : "It differs: this entry is not what was written. Tell your auditor."}</p>
      <code class="break">${result.hash}</code></div>`}</div>
    ${result && html`<details><summary>What was hashed</summary><pre tabindex="0">${result.preimage}</pre></details>`}
  </div>`;
}
