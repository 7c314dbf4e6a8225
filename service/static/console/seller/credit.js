// Credit: asked for, followed until it is decided, withdrawn while it is not.

import { html, useEffect, useState } from "../app/preact.js";
import { useBalance } from "../app/balance.js";
import { newKey, useCommand } from "../app/commands.js";
import { readAmount } from "../app/money.js";
import { CHANGES_REQUESTS } from "../app/pending.js";
import { explain, fieldErrors } from "../app/problems.js";
import { store, stored } from "../app/tab_storage.js";
import { Amount, Figure } from "../ui/amount.js";
import { Button, Field } from "../ui/controls.js";
import { Ago } from "../ui/moment.js";
import { Card, Page, Stat } from "../ui/page.js";
import { Badge, Empty, Notice, Trouble } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { toast } from "../ui/toast.js";

export function Credit({ who }) {
  const balance = useBalance();
  const { currency } = who.seller;
  const pages = usePages("/v1/credit-requests", {}, { isAbout: ({ type }) => CHANGES_REQUESTS.has(type) });
  const figure = (name) => (balance ? html`<${Figure} value=${balance[name]} currency=${currency} />` : html`<i class="ghost"></i>`);
  const columns = [
    { name: "Amount", isMain: true, cell: ({ amount }) => html`<b><${Amount} value=${amount} currency=${currency} /></b>` },
    { name: "Asked", isLabelled: true, cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
    { name: "Note", cell: ({ note }) => html`<span dir="auto">${note || "–"}</span>` },
    { name: "Status", isTop: true, cell: (request) => html`<${Badge} name=${request.status} />${request.status === "pending" && request.approvals.length > 0 && html` <small>first of two approvals</small>`}` },
    { name: "Decision", isLabelled: true, cell: (request) => html`<${Decision} request=${request} onDone=${pages.reload} />` },
  ];
  return html`<${Page} title="Credit">
    <div class="stats three">
      <${Stat} label="Available" icon="wallet">${figure("available")}</${Stat}>
      <${Stat} label="On hold" icon="hourglass">${figure("held")}</${Stat}>
      <${Stat} label="Credit limit" icon="arrow-down-left" note="How far below zero you may go.">${figure("credit_limit")}</${Stat}>
    </div>
    <div class="columns narrow-first">
      <${Ask} who=${who} onDone=${pages.reload} />
      <${Card} title="Requests">
        <${Pages} pages=${pages} caption="Credit requests" columns=${columns}
          empty=${html`<${Empty} icon="wallet" title="No requests yet">Ask for credit; an admin decides, and you see it here at once.</${Empty}>`} />
      </${Card}>
    </div>
  </${Page}>`;
}

const EMPTY = { amount: "", note: "", key: null };

/**
 * What is typed is kept until it is asked for, so that it stands here again after a session that ended; and so does the key
 * that it was sent with, for what was sent without an answer: as long as nothing of it is changed it is asked for once.
 */
function Ask({ who, onDone }) {
  const { currency, credit_limit } = who.seller;
  const place = `charge-shop.credit-request.${who.id}`;
  const [form, setForm] = useState(() => stored(place) ?? EMPTY);
  const [isOpen, setIsOpen] = useState(Boolean(form.key));
  const [error, setError] = useState(null);
  const command = useCommand();
  const errors = fieldErrors(command.fault);
  const change = (next) => {
    setForm(next);
    store(place, next.amount || next.note ? next : null);
  };
  const edit = (part) => {
    change({ ...form, ...part, key: null });
    setIsOpen(false);
  };
  const bind = (name) => ({ name, value: form[name], readOnly: command.isBusy, onInput: (event) => edit({ [name]: event.target.value }) });
  useEffect(() => {
    // A session that ended says nothing about what was sent before; every other refusal is an answer.
    if (command.fault && command.fault.status !== 401) edit({});
  }, [command.fault]);
  const submit = async (event) => {
    event.preventDefault();
    if (command.isBusy) return;
    const amount = readAmount(form.amount, (credit_limit.split(".")[1] || "").length);
    setError(amount.error ?? null);
    if (amount.error) return;
    const key = form.key ?? newKey();
    change({ ...form, key });
    setIsOpen(false);
    const answer = await command.run("/v1/credit-requests", { amount: amount.text, ...(form.note.trim() && { note: form.note.trim() }) }, key);
    if (!answer) return;
    change(EMPTY);
    toast("Asked. You will see the decision here.");
    onDone();
  };
  return html`<${Card} title="Request credit">
    <form class="stack" onSubmit=${submit} novalidate>
      <${Trouble} fault=${command.fault} />
      <${Field} label="Amount" inputmode="decimal" dir="ltr" affix=${currency} ...${bind("amount")} error=${error || errors.amount} />
      <${Field} label="Note" isOptional as="textarea" rows="3" maxlength="500" dir="auto" hint="For the admin who decides: how it was paid, for instance." ...${bind("note")} error=${errors.note} />
      ${isOpen && html`<${Notice} kind="warn" icon="clock"><span role="status">This may not have been requested, since no answer came. Request it again if it is still wanted: it is asked for once.</span></${Notice}>`}
      ${command.isInDoubt && html`<p role="status">No answer yet; asking again. It is asked for once.</p>`}
      <div><${Button} kind="primary" type="submit" isBusy=${command.isBusy}>Request credit</${Button}></div>
    </form>
  </${Card}>`;
}

function Decision({ request, onDone }) {
  const command = useCommand();
  if (request.status !== "pending") {
    return html`<span><${Ago} at=${request.decided_at} />${request.decision_note && html` · <span dir="auto">${request.decision_note}</span>`}</span>`;
  }
  const cancel = async () => {
    if (!(await command.run(`/v1/credit-requests/${request.id}/cancel`, {}))) return onDone();
    toast("The request is withdrawn.");
    return onDone();
  };
  return html`<${Button} kind="small" isBusy=${command.isBusy} onClick=${cancel}>Withdraw</${Button}>${command.fault && html` <small role="alert">${explain(command.fault)}</small>`}`;
}
