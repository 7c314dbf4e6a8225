// Admins: who they are, another one, and one less.

import { html, useState } from "../app/preact.js";
import { get, patch, post } from "../app/api.js";
import { madeOrFound, madeWords, useAction } from "../app/commands.js";
import { named, onlyWrong, wrongPassword, wrongUsername } from "../app/credentials.js";
import { fieldErrors } from "../app/problems.js";
import { Button, Field, PasswordField } from "../ui/controls.js";
import { Dialog } from "../ui/dialog.js";
import { Ago } from "../ui/moment.js";
import { Page } from "../ui/page.js";
import { Badge, Trouble } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { Form } from "./seller_actions.js";

export function Admins({ who }) {
  const pages = usePages("/v1/admins", {});
  const [isCreating, setIsCreating] = useState(false);
  const [switched, setSwitched] = useState(null);
  const columns = [
    { name: "Username", isMain: true, cell: ({ id, username }) => html`<b>${username}</b>${id === who.id && html` <small>you</small>`}` },
    { name: "Status", isTop: true, cell: ({ status }) => html`<${Badge} name=${status} />` },
    { name: "Since", cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
    { name: "Actions", isEnd: true, cell: (admin) => admin.id !== who.id && html`<${Button} kind="small" onClick=${() => setSwitched(admin)}>${admin.status === "active" ? "Disable" : "Enable"}<span class="unseen"> ${admin.username}</span></${Button}>` },
  ];
  return html`<${Page} title="Admins" lead="An admin decides about credit and sees everything. Disabling one ends all its sessions at once."
    actions=${html`<${Button} kind="primary" icon="plus" onClick=${() => setIsCreating(true)}>New admin</${Button}>`}>
    <${Pages} pages=${pages} caption="Admins" columns=${columns} />
    ${switched && html`<${Switch} admin=${switched} onClose=${() => setSwitched(null)} onDone=${pages.reload} />`}
    ${isCreating && html`<${Create} onClose=${() => setIsCreating(false)} onDone=${pages.reload} />`}
  </${Page}>`;
}

function Switch({ admin, onClose, onDone }) {
  const command = useAction();
  const isActive = admin.status === "active";
  const submit = async () => {
    if (!(await command.run(() => patch(`/v1/admins/${admin.id}`, { status: isActive ? "disabled" : "active" })))) return;
    toast(isActive ? `${admin.username} is disabled.` : `${admin.username} may sign in again.`);
    onClose();
    onDone();
  };
  return html`<${Form} title=${isActive ? "Disable the admin?" : "Enable the admin?"} verb=${isActive ? "Disable" : "Enable"} kind=${isActive ? "danger" : "primary"} ...${{ command, onClose }} onSubmit=${submit}>
    <p><b>${admin.username}</b> ${isActive ? "can do nothing from this moment on: all its sessions end, and it cannot sign in." : "may sign in again from this moment on."}</p>
  </${Form}>`;
}

function Create({ onClose, onDone }) {
  const [form, setForm] = useState({ username: "", password: "" });
  const action = useAction();
  const [found, setFound] = useState({});
  const errors = { ...fieldErrors(action.fault), ...found };
  const bind = (name) => ({ value: form[name], error: errors[name], onInput: (event) => setForm({ ...form, [name]: event.target.value }) });
  const submit = async (event) => {
    event.preventDefault();
    const wrong = onlyWrong({ username: wrongUsername(form.username), password: wrongPassword(form.password) });
    setFound(wrong);
    if (Object.keys(wrong).length) return;
    // The newest are listed first.
    const find = async () => named((await get("/v1/admins", { limit: 100 })).data, form.username);
    const answer = await action.run(() => madeOrFound(() => post("/v1/admins", form), find));
    if (!answer) return;
    toast(madeWords({ name: answer.made.username, ...answer }));
    onClose();
    onDone();
  };
  return html`<${Dialog} title="New admin" isBusy=${action.isBusy} onClose=${onClose}><form class="stack" onSubmit=${submit} novalidate>
    <${Trouble} fault=${action.fault} />
    <${Field} label="Username" autocapitalize="none" spellcheck="false" maxlength="100" ...${bind("username")} />
    <${PasswordField} label="First password" autocomplete="new-password" hint="At least 10 characters." ...${bind("password")} />
    <div class="dialog-actions"><${Button} disabled=${action.isBusy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" isBusy=${action.isBusy}>Create</${Button}></div>
  </form></${Dialog}>`;
}
