// The whole shop at a glance, live.

import { html, useEffect, useReducer, useRef, useState } from "../app/preact.js";
import { now } from "../app/clock.js";
import { useLive } from "../app/live.js";
import { usePendingCount } from "../app/pending.js";
import { useResource } from "../app/resource.js";
import { href } from "../app/router.js";
import { clock, midnight, money, rate, share, whole } from "../app/format.js";
import { isZero } from "../app/money.js";
import { Amount, Figure } from "../ui/amount.js";
import { useCalm } from "../ui/calm.js";
import { ShareBar, TimeChart } from "../ui/chart.js";
import { Icon } from "../ui/icon.js";
import { Ago } from "../ui/moment.js";
import { Card, Page, Stat } from "../ui/page.js";
import { SellerLink } from "../ui/seller.js";
import { Badge, Empty, Loaded, Skeleton, Trouble } from "../ui/states.js";
import { usePages } from "../ui/table.js";
import { Effect } from "../pages/transactions.js";
import { useHealth } from "./health.js";
import { usePace } from "./pace.js";
import { Today } from "./today.js";

const FEED_MAX = 9;

export function Overview() {
  const today = useRef(new Today());
  const [, redraw] = useReducer((count) => count + 1, 0);
  const since = midnight(); // another one after midnight: the figures begin again
  const resource = useResource(
    async (signal) => {
      await today.current.load(since, signal);
      return true;
    },
    [since],
  );
  useLive((entries) => (today.current.tell(entries), redraw()));
  useEffect(() => {
    if (resource.data && !resource.isLoading && today.current.isBehind()) void resource.reload();
  });
  const pending = usePendingCount();
  const pace = usePace();
  const figures = resource.data ? today.current.figures() : null;
  return html`<${Page} title="Overview">
    <${Trouble} fault=${resource.fault} retry=${resource.reload} />
    <div class="stats">
      <${Money} label="Sold today" icon="zap" figures=${figures} name="sold" note=${(sums) => !isZero(sums.refunded) && html`<${Amount} value=${sums.refunded} currency=${sums.currency} /> refunded`} />
      <${Stat} label="Charges per second" icon="clock" note="Mean of the last ten seconds">${pace.perSecond === null ? html`<i class="ghost"></i>` : html`<span class="figure">${rate(pace.perSecond)}</span>`}</${Stat}>
      <${Money} label="Credit outstanding" icon="wallet" figures=${figures} name="outstanding" note=${() => "Paid for and not sold yet"} />
      <${Declined} counts=${figures?.counts} />
      <${Stat} label="Pending requests" icon="inbox" note=${html`<a href="#/requests">Decide</a>`}><span class="figure" dir="ltr">${pending ?? html`<i class="ghost"></i>`}</span></${Stat}>
      <${Health} />
    </div>
    <div class="columns wide-first">
      <${Card} title="Charges per second" aside=${html`<small>last two minutes</small>`}><${PaceChart} pace=${pace} /></${Card}>
      <${Card} title="Outcomes today"><${Outcomes} counts=${figures?.counts} /></${Card}>
    </div>
    <div class="columns wide-first">
      <${Card} title="As it happens" aside=${html`<a href="#/transactions">Transactions</a>`}><${Feed} /></${Card}>
      <${Card} title="Best sellers today" aside=${html`<a href="#/sellers">Sellers</a>`}><${Best} figures=${figures} /></${Card}>
    </div>
  </${Page}>`;
}

function Money({ label, icon, figures, name, note }) {
  const [first, ...others] = figures?.currencies ?? [];
  const more = others.map((sums) => money(sums[name], sums.currency)).join(" · ");
  const said = first && note(first);
  return html`<${Stat} label=${label} icon=${icon} note=${first && html`${said}${said && more && " · "}${more}`}>
    ${first ? html`<${Figure} value=${first[name]} currency=${first.currency} />` : figures ? html`<span class="figure">–</span>` : html`<i class="ghost"></i>`}
  </${Stat}>`;
}

function Declined({ counts }) {
  const asked = counts && (counts.charge || 0) + (counts.hold || 0) + (counts.declined || 0);
  return html`<${Stat} label="Declined share" icon="ban" note=${counts && `${whole(counts.declined || 0)} of ${whole(asked)} today`}>
    ${counts ? html`<span class="figure">${share(counts.declined || 0, asked)}</span>` : html`<i class="ghost"></i>`}</${Stat}>`;
}

const READY = { ready: "Ready", standby: "Standby", draining: "Restarting", journal_unavailable: "Unreachable", lost: "No answer" };

