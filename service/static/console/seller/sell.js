// Selling: the page a counter works with all day. One form, one intent, one key: see seller/sale.js.

import { html, useCallback, useEffect, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { useBalance } from "../app/balance.js";
import { useLive } from "../app/live.js";
import { NotFinished } from "./not_finished.js";
import { useSale } from "./sale.js";
import { useUsual } from "./usual.js";
import { inLatin, readAmount } from "../app/money.js";
import { money } from "../app/format.js";
import { fieldErrors } from "../app/problems.js";
import { useResource } from "../app/resource.js";
import { chargeColumns } from "../pages/charges.js";
import { ChargeActions, ChargeSummary } from "../pages/charge.js";
import { Figure } from "../ui/amount.js";
import { useCalm } from "../ui/calm.js";
import { Button, Choice, Field } from "../ui/controls.js";
import { Card, Page } from "../ui/page.js";
import { Icon } from "../ui/icon.js";
import { Empty, Loaded, Notice, Trouble, word } from "../ui/states.js";
import { CalmTable } from "../ui/table.js";

const EMPTY = { phone_number: "", amount: "", reference: "", mode: "sell", minutes: "15" };
const RECENT = 5;
const LATEST = chargeColumns(false);
/** The receipt is below the form, where the keyboard of a phone would cover it. */
const isNarrow = matchMedia("(max-width: 52rem)");
const UNSOLD = {
  session: "Your session had ended, so this was not sold. Sell it if it is still wanted.",
  old: "This was begun more than ten minutes ago, and was not sold. Sell it if it is still wanted.",
  stopped: "You stopped asking, and nothing was sold.",
};
const IN_DOUBT = "No certain answer yet. Asking again with the same key until there is one: it is sold once at most. Do not sell it again elsewhere.";
const NOT_YET = "Nothing was sold yet: the service cannot sell now. Asking again until it can.";
const CHARGE_TYPES = new Set(["charge", "declined", "hold", "capture", "void", "expiry", "refund"]);

export function Sell({ who }) {
  const balance = useBalance();
  const sale = useSale(who);
  const recent = useResource((signal) => get("/v1/charges", { limit: RECENT }, { signal }), [], { isAbout: ({ type }) => CHARGE_TYPES.has(type) });
  const place = useRef(null);
  const calm = useCalm(recent.data, place, { isLong: false });
  useEffect(() => {
    if (!sale.receipt) return;
    balance?.told(sale.receipt);
    calm.wanted(); // one's own sale is shown wherever the pointer was left
    void recent.reload();
  }, [sale.receipt]);
  const lead = balance && html`<span class="sell-balance"><${Figure} value=${balance.available} currency=${balance.currency} /> <small>available</small></span>`;
  return html`<${Page} title="Sell" lead=${lead}>
    ${sale.notFinished.length > 0 && html`<${NotFinished} sale=${sale} who=${who} />`}
    <div class="columns">
      <${SellForm} who=${who} sale=${sale} />
      <div class="stack">
        ${sale.receipt
          ? html`<${Receipt} who=${who} charge=${sale.receipt} />`
          : html`<${Card} className="receipt-place"><${Empty} icon="receipt" title="The receipt appears here">Every sale is written to the journal before it is shown as done.</${Empty}></${Card}>`}
      </div>
    </div>
    <${Card} title="Latest" aside=${html`<a href="#/charges">All of them</a>`}>
      <${Loaded} resource=${recent} lines="3">${() => calm.data.data.length
        ? html`<${CalmTable} caption="Latest charges" columns=${LATEST} ...${{ calm, place }} />`
        : html`<${Empty} icon="smartphone" title="Nothing sold yet">Fill in the form; Enter sells.</${Empty}>`}</${Loaded}>
    </${Card}>
  </${Page}>`;
}

function SellForm({ who, sale }) {
  const balance = useBalance();
  const currency = who.seller.currency;
  const decimals = (who.seller.credit_limit.split(".")[1] || "").length;
  const usual = useUsual(who, decimals);
  const [form, setForm] = useState(sale.unfinished ? formOf(sale.unfinished) : EMPTY);
  const [errors, setErrors] = useState({});
  const element = useRef();
  const focusOn = (name) => element.current?.querySelector(`[name=${name}]`)?.focus();
  const set = (part) => {
    setForm({ ...form, ...part });
    sale.clear();
  };
  const bind = (name) => ({ name, value: form[name], onInput: (event) => set({ [name]: event.target.value }), readOnly: sale.isBusy });

  const submit = async (event) => {
    event.preventDefault();
    const amount = readAmount(form.amount, decimals);
    const found = {};
    if (!form.phone_number.trim()) found.phone_number = "Enter the number to top up.";
    if (amount.error) found.amount = amount.error;
    setErrors(found);
    if (Object.keys(found).length) return focusOn(Object.keys(found)[0]);
    const body = { phone_number: inLatin(form.phone_number).replace(/[\s().\-\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, ""), amount: amount.text };
    if (form.reference.trim()) body.reference = form.reference.trim();
    if (form.mode === "hold") Object.assign(body, { capture: false, expires_in: Number(form.minutes) * 60 });
    if (!(await sale.sell(body))) return undefined;
    return isNarrow.matches ? undefined : focusOn("phone_number");
  };
  useEffect(() => {
    if (sale.receipt || sale.isListed) setForm((now) => ({ ...EMPTY, mode: now.mode, minutes: now.minutes }));
  }, [sale.receipt, sale.isListed]);
  useEffect(() => {
    if (sale.isListed || sale.unsold === "stopped") focusOn("phone_number"); // the button that stopped it is gone
  }, [sale.isListed, sale.unsold]);
  useEffect(() => {
    if (sale.asked) setForm(formOf(sale.asked));
  }, [sale.asked]);
  const shown = { ...fieldErrors(sale.fault), ...errors };
  return html`<${Card} className="sell-card">
    <form ref=${element} class="stack" onSubmit=${submit} novalidate aria-label="Sell">
      <${Choice} label="What" isLabelHidden options=${[{ value: "sell", label: "Sell now" }, { value: "hold", label: "Hold first" }]} value=${form.mode} disabled=${sale.isBusy} onChange=${(mode) => set({ mode })} />
      <${Field} label="Phone number" type="tel" inputmode="tel" dir="ltr" placeholder="+1 555 010 0001" ...${bind("phone_number")} error=${shown.phone_number} inputClass="big" />
      <${Field} label="Amount" inputmode="decimal" dir="ltr" placeholder=${decimals ? `0.${"0".repeat(decimals)}` : "0"} affix=${currency} ...${bind("amount")} error=${shown.amount} inputClass="big" />
      <div class="usual" role="group" aria-label="Usual amounts">${usual.map((amount) => html`<button key=${amount} type="button" class="chip" disabled=${sale.isBusy} onClick=${() => (set({ amount }), focusOn("amount"))}>${money(amount, currency)}</button>`)}</div>
      ${form.mode === "hold" && html`<${Field} label="Give back after" as="select" value=${form.minutes} disabled=${sale.isBusy} onChange=${(event) => set({ minutes: event.target.value })}>
        ${[["5", "5 minutes"], ["15", "15 minutes"], ["60", "1 hour"], ["1440", "1 day"], ["10080", "7 days"]].map(([value, name]) => html`<option key=${value} value=${value}>${name}</option>`)}</${Field}>`}
      <${Field} label="Reference" isOptional ...${bind("reference")} maxlength="100" dir="auto" error=${shown.reference} />
      <${Trouble} fault=${sale.fault} context=${{ currency, credit_limit: balance?.credit_limit }} />
      ${sale.unsold && html`<${Notice} kind="warn" icon="clock"><span role="status">${UNSOLD[sale.unsold]}</span></${Notice}>`}
      ${sale.isListed && html`<${Notice} kind="warn" icon="clock"><span role="status">You stopped asking. It may have been sold all the same: it stands under “Not finished”, to be asked for again or looked up.</span></${Notice}>`}
      ${sale.isWaiting && html`<${Notice} kind="warn" icon="clock"><span role="status">${sale.maybeSold ? IN_DOUBT : NOT_YET}</span></${Notice}>`}
      <${Button} kind="primary wide big" type="submit" icon=${form.mode === "hold" ? "hourglass" : "zap"} isBusy=${sale.isBusy}>${sale.isBusy ? (form.mode === "hold" ? "Holding…" : "Selling…") : form.mode === "hold" ? "Hold" : "Sell"}</${Button}>
      ${sale.isWaiting && html`<${Button} kind="wide" icon="x" onClick=${sale.stop}>Stop asking</${Button}>`}
      ${balance && balance.available.startsWith("-") && html`<p class="hint">You sell on your credit limit of ${money(balance.credit_limit, currency)}.</p>`}
    </form>
  </${Card}>`;
}

const formOf = ({ body }) => ({
  ...EMPTY, phone_number: body.phone_number, amount: body.amount, reference: body.reference || "", mode: body.capture === false ? "hold" : "sell",
  ...(body.expires_in && { minutes: String(body.expires_in / 60) }),
});

/** The charge as it is now: a hold is captured, voided or expires while its receipt is looked at. */
function useLatest(charge) {
  const [latest, setLatest] = useState(charge);
  const again = useCallback(() => get(`/v1/charges/${charge.id}`).then(setLatest, () => {}), [charge.id]);
  useLive((entries) => entries.some(({ charge_id, seq }) => charge_id === charge.id && seq > charge.seq) && again());
  return [latest.id === charge.id ? latest : charge, again];
}

const DONE = { completed: "Sold", pending: "Held" };

function Receipt({ who, charge: made }) {
  const [charge, again] = useLatest(made);
  const place = useRef();
  useEffect(() => {
    if (isNarrow.matches) place.current.scrollIntoView();
  }, [charge.id]);
  const next = () => document.querySelector(".sell-card [name=phone_number]").focus();
  return html`<div ref=${place}><${Card} className="receipt-card done">
    <p class="only-print receipt-shop">${who.seller.name}</p>
    <p class="receipt-done" role="status"><${Icon} name="circle-check" size="20" /> ${DONE[charge.status] ?? word(charge.status)}</p>
    <${ChargeSummary} charge=${charge} />
    <div class="card-actions"><${Button} kind="primary" className="next-sale" icon="zap" onClick=${next}>Next sale</${Button}><${ChargeActions} who=${who} charge=${charge} onDone=${again} /><${Button} icon="printer" onClick=${() => window.print()}>Print receipt</${Button}><a class="button" href="#/charges/${charge.id}">Open</a></div>
  </${Card}></div>`;
}
