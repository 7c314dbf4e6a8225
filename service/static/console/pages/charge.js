// One charge: what it is, what happened to it entry by entry, and what may still be done: capture, void, refund.

import { html, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { useCommand } from "../app/commands.js";
import { decimalsOf, negated, plus, readAmount, toMinor, withDecimals } from "../app/money.js";
import { money } from "../app/format.js";
import { explain, fieldErrors } from "../app/problems.js";
import { useResource } from "../app/resource.js";
import { href } from "../app/router.js";
import { Amount, Figure } from "../ui/amount.js";
import { Button, Copyable, Field } from "../ui/controls.js";
import { Dialog } from "../ui/dialog.js";
import { At, Countdown } from "../ui/moment.js";
import { Card, Facts, Page } from "../ui/page.js";
import { Phone } from "../ui/phone.js";
import { SellerLink } from "../ui/seller.js";
import { Badge, Loaded, Notice, Trouble, word } from "../ui/states.js";
import { toast } from "../ui/toast.js";
import { Effect } from "./transactions.js";

export function ChargePage({ who, id }) {
  const resource = useResource(
    async (signal) => {
      const [charge, entries] = await Promise.all([
        get(`/v1/charges/${id}`, {}, { signal }),
        get("/v1/transactions", { charge_id: id, limit: 100 }, { signal }),
      ]);
      return { charge, entries: entries.data.reverse() };
    },
    [id],
    { isAbout: (entry) => entry.charge_id === id },
  );
  const charge = resource.data?.charge;
  const actions = charge && html`<${ChargeActions} who=${who} charge=${charge} onDone=${resource.reload} />
    <${Button} icon="printer" onClick=${() => window.print()}>Print</${Button}>`;
  return html`<${Page} title="Charge" back=${{ path: "/charges", label: who.role === "admin" ? "Charges" : "History" }} actions=${actions}>
    <${Loaded} resource=${resource} kind="card">${({ charge, entries }) => html`
      <div class="columns wide-first">
        <${Card} className="receipt-card">${who.seller && html`<p class="only-print">${who.seller.name}</p>`}<${ChargeSummary} charge=${charge} isAdmin=${who.role === "admin"} /></${Card}>
        <${Card} title="What happened"><${Trail} entries=${entries} /></${Card}>
      </div>`}
    </${Loaded}>
  </${Page}>`;
}

export function ChargeSummary({ charge, isAdmin }) {
  const metadata = Object.entries(charge.metadata);
  return html`
    <div class="receipt-head"><p class="receipt-amount"><${Figure} value=${charge.amount} currency=${charge.currency} /></p><${Badge} name=${charge.status} /></div>
    ${charge.failure_code && html`<${Notice} kind="danger" icon="circle-x">Declined: there was not enough credit. Nothing was taken.</${Notice}>`}
    <${Facts} facts=${[
      ["Phone number", html`<${Phone} number=${charge.phone_number} />`],
      ["Seller", isAdmin && html`<${SellerLink} id=${charge.seller_id} />`],
      ["When", html`<${At} at=${charge.created_at} isExact />`],
      ["Expires in", charge.status === "pending" && html`<${Countdown} to=${charge.expires_at} />`],
      ["Refunded", toMinor(charge.refunded_amount) > 0n && html`<${Amount} value=${charge.refunded_amount} currency=${charge.currency} />`],
      ["Reference", charge.reference && html`<span dir="auto">${charge.reference}</span>`],
      ...metadata.map(([name, value]) => [name, html`<span dir="auto">${value}</span>`]),
      ["Charge", html`<${Copyable} text=${charge.id} label="Copy the charge's id" />`],
      ["Receipt", html`<${Copyable} text=${charge.receipt} label="Copy the receipt" />`],
    ]} />`;
}

function Trail({ entries }) {
  return html`<ol class="trail">${entries.map((entry) => html`<li key=${entry.id}>
    <span class="trail-dot" aria-hidden="true"></span>
    <div><a href=${href(`/transactions/${entry.id}`)}>${word(entry.type)}</a> <small>#${entry.seq}</small>
      <p><${At} at=${entry.created_at} isExact />${entry.reason && html` · <span dir="auto">${entry.reason}</span>`}</p></div>
    ${entry.debit_account && html`<span><${Effect} entry=${entry} /></span>`}
  </li>`)}</ol>`;
}

/** Buttons for what may be done with the charge by whoever looks at it. */
export function ChargeActions({ who, charge, onDone, isSmall }) {
  const [open, setOpen] = useState(null);
  const kind = isSmall ? "small" : "";
  const close = () => setOpen(null);
  const done = () => (close(), onDone?.());
  const left = plus(charge.amount, negated(charge.refunded_amount));
  const isRefundable = who.role === "admin" && ["completed", "partially_refunded"].includes(charge.status) && toMinor(left) > 0n;
  return html`
    ${who.role === "seller" && charge.status === "pending" && html`
      <${Button} kind="primary ${kind}" icon="check" onClick=${() => setOpen("capture")}>Capture</${Button}>
      <${Button} kind=${kind} icon="x" onClick=${() => setOpen("void")}>Void</${Button}>`}
    ${isRefundable && html`<${Button} kind="primary ${kind}" icon="undo-2" onClick=${() => setOpen("refund")}>Refund</${Button}>`}
    ${open === "capture" && html`<${AmountDialog} title="Capture the hold" charge=${charge} most=${charge.amount} path="capture" verb="Capture" onClose=${close} onDone=${done}
      hint="Less than the whole gives the rest back at once." done="Captured." />`}
    ${open === "refund" && html`<${AmountDialog} title="Refund" charge=${charge} most=${left} path="refund" verb="Refund" hasReason onClose=${close} onDone=${done} done="Refunded." />`}
    ${open === "void" && html`<${VoidDialog} charge=${charge} onClose=${close} onDone=${done} />`}`;
}

function AmountDialog({ title, charge, most, path, verb, hint, hasReason, done, onClose, onDone }) {
  const { currency } = charge;
  const [amount, setAmount] = useState(most);
  const [reason, setReason] = useState("");
  const [errors, setErrors] = useState({});
  const command = useCommand();
  const submit = async (event) => {
    event.preventDefault();
    const read = readAmount(amount, decimalsOf(most));
    const found = {};
    if (read.error) found.amount = read.error;
    else if (toMinor(withDecimals(read.text, decimalsOf(most))) > toMinor(most)) found.amount = `At most ${money(most, currency)}.`;
    if (hasReason && !reason.trim()) found.reason = "Say why, for the audit trail.";
    setErrors(found);
    if (Object.keys(found).length) return;
    const answer = await command.run(`/v1/charges/${charge.id}/${path}`, { amount: read.text, ...(hasReason && { reason: reason.trim() }) });
    if (!answer) return;
    toast(done);
    onDone(answer);
  };
  const shown = { ...fieldErrors(command.fault), ...errors };
  return html`<${Dialog} title=${title} isBusy=${command.isBusy} onClose=${onClose}>
    <form class="stack" onSubmit=${submit} novalidate>
      <p>${money(charge.amount, currency)} to <${Phone} number=${charge.phone_number} /></p>
      <${Trouble} fault=${command.fault} context=${{ currency }} />
      <${Field} label="Amount" inputmode="decimal" affix=${currency} value=${amount} onInput=${(event) => setAmount(event.target.value)} hint=${hint} error=${shown.amount} autofocus />
      ${hasReason && html`<${Field} label="Reason" value=${reason} onInput=${(event) => setReason(event.target.value)} maxlength="500" error=${shown.reason} />`}
      ${command.isInDoubt && html`<p role="status">No answer yet; asking again. It will not happen twice.</p>`}
      <div class="dialog-actions"><${Button} disabled=${command.isBusy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" isBusy=${command.isBusy}>${verb}</${Button}></div>
    </form>
  </${Dialog}>`;
}

function VoidDialog({ charge, onClose, onDone }) {
  const command = useCommand();
  const run = async () => {
    const answer = await command.run(`/v1/charges/${charge.id}/void`, {});
    if (!answer) return;
    toast("Voided. The credit is available again.");
    onDone(answer);
  };
  return html`<${Dialog} title="Void the hold?" isBusy=${command.isBusy} onClose=${onClose}>
    <p>${money(charge.amount, charge.currency)} for <${Phone} number=${charge.phone_number} /> is given back to your available credit. This cannot be undone.</p>
    ${command.fault && html`<p class="field-error" role="alert">${explain(command.fault)}</p>`}
    <div class="dialog-actions"><${Button} disabled=${command.isBusy} onClick=${onClose}>Keep it</${Button}><${Button} kind="danger" isBusy=${command.isBusy} onClick=${run}>Void</${Button}></div>
  </${Dialog}>`;
}