function Health() {
  const { state, flush_ms, verified_at, drift } = useHealth();
  const isWell = state === "ready" && !drift;
  const verdict = verified_at
    ? html`<a href="#/verification">${drift ? `${drift} sellers differ` : "Verified"} <${Ago} at=${verified_at} /></a>`
    : html`<a href="#/verification">Not verified since the start</a>`;
  return html`<${Stat} label="Journal" icon="shield-check" note=${html`${verdict}${flush_ms ? ` · flush ≤ ${flush_ms} ms` : ""}`}>
    <span class="figure ${state ? (isWell ? "well" : "unwell") : ""}"><${Icon} name=${isWell ? "circle-check" : "triangle-alert"} size="22" /> ${READY[state] || "…"}</span></${Stat}>`;
}

function PaceChart({ pace }) {
  const said = ({ second, count }) => (second < pace.since ? "not counted" : `${whole(count)} ${count === 1 ? "charge" : "charges"}`);
  const points = pace.points.map((point) => ({ x: point.second * 1000, y: point.count, label: `${clock(point.second * 1000)}: ${said(point)}` }));
  const pacing = pace.perSecond === null ? "" : ` now ${rate(pace.perSecond)} per second.`;
  return html`<${TimeChart} points=${points} kind="bars" isWhole knownFrom=${pace.since * 1000} height=${220} formatX=${secondsAgo} formatY=${(ticks) => ticks.map(whole)}
    summary=${`Charges per second in the last two minutes;${pacing}`} />`;
}

function secondsAgo(moment) {
  const seconds = Math.round((now() - moment) / 10000) * 10;
  return seconds < 10 ? "now" : `${seconds} s ago`;
}

function Outcomes({ counts }) {
  if (!counts) return html`<${Skeleton} lines="4" />`;
  const count = (type) => counts[type] || 0;
  const parts = [
    { name: "Sold at once", value: count("charge"), tone: "tone-1" },
    { name: "Captured", value: count("capture"), tone: "tone-2" },
    { name: "Voided or expired", value: count("void") + count("expiry"), tone: "tone-3" },
    { name: "Refunded", value: count("refund"), tone: "tone-4" },
    { name: "Declined", value: count("declined"), tone: "tone-5" },
  ].map((part) => ({ ...part, shown: whole(part.value) }));
  if (!parts.some(({ value }) => value)) return html`<${Empty} icon="smartphone" title="Nothing sold today yet">The first sale shows here at once.</${Empty}>`;
  return html`<${ShareBar} parts=${parts} summary=${parts.map(({ name, shown }) => `${name}: ${shown}`).join(", ")} />`;
}

function Best({ figures }) {
  if (!figures) return html`<${Skeleton} lines="5" />`;
  if (!figures.best.length) return html`<${Empty} icon="users" title="No sales today yet" />`;
  const most = figures.best[0].size;
  return html`<ol class="ranks">${figures.best.map(({ id, sold, currency, size }) => html`<li key=${id}>
    <${SellerLink} id=${id} /><${Amount} value=${sold} currency=${currency} />
    <span class="rank-bar" aria-hidden="true"><i style=${{ inlineSize: `${(size / most) * 100}%` }}></i></span></li>`)}</ol>`;
}

function Feed() {
  const { resource } = usePages("/v1/transactions", {}, { limit: FEED_MAX });
  const [live, setLive] = useState([]);
  useLive((entries) => setLive((now) => [...entries.slice(-FEED_MAX).reverse(), ...now].slice(0, FEED_MAX)));
  useEffect(() => setLive([]), [resource.data]);
  const known = new Set(live.map(({ id }) => id));
  const newest = [...live, ...(resource.data?.data ?? []).filter(({ id }) => !known.has(id))].slice(0, FEED_MAX);
  const place = useRef(null);
  const calm = useCalm(resource.data && { data: newest, has_more: true }, place, { isLong: false });
  return html`<${Loaded} resource=${resource} lines="6">${() => {
    const shown = calm.data.data;
    if (!shown.length) return html`<${Empty} icon="list-tree" title="The journal is empty" action=${html`<a class="button primary" href="#/sellers">Create a seller</a>`}>Its first entry comes with the first seller.</${Empty}>`;
    return html`<ul class="feed" ref=${place}>${shown.map((entry) => html`<li key=${entry.id} class=${known.has(entry.id) ? "fresh" : ""}>
      <a href=${href(`/transactions/${entry.id}`)}><${Badge} name=${entry.type} /></a>
      <span class="feed-who"><${SellerLink} id=${entry.seller_id} /></span>
      <span class="feed-amount"><${Effect} entry=${entry} /></span>
      <span class="feed-when"><${Ago} at=${entry.created_at} /></span></li>`)}</ul>`;
  }}</${Loaded}>`;
}
