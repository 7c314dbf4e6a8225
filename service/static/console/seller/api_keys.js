// API keys: made, shown once with a line to paste into a terminal, and revoked.

import { html, useEffect, useState } from "../app/preact.js";
import { isInDoubt, post, remove } from "../app/api.js";
import { useAction } from "../app/commands.js";
import { fieldErrors } from "../app/problems.js";
import { Button, Copyable, Field } from "../ui/controls.js";
import { Dialog } from "../ui/dialog.js";
import { Ago } from "../ui/moment.js";
import { Card, Page } from "../ui/page.js";
import { Empty, Notice, Trouble } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { toast } from "../ui/toast.js";

export function ApiKeys() {
  const pages = usePages("/v1/api-keys", {});
  const [made, setMade] = useState(null);
  const [revoked, setRevoked] = useState(null);
  const columns = [
    { name: "Name", isMain: true, cell: ({ name }) => html`<b dir="auto">${name}</b>` },
    { name: "Begins with", cell: ({ prefix }) => html`<code>${prefix}…</code>` },
    { name: "Made", isQuiet: true, cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
    { name: "Last used", isLabelled: true, cell: ({ last_used_at }) => (last_used_at ? html`<${Ago} at=${last_used_at} />` : html`<span class="faint">never</span>`) },
    { name: "Actions", isEnd: true, cell: (key) => html`<${Button} kind="small" onClick=${() => setRevoked(key)}>Revoke</${Button}>` },
  ];
  return html`<${Page} title="API keys" lead=${html`For your programs. The <a href="/swagger/">documentation of the API</a> shows every operation.`}>
    ${made && html`<${NewKey} made=${made} onClose=${() => setMade(null)} />`}
    <div class="columns narrow-first">
      <${Create} onMade=${(key) => (setMade(key), pages.reload())} onLost=${pages.reload} />
      <${Card} title="Your keys"><${Pages} pages=${pages} caption="API keys" columns=${columns} empty=${html`<${Empty} icon="key-round" title="No keys">One key for each program, so that each can be revoked by itself.</${Empty}>`} /></${Card}>
    </div>
    ${revoked && html`<${Revoke} apiKey=${revoked} onClose=${() => setRevoked(null)} onDone=${pages.reload} />`}
  </${Page}>`;
}

function Create({ onMade, onLost }) {
  const [name, setName] = useState("");
  const action = useAction();
  const [error, setError] = useState(null);
  const isLost = isInDoubt(action.fault);
  useEffect(() => void (isLost && onLost()), [isLost]);
  const submit = async (event) => {
    event.preventDefault();
    setError(name.trim() ? null : "Give it a name, to know it by later.");
    if (!name.trim()) return;
    const made = await action.run(() => post("/v1/api-keys", { name: name.trim() }));
    if (!made) return;
    setName("");
    onMade(made);
  };
  return html`<${Card} title="New key"><form class="stack" onSubmit=${submit} novalidate>
    ${isLost
      ? html`<${Notice} kind="danger" icon="circle-x"><span role="alert">No answer came back. A key may have been made whose secret nobody has seen: if it is among your keys, revoke it, and make another one.</span></${Notice}>`
      : html`<${Trouble} fault=${action.fault} />`}
    <${Field} label="Name" placeholder="Till 3" value=${name} dir="auto" error=${error || fieldErrors(action.fault).name} maxlength="100" onInput=${(event) => setName(event.target.value)} />
    <div><${Button} kind="primary" type="submit" icon="plus" isBusy=${action.isBusy}>Make the key</${Button}></div>
  </form></${Card}>`;
}

function NewKey({ made, onClose }) {
  const curl = `curl -s ${location.origin}/v1/charges -H 'Authorization: Bearer ${made.key}' -H 'Content-Type: application/json' -H "Idempotency-Key: order-1" -d '{"phone_number":"+15550100001","amount":"5"}'`;
  return html`<${Dialog} title="Your new key" size="wide" onClose=${onClose}>
    <${Notice} kind="warn" icon="triangle-alert">This is the only time that it is shown. Copy it now, and keep it as you keep money.</${Notice}>
    <h3>Key</h3><div class="secret"><${Copyable} text=${made.key} label="Copy the key" /></div>
    <h3>Sell with it</h3><div class="secret curl"><${Copyable} text=${curl} label="Copy the command" /></div>
    <p class="hint">The same key of idempotency sells once, however often the line is run. Another order takes another one.</p>
    <div class="dialog-actions"><${Button} kind="primary" onClick=${onClose}>I have copied it</${Button}></div>
  </${Dialog}>`;
}

function Revoke({ apiKey, onClose, onDone }) {
  const action = useAction();
  const run = async () => {
    if ((await action.run(() => remove(`/v1/api-keys/${apiKey.id}`))) === undefined) return;
    toast(`${apiKey.name} is revoked.`);
    onClose();
    onDone();
  };
  return html`<${Dialog} title="Revoke the key?" isBusy=${action.isBusy} onClose=${onClose}>
    <p>Programs that use <b dir="auto">${apiKey.name}</b> are refused within a second. This cannot be undone.</p>
    <${Trouble} fault=${action.fault} />
    <div class="dialog-actions"><${Button} disabled=${action.isBusy} onClick=${onClose}>Keep it</${Button}><${Button} kind="danger" isBusy=${action.isBusy} onClick=${run}>Revoke</${Button}></div>
  </${Dialog}>`;
}
