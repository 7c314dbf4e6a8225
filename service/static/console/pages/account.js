// Who is signed in, and the change of the password.

import { html, useState } from "../app/preact.js";
import { post } from "../app/api.js";
import { useAction } from "../app/commands.js";
import { wrongPassword } from "../app/credentials.js";
import { fieldErrors } from "../app/problems.js";
import { leave, signOut } from "../app/shell.js";
import { Button, Copyable, PasswordField } from "../ui/controls.js";
import { At } from "../ui/moment.js";
import { Card, Facts, Page } from "../ui/page.js";
import { Trouble } from "../ui/states.js";
import { toast } from "../ui/toast.js";

export function Account({ who }) {
  const actions = html`<${Button} icon="users" onClick=${leave}>Another user in this tab</${Button}><${Button} icon="log-out" onClick=${signOut}>Sign out</${Button}>`;
  return html`<${Page} title="Account" lead="Tabs that you open share this session, and end with it when you sign out." actions=${actions}>
    <div class="columns">
      <${Card} title="You"><${Facts} facts=${[
        ["Name", who.seller?.name && html`<span dir="auto">${who.seller.name}</span>`],
        ["Username", who.username],
        ["Role", who.role === "admin" ? "Admin" : "Seller"],
        ["Currency", who.seller?.currency],
        ["Id", html`<${Copyable} text=${who.id} label="Copy id" />`],
        ["Signed in until", html`<${At} at=${who.expires_at} />`],
      ]} /></${Card}>
      <${ChangePassword} />
    </div>
  </${Page}>`;
}

const EMPTY = { current_password: "", new_password: "", again: "" };

function ChangePassword() {
  const [form, setForm] = useState(EMPTY);
  const [mismatch, setMismatch] = useState(null);
  const action = useAction();
  const errors = fieldErrors(action.fault);
  const bind = (name) => ({ value: form[name], name, onInput: (event) => setForm({ ...form, [name]: event.target.value }) });
  const submit = async (event) => {
    event.preventDefault();
    const { current_password, new_password, again } = form;
    if (wrongPassword(new_password)) return setMismatch({ new_password: wrongPassword(new_password) });
    if (new_password !== again) return setMismatch({ again: "This is not the same as the new password." });
    setMismatch(null);
    if ((await action.run(() => post("/v1/auth/password", { current_password, new_password }))) === undefined) return undefined;
    setForm(EMPTY);
    toast("The password is changed. Your other sessions have ended.");
    return undefined;
  };
  return html`<${Card} title="Password">
    <form class="stack" onSubmit=${submit} novalidate>
      <${Trouble} fault=${action.fault} />
      <${PasswordField} label="Current password" ...${bind("current_password")} autocomplete="current-password" error=${errors.current_password} />
      <${PasswordField} label="New password" hint="At least 10 characters. A few words that only you would put together are good." ...${bind("new_password")} autocomplete="new-password" error=${mismatch?.new_password || errors.new_password} />
      <${PasswordField} label="New password again" ...${bind("again")} autocomplete="new-password" error=${mismatch?.again} />
      <div><${Button} kind="primary" type="submit" isBusy=${action.isBusy}>Change password</${Button}></div>
    </form>
  </${Card}>`;
}
