// Holds that wait to be captured or voided, the time they have left, and what they keep together.

import { html } from "../app/preact.js";
import { useBalance } from "../app/balance.js";
import { href } from "../app/router.js";
import { Amount } from "../ui/amount.js";
import { Countdown, Ago } from "../ui/moment.js";
import { ChargeActions } from "../pages/charge.js";
import { Page } from "../ui/page.js";
import { Phone } from "../ui/phone.js";
import { Empty } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";

const CHANGES_HOLDS = new Set(["hold", "capture", "void", "expiry"]);

export function Holds({ who }) {
  const balance = useBalance();
  const pages = usePages("/v1/charges", { status: "pending" }, { isAbout: ({ type }) => CHANGES_HOLDS.has(type) });
  const columns = [
    { name: "Number", isMain: true, cell: (charge) => html`<a href=${href(`/charges/${charge.id}`)}><${Phone} number=${charge.phone_number} /></a>` },
    { name: "Reference", isQuiet: true, cell: ({ reference }) => html`<span dir="auto">${reference || "–"}</span>` },
    { name: "Held", isQuiet: true, cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
    { name: "Given back in", isLabelled: true, cell: ({ expires_at }) => html`<${Countdown} to=${expires_at} />` },
    { name: "Amount", isEnd: true, isTop: true, cell: ({ amount, currency }) => html`<${Amount} value=${amount} currency=${currency} />` },
    { name: "Actions", isEnd: true, cell: (charge) => html`<span class="row-actions"><${ChargeActions} who=${who} charge=${charge} onDone=${pages.reload} isSmall /></span>` },
  ];
  const lead = balance && html`<${Amount} value=${balance.held} currency=${balance.currency} /> is held. Capture takes it, void gives it back; what is left alone is given back by itself.`;
  return html`<${Page} title="Holds" lead=${lead}>
    <${Pages} pages=${pages} caption="Holds" columns=${columns}
      empty=${html`<${Empty} icon="hourglass" title="No open holds" action=${html`<a class="button" href="#/">Hold an amount</a>`}>A hold reserves credit until you know that the top-up went through.</${Empty}>`} />
  </${Page}>`;
}
