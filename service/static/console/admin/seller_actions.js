// What an admin may change about a seller, one dialog each.

import { html, useState } from "../app/preact.js";
import { patch, post } from "../app/api.js";
import { useAction, useCommand } from "../app/commands.js";
import { wrongPassword } from "../app/credentials.js";
import { decimalsOf, readAmount } from "../app/money.js";
import { fieldErrors } from "../app/problems.js";
import { Button, Choice, Field, PasswordField } from "../ui/controls.js";
import { Dialog } from "../ui/dialog.js";
import { Trouble } from "../ui/states.js";
import { toast } from "../ui/toast.js";

export function Form({ title, command, verb, kind = "primary", currency, onClose, onSubmit, children }) {
  const submit = (event) => {
    event.preventDefault();
    void onSubmit();
  };
  return html`<${Dialog} title=${title} isBusy=${command.isBusy} onClose=${onClose}><form class="stack" onSubmit=${submit} novalidate>
    <${Trouble} fault=${command.fault} context=${{ currency }} />
    ${children}
    ${command.isInDoubt && html`<p role="status">No answer yet; asking again. It will not happen twice.</p>`}
    <div class="dialog-actions"><${Button} disabled=${command.isBusy} onClick=${onClose}>Cancel</${Button}><${Button} kind=${kind} type="submit" isBusy=${command.isBusy}>${verb}</${Button}></div>
  </form></${Dialog}>`;
}

const DIRECTIONS = [{ value: "credit", label: "Give credit" }, { value: "debit", label: "Take credit" }];

export function Adjust({ seller, onClose, onDone }) {
  const [form, setForm] = useState({ direction: "credit", amount: "", reason: "" });
  const [found, setFound] = useState({});
  const command = useCommand();
  const errors = { ...fieldErrors(command.fault), ...found };
  const submit = async () => {
    const amount = readAmount(form.amount, decimalsOf(seller.credit_limit));
    const wrong = { ...(amount.error && { amount: amount.error }), ...(!form.reason.trim() && { reason: "Say why, for the audit trail." }) };
    setFound(wrong);
    if (Object.keys(wrong).length) return;
    const made = await command.run(`/v1/sellers/${seller.id}/adjustments`, { amount: amount.text, direction: form.direction, reason: form.reason.trim() });
    if (!made) return;
    toast("Adjusted.");
    onDone({ ...seller, balance: { available: made.available_after, held: made.held_after } });
  };
  return html`<${Form} title="Adjust the balance" verb=${form.direction === "credit" ? "Give" : "Take"} ...${{ command, onClose, currency: seller.currency }} onSubmit=${submit}>
    <${Choice} label="Direction" options=${DIRECTIONS} value=${form.direction} onChange=${(direction) => setForm({ ...form, direction })} />
    <${Field} label="Amount" inputmode="decimal" dir="ltr" affix=${seller.currency} value=${form.amount} error=${errors.amount} onInput=${(event) => setForm({ ...form, amount: event.target.value })} />
    <${Field} label="Reason" maxlength="500" dir="auto" placeholder="Cash received" value=${form.reason} error=${errors.reason} onInput=${(event) => setForm({ ...form, reason: event.target.value })} />
  </${Form}>`;
}

export function ChangeLimit({ seller, onClose, onDone }) {
  const [limit, setLimit] = useState(seller.credit_limit);
  const [error, setError] = useState(null);
  const command = useAction();
  const submit = async () => {
    const amount = readAmount(limit, decimalsOf(seller.credit_limit), { mayBeZero: true });
    setError(amount.error ?? null);
    if (amount.error) return;
    const changed = await command.run(() => patch(`/v1/sellers/${seller.id}`, { credit_limit: amount.text }));
    if (!changed) return;
    toast("The credit limit is changed.");
    onDone(changed);
  };
  return html`<${Form} title="Credit limit" verb="Change" ...${{ command, onClose }} onSubmit=${submit}>
    <${Field} label="Limit" inputmode="decimal" dir="ltr" affix=${seller.currency} hint="How far below zero the seller may sell. Zero means prepaid only." value=${limit}
      error=${error || fieldErrors(command.fault).credit_limit} onInput=${(event) => setLimit(event.target.value)} />
  </${Form}>`;
}

export function Suspend({ seller, onClose, onDone }) {
  const command = useAction();
  const isActive = seller.status === "active";
  const submit = async () => {
    const changed = await command.run(() => patch(`/v1/sellers/${seller.id}`, { status: isActive ? "suspended" : "active" }));
    if (!changed) return;
    toast(isActive ? `${seller.name} is suspended.` : `${seller.name} may sell again.`);
    onDone(changed);
  };
  return html`<${Form} title=${isActive ? "Suspend the seller?" : "Reinstate the seller?"} verb=${isActive ? "Suspend" : "Reinstate"} kind=${isActive ? "danger" : "primary"} ...${{ command, onClose }} onSubmit=${submit}>
    <p><b dir="auto">${seller.name}</b> ${isActive ? "can sell nothing from this moment on. It may still sign in, read, and capture or void its open holds." : "may sell again from this moment on."}</p>
  </${Form}>`;
}

export function Rename({ seller, onClose, onDone }) {
  const [name, setName] = useState(seller.name);
  const [error, setError] = useState(null);
  const command = useAction();
  const submit = async () => {
    setError(name.trim() ? null : "Enter the name that people know it by.");
    if (!name.trim()) return;
    const changed = await command.run(() => patch(`/v1/sellers/${seller.id}`, { name: name.trim() }));
    if (changed) onDone(changed);
  };
  return html`<${Form} title="Rename" verb="Rename" ...${{ command, onClose }} onSubmit=${submit}>
    <${Field} label="Name" maxlength="100" dir="auto" value=${name} error=${error || fieldErrors(command.fault).name} onInput=${(event) => setName(event.target.value)} />
  </${Form}>`;
}

export function ResetPassword({ seller, onClose, onDone }) {
  const [password, setPassword] = useState("");
  const [error, setError] = useState(null);
  const command = useAction();
  const submit = async () => {
    setError(wrongPassword(password));
    if (wrongPassword(password)) return;
    if ((await command.run(() => post(`/v1/sellers/${seller.id}/password`, { new_password: password }))) === undefined) return;
    toast("The password is set. All sessions of the seller have ended.");
    onDone(null);
  };
  return html`<${Form} title="New password" verb="Set password" ...${{ command, onClose }} onSubmit=${submit}>
    <${PasswordField} label="New password" autocomplete="new-password" hint="At least 10 characters. All sessions of the seller end." value=${password}
      error=${error || fieldErrors(command.fault).new_password} onInput=${(event) => setPassword(event.target.value)} />
  </${Form}>`;
}
