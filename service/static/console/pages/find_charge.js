// Finding one charge by the id that stands on its receipt.

import { html, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { useAction } from "../app/commands.js";
import { explain } from "../app/problems.js";
import { go } from "../app/router.js";
import { Button, Field } from "../ui/controls.js";

/** Also in the midst of an address that was pasted. */
const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
const HASH = /^[0-9a-f]{64}$/i;

export function FindCharge() {
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(null);
  const action = useAction();
  const submit = async (event) => {
    event.preventDefault();
    const id = ID.exec(typed)?.[0].toLowerCase();
    setWrong(id ? null : HASH.test(typed.trim()) ? "This is the receipt's hash. Enter the id above it." : "Enter the whole id, as on the receipt.");
    if (!id) return action.clear();
    const charge = await action.run(() => get(`/v1/charges/${id}`));
    return charge && go(`/charges/${charge.id}`);
  };
  const change = (event) => {
    setTyped(event.target.value);
    setWrong(null);
    action.clear();
  };
  const refused = action.fault?.status === 404 ? "No charge has this id. Compare it with the receipt." : action.fault && explain(action.fault);
  return html`<form class="find" role="search" aria-label="Find a charge" onSubmit=${submit} novalidate>
    <${Field} label="Charge id" type="search" dir="ltr" spellcheck="false" autocapitalize="none" placeholder="From the receipt" value=${typed} error=${wrong || refused} onInput=${change} />
    <${Button} type="submit" icon="search" isBusy=${action.isBusy}>Find</${Button}>
  </form>`;
}
