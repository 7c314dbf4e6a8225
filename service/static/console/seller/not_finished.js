// Sales that nobody waited for to the end: they may have been sold or not. Each is asked for again under its own key, which
// sells it once at most, or is looked up.

import { html, useState } from "../app/preact.js";
import { ofService } from "../app/clock.js";
import { decimalsOf, withDecimals } from "../app/money.js";
import { explain } from "../app/problems.js";
import { go } from "../app/router.js";
import { Amount } from "../ui/amount.js";
import { Button } from "../ui/controls.js";
import { Ago } from "../ui/moment.js";
import { Card } from "../ui/page.js";
import { Phone } from "../ui/phone.js";
import { Table } from "../ui/table.js";
import { toast } from "../ui/toast.js";

export function NotFinished({ sale, who }) {
  const { currency, credit_limit } = who.seller;
  const columns = [
    { name: "Number", isMain: true, cell: ({ body }) => html`<${Phone} number=${body.phone_number} />` },
    { name: "Begun", cell: ({ at }) => html`<${Ago} at=${new Date(ofService(at || 0)).toISOString()} />` },
    { name: "Amount", isEnd: true, isTop: true, cell: ({ body }) => html`<${Amount} value=${withDecimals(body.amount, decimalsOf(credit_limit))} currency=${currency} />` },
    { name: "Actions", isEnd: true, cell: (intent) => html`<${Actions} sale=${sale} intent=${intent} />` },
  ];
  return html`<${Card} title="Not finished">
    <p>Whether these were sold is not known. Asking again sells each once at most; looking up changes nothing.</p>
    <${Table} caption="Not finished" keyOf=${({ key }) => key} columns=${columns} rows=${sale.notFinished} />
  </${Card}>`;
}

function Actions({ sale, intent }) {
  const [isLooking, setIsLooking] = useState(false);
  const [isMissing, setIsMissing] = useState(false);
  const lookUp = async () => {
    setIsLooking(true);
    try {
      const charge = await sale.lookUp(intent);
      if (charge) {
        sale.forget(intent);
        return go(`/charges/${charge.id}`);
      }
      setIsMissing(true);
    } catch (fault) {
      toast(explain(fault), "bad");
    }
    return setIsLooking(false);
  };
  return html`<span class="row-actions">
    ${isMissing && html`<small role="status">Not sold by now.</small>`}
    <${Button} kind="small" isBusy=${isLooking} onClick=${lookUp}>Look it up</${Button}>
    <${Button} kind="small" disabled=${sale.isBusy} onClick=${() => sale.askAgain(intent)}>Ask again</${Button}>
    ${isMissing && html`<${Button} kind="small" onClick=${() => sale.forget(intent)}>Forget it</${Button}>`}
  </span>`;
}
