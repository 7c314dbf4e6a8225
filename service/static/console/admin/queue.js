// The queue of pending requests: a list to move in, and the one that is chosen beside it, with what is needed to decide.
//
// Keys while the list has focus: arrows (or J and K) move, A approves, R rejects, N writes a note first. Capitals do the
// same; on a keyboard of another script the key in the same place does.

import { html, useEffect, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { plus } from "../app/money.js";
import { useResource } from "../app/resource.js";
import { href, place, setQuery } from "../app/router.js";
import { session } from "../app/session.js";
import { Amount, Figure } from "../ui/amount.js";
import { Button, Field } from "../ui/controls.js";
import { Ago } from "../ui/moment.js";
import { Card, Facts } from "../ui/page.js";
import { useSeller } from "../ui/seller.js";
import { Badge, Notice } from "../ui/states.js";
import { toast } from "../ui/toast.js";

const SURPRISE_MS = 800;

/** `onGone(hadFocus)`: there is none left; `takesFocus`: they worked here from the keyboard when that was so. */
export function Queue({ waiting, onDecide, hasMore, takesFocus, onGone }) {
  const [chosenId, setChosenId] = useState(place.value.query.request ?? null);
  const [note, setNote] = useState("");
  const list = useRef();
  const noteBox = useRef();
  const lastAt = useRef(0);
  const surprisedAt = useRef(0);
  const found = waiting.findIndex(({ id }) => id === chosenId);
  // Where the chosen one was decided elsewhere, one stays in its place instead of beginning again at the top.
  const at = found < 0 ? Math.min(lastAt.current, waiting.length - 1) : found;
  lastAt.current = at;
  const chosen = waiting[at];
  const choose = (index) => {
    setChosenId(waiting[Math.max(0, Math.min(waiting.length - 1, index))].id);
    setNote("");
  };
  useEffect(() => {
    if (chosen.id !== chosenId) {
      if (chosenId !== null) {
        // Neither the note nor a key that is just pressed was meant for the one that took its place.
        surprisedAt.current = Date.now();
        setNote("");
        toast("The request that was chosen is not pending any more: somebody else decided it, or it was withdrawn.", "info");
      }
      setChosenId(chosen.id);
    }
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen.id]);

  useEffect(() => {
    // The address was for arriving; from here on it is chosen by hand.
    if (place.value.query.request) setQuery({});
    const queue = list.current.closest(".queue");
    if (takesFocus) {
      surprisedAt.current = Date.now(); // a key that is just pressed was not meant for what has just come
      list.current.focus();
    }
    return () => onGone(queue.contains(document.activeElement));
  }, []);

  const decide = (verb) => {
    if (Date.now() - surprisedAt.current < SURPRISE_MS) return;
    const next = waiting[at + 1] ?? waiting[at - 1];
    setChosenId(next?.id ?? null);
    setNote("");
    void onDecide(chosen, verb, note.trim());
    list.current?.focus();
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowDown: () => choose(at + 1), j: () => choose(at + 1), ArrowUp: () => choose(at - 1), k: () => choose(at - 1),
      Home: () => choose(0), End: () => choose(waiting.length - 1),
      a: () => decide("approve"), r: () => decide("reject"), n: () => noteBox.current?.querySelector("textarea").focus(),
    };
    const key = /^[^ -~]$/.test(event.key) ? event.code.slice(-1).toLowerCase() : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = !event.repeat || key.startsWith("Arrow") || key === "j" || key === "k" ? actions[key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  };
  return html`<div class="queue">
    <div class="queue-list-frame">
      <ul class="queue-list" role="listbox" tabindex="0" aria-label="Pending requests, oldest first" aria-activedescendant="request-${chosen.id}" ref=${list} onKeyDown=${onKey}>
        ${waiting.map((request, index) => html`<${QueueItem} key=${request.id} request=${request} isChosen=${index === at} onChoose=${() => choose(index)} />`)}
      </ul>
      <p class="keys" aria-hidden="true"><kbd>↑</kbd><kbd>↓</kbd> move <kbd>A</kbd> approve <kbd>R</kbd> reject <kbd>N</kbd> note</p>
      ${hasMore && html`<p class="hint">There are more than a thousand. The newest thousand are shown; older ones follow.</p>`}
    </div>
    <${Chosen} request=${chosen} note=${note} onNote=${setNote} noteBox=${noteBox} onDecide=${decide} />
  </div>`;
}

function QueueItem({ request, isChosen, onChoose }) {
  const element = useRef();
  const seller = useSeller(useNear(element) ? request.seller_id : null);
  return html`<li ref=${element} id="request-${request.id}" role="option" aria-selected=${isChosen ? "true" : "false"} class=${isChosen ? "chosen" : ""} onClick=${onChoose}>
    <span class="queue-who" dir="auto">${seller?.name ?? "…"}</span><b><${Amount} value=${request.amount} currency=${request.currency} /></b>
    <small dir="auto">${request.approvals.length ? "First of two approvals · " : ""}${request.note || "No note"}</small><small class="end"><${Ago} at=${request.created_at} /></small>
  </li>`;
}

/** Whether it is in sight, or was, or is a few screens away: of hundreds of names those are asked for that are read. */
function useNear(element) {
  const [isNear, setIsNear] = useState(false);
  useEffect(() => {
    const hear = (seen) => seen.some(({ isIntersecting }) => isIntersecting) && setIsNear(true);
    const observer = new IntersectionObserver(hear, { root: element.current.parentElement, rootMargin: "200% 0px" });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return isNear;
}

function Chosen({ request, note, onNote, noteBox, onDecide }) {
  const { data } = useResource(
    async (signal) => {
      const seller_id = request.seller_id;
      const [seller, before] = await Promise.all([
        get(`/v1/sellers/${seller_id}`, {}, { signal }),
        get("/v1/credit-requests", { seller_id, limit: 6 }, { signal }),
      ]);
      return { seller, before: before.data.filter(({ id }) => id !== request.id).slice(0, 5) };
    },
    [request.id],
  );
  const { seller, before = [] } = data ?? {};
  const { currency } = request;
  // The second click of a double click would decide the one that has come in its place.
  const once = (verb) => (event) => event.detail < 2 && onDecide(verb);
  const isMine = request.approvals.some(({ by }) => by === session.value?.id);
  const amount = (value) => seller && html`<${Amount} value=${value} currency=${currency} />`;
  return html`<${Card} className="chosen-request">
    <div class="chosen-head"><div><h2 dir="auto">${seller ? html`<a href=${href(`/sellers/${seller.id}`)}>${seller.name}</a>` : html`<i class="ghost"></i>`}</h2><p>asks for</p></div>
      <p class="chosen-amount"><${Figure} value=${request.amount} currency=${currency} /></p></div>
    ${request.note && html`<blockquote dir="auto">${request.note}</blockquote>`}
    ${request.approvals.length > 0 && html`<${Notice}>${isMine ? "You have approved this already. It needs a second admin: it waits for a colleague." : "One admin has approved this already. It needs a second one: you."}</${Notice}>`}
    ${seller?.status === "suspended" && html`<${Notice} kind="warn" icon="triangle-alert">This seller is suspended.</${Notice}>`}
    <${Facts} facts=${[
      ["Username", seller?.username ?? "…"],
      ["Available now", seller ? amount(seller.balance.available) : "…"],
      ["If approved", seller ? amount(plus(seller.balance.available, request.amount)) : "…"],
      ["On hold", seller ? amount(seller.balance.held) : "…"],
      ["Credit limit", seller ? amount(seller.credit_limit) : "…"],
      ["Asked", html`<${Ago} at=${request.created_at} />`],
    ]} />
    <div ref=${noteBox}><${Field} label="Note to the seller" isOptional as="textarea" rows="2" maxlength="500" dir="auto" value=${note} onInput=${(event) => onNote(event.target.value)} /></div>
    <div class="decide"><${Button} kind="primary big" icon="check" onClick=${once("approve")}>Approve</${Button}><${Button} kind="big" icon="x" onClick=${once("reject")}>Reject</${Button}></div>
    ${before.length > 0 && html`<div class="before"><h3>Other requests of this seller</h3><ul>${before.map((one) => html`<li key=${one.id}><${Badge} name=${one.status} /><${Amount} value=${one.amount} currency=${currency} /><small><${Ago} at=${one.created_at} /></small></li>`)}</ul></div>`}
  </${Card}>`;
}
