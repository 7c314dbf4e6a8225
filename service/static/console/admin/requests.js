// Credit requests: the queue of what waits, worked off from the keyboard, and what was decided.
//
// A decision is sent while the next request is already shown: whoever decides never waits for the answer of the last one.

import { html, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { certainly, newKey } from "../app/commands.js";
import { CHANGES_REQUESTS } from "../app/pending.js";
import { explain } from "../app/problems.js";
import { useResource } from "../app/resource.js";
import { href, place, setQuery } from "../app/router.js";
import { useStore } from "../app/store.js";
import { money } from "../app/format.js";
import { AdminName } from "../ui/admin.js";
import { Amount } from "../ui/amount.js";
import { Choice } from "../ui/controls.js";
import { Ago } from "../ui/moment.js";
import { Page } from "../ui/page.js";
import { SellerLink, sellerOf } from "../ui/seller.js";
import { Badge, Empty, Loaded } from "../ui/states.js";
import { Pages, usePages } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { Queue } from "./queue.js";

const PENDING_MAX = 1000;
const SHOWN = [
  { value: "pending", label: "Pending" },
  { value: "approved", label: "Approved" },
  { value: "rejected", label: "Rejected" },
  { value: "cancelled", label: "Cancelled" },
];

export function Requests() {
  const { query } = useStore(place);
  const status = query.status || "pending";
  return html`<${Page} title="Credit requests" actions=${html`<${Choice} label="Show" isLabelHidden options=${SHOWN} value=${status} onChange=${(value) => setQuery({ status: value === "pending" ? "" : value })} />`}>
    ${status === "pending" ? html`<${Pending} />` : html`<${Decided} key=${status} status=${status} />`}
  </${Page}>`;
}

function Pending() {
  const resource = useResource(pendingRequests, [], { isAbout: ({ type }) => CHANGES_REQUESTS.has(type) });
  const [decided, setDecided] = useState(new Set()); // sent or answered, whatever an older list says
  const [news, setNews] = useState("");
  // Oldest first: who waits longest is served first.
  const waiting = (resource.data?.found ?? []).filter(({ id }) => !decided.has(id)).reverse();

  // The keyboard goes on where it was: at the heading while there is none, and in the list again when the next one comes.
  const leftFrom = useRef(null);
  const onGone = (hadFocus) => queueMicrotask(() => {
    leftFrom.current = hadFocus ? document.querySelector("main h1") : null;
    leftFrom.current?.focus({ preventScroll: true });
  });
  const takesFocus = leftFrom.current !== null && document.activeElement === leftFrom.current;

  const decide = async (request, verb, note) => {
    setDecided((now) => new Set(now).add(request.id));
    const name = (await sellerOf(request.seller_id).catch(() => null))?.name ?? "the seller";
    try {
      const answer = await certainly(`/v1/credit-requests/${request.id}/${verb}`, note ? { note } : {}, newKey());
      const amount = money(request.amount, request.currency);
      if (answer.status === "pending") {
        toast(`First approval of ${amount} for ${name}. A second admin must approve it too.`, "info");
        setDecided((now) => new Set([...now].filter((id) => id !== request.id)));
      } else setNews(`${verb === "approve" ? "Approved" : "Rejected"}: ${amount} for ${name}.`);
    } catch (fault) {
      toast(`${name}: ${explain(fault)}`, "bad");
      if (fault.code !== "already_decided") setDecided((now) => new Set([...now].filter((id) => id !== request.id)));
      void resource.reload(); // what was decided says so itself, as an entry
    }
  };

  return html`<${Loaded} resource=${resource} lines="6">${() => html`
    <p class="queue-news" role="status" aria-live="polite">${news}${news && waiting.length ? ` ${waiting.length} left.` : ""}</p>
    ${waiting.length
      ? html`<${Queue} waiting=${waiting} onDecide=${decide} hasMore=${resource.data.hasMore} takesFocus=${takesFocus} onGone=${onGone} />`
      : html`<${Empty} icon="inbox" title="All decided">New requests appear here by themselves.</${Empty}>`}`}
  </${Loaded}>`;
}

/** `isOfAll`: of all sellers, not of the one whose page it is. */
export const requestColumns = (isOfAll) => [
  { name: "Amount", isMain: true, cell: ({ amount, currency }) => html`<b><${Amount} value=${amount} currency=${currency} /></b>` },
  ...(isOfAll ? [{ name: "Seller", isTop: true, cell: ({ seller_id }) => html`<${SellerLink} id=${seller_id} />` }] : []),
  { name: "Asked", isQuiet: true, cell: ({ created_at }) => html`<${Ago} at=${created_at} />` },
  { name: "Note", cell: ({ note }) => html`<span dir="auto">${note || "–"}</span>` },
  { name: "Decision", cell: (request) => html`<${Badge} name=${request.status} /> <${Decision} request=${request} />` },
  { name: "Said", isQuiet: !isOfAll, cell: ({ decision_note }) => html`<span dir="auto">${decision_note || "–"}</span>` },
];

function Decision({ request }) {
  if (request.status === "pending") return html`<a href=${href("/requests", { request: request.id })}>Decide</a>`;
  const who = request.status !== "cancelled" && html` <small>by <${AdminName} id=${request.decided_by} /></small>`;
  return html`<${Ago} at=${request.decided_at} />${who}`;
}

/** {found, hasMore}: newest first, as the API lists them; all pages, since whoever waits longest is on the last one. */
async function pendingRequests(signal) {
  const found = [];
  for (let cursor = null; ; ) {
    const page = await get("/v1/credit-requests", { status: "pending", limit: 100, cursor }, { signal });
    found.push(...page.data);
    cursor = page.next_cursor;
    if (!page.has_more || found.length >= PENDING_MAX) return { found, hasMore: page.has_more };
  }
}

function Decided({ status }) {
  const pages = usePages("/v1/credit-requests", { status }, { isAbout: ({ type }) => CHANGES_REQUESTS.has(type) });
  return html`<${Pages} pages=${pages} caption="Credit requests" columns=${requestColumns(true)} empty=${html`<${Empty} icon="inbox" title="None ${status}" />`} />`;
}
