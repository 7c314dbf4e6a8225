// Sellers: found, and created.

import { html, useEffect, useRef, useState } from "../app/preact.js";
import { get, post } from "../app/api.js";
import { madeOrFound, madeWords, useAction } from "../app/commands.js";
import { named, onlyWrong, wrongPassword, wrongUsername } from "../app/credentials.js";
import { fieldErrors } from "../app/problems.js";
import { go, href, place, setQuery } from "../app/router.js";
import { useStore } from "../app/store.js";
import { isZero } from "../app/money.js";
import { Amount } from "../ui/amount.js";
import { Button, Choice, Field, PasswordField } from "../ui/controls.js";
import { Dialog } from "../ui/dialog.js";
import { Ago } from "../ui/moment.js";
import { Filters, Page } from "../ui/page.js";
import { remember } from "../ui/seller.js";
import { Badge, Empty, Trouble } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { toast } from "../ui/toast.js";

const STATUSES = [{ value: "", label: "All" }, { value: "active", label: "Active" }, { value: "suspended", label: "Suspended" }];
const SETTLE_MS = 200;

const COLUMNS = [
  { name: "Seller", isMain: true, cell: ({ id, name }) => html`<a class="row-link" href=${href(`/sellers/${id}`)}><bdi>${name}</bdi></a>` },
  { name: "Username", cell: ({ username }) => username },
  { name: "Status", cell: ({ status }) => html`<${Badge} name=${status} />` },
  { name: "Since", isQuiet: true, cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
  { name: "Limit", isEnd: true, isQuiet: true, cell: ({ credit_limit, currency }) => (isZero(credit_limit) ? html`<span class="faint">none</span>` : html`<${Amount} value=${credit_limit} currency=${currency} />`) },
  { name: "Held", isEnd: true, isQuiet: true, cell: ({ balance, currency }) => (isZero(balance.held) ? html`<span class="faint">–</span>` : html`<${Amount} value=${balance.held} currency=${currency} />`) },
  { name: "Available", isEnd: true, isTop: true, cell: ({ balance, currency }) => html`<b><${Amount} value=${balance.available} currency=${currency} /></b>` },
];

export function Sellers() {
  const { query } = useStore(place);
  const [isCreating, setIsCreating] = useState(false);
  const [typed, setTyped] = useState(query.q || "");
  const timer = useRef();
  useEffect(() => {
    // The way back, and the navigation, change what is searched for too.
    if ((query.q || "") !== typed.trim()) setTyped(query.q || "");
  }, [query.q]);
  const pages = usePages("/v1/sellers", { q: query.q, status: query.status }, { isAbout: ({ type }) => type !== "declined" });
  const search = (text) => {
    setTyped(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ ...query, q: text.trim() }), SETTLE_MS);
  };
  return html`<${Page} title="Sellers" actions=${html`<${Button} kind="primary" icon="plus" onClick=${() => setIsCreating(true)}>New seller</${Button}>`}>
    <${Filters} label="Find sellers">
      <${Field} label="Search" type="search" className="grow" placeholder="Name or username" value=${typed} onInput=${(event) => search(event.target.value)} />
      <${Choice} label="Status" options=${STATUSES} value=${query.status || ""} onChange=${(status) => setQuery({ ...query, status })} />
    </${Filters}>
    <${Pages} pages=${pages} caption="Sellers" columns=${COLUMNS}
      empty=${query.q || query.status
        ? html`<${Empty} icon="search" title="Nobody found">Try a shorter part of the name or username.</${Empty}>`
        : html`<${Empty} icon="users" title="No sellers yet" action=${html`<${Button} kind="primary" icon="plus" onClick=${() => setIsCreating(true)}>Create the first one</${Button}>`}>A seller signs in with its own username and sells on prepaid credit.</${Empty}>`} />
    ${isCreating && html`<${Create} onClose=${() => setIsCreating(false)} />`}
  </${Page}>`;
}

function Create({ onClose }) {
  const [form, setForm] = useState({ name: "", username: "", password: "", currency: "" });
  const [found, setFound] = useState({});
  const action = useAction();
  const bind = (name) => ({ name, value: form[name], error: found[name] || fieldErrors(action.fault)[name], onInput: (event) => setForm({ ...form, [name]: event.target.value }) });
  const submit = async (event) => {
    event.preventDefault();
    const errors = onlyWrong({
      name: form.name.trim() ? null : "Enter the name that people know it by.",
      username: wrongUsername(form.username),
      password: wrongPassword(form.password),
    });
    setFound(errors);
    if (Object.keys(errors).length) return;
    const { currency, ...rest } = form;
    const name = form.name.trim();
    const make = () => post("/v1/sellers", { ...rest, name, ...(currency && { currency: currency.toUpperCase() }) });
    const find = async () => named((await get("/v1/sellers", { q: form.username, limit: 100 })).data.filter((one) => one.name === name), form.username);
    const answer = await action.run(() => madeOrFound(make, find));
    if (!answer) return;
    const seller = answer.made;
    remember(seller);
    toast(madeWords({ name: seller.name, ...answer }));
    onClose();
    go(`/sellers/${seller.id}`);
  };
  return html`<${Dialog} title="New seller" isBusy=${action.isBusy} onClose=${onClose}><form class="stack" onSubmit=${submit} novalidate>
    <${Trouble} fault=${action.fault} />
    <${Field} label="Name" dir="auto" maxlength="100" placeholder="Corner Kiosk" ...${bind("name")} autofocus />
    <${Field} label="Username" autocapitalize="none" spellcheck="false" maxlength="100" placeholder="corner-kiosk" ...${bind("username")} />
    <${PasswordField} label="First password" autocomplete="new-password" hint="At least 10 characters; the seller changes it after signing in." ...${bind("password")} />
    <${Field} label="Currency" isOptional maxlength="3" placeholder="The shop's" hint="Three letters, as EUR. Fixed for ever." inputClass="upper" ...${bind("currency")} />
    <div class="dialog-actions"><${Button} disabled=${action.isBusy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" isBusy=${action.isBusy}>Create</${Button}></div>
  </form></${Dialog}>`;
}
