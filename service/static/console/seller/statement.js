// The statement of a period: opening to closing balance, what made the difference by kind, and how the balance went.

import { html, useRef } from "../app/preact.js";
import { get } from "../app/api.js";
import { now } from "../app/clock.js";
import { useResource } from "../app/resource.js";
import { place, setQuery } from "../app/router.js";
import { useStore } from "../app/store.js";
import { clock, date, money, moneyTicks, shortClock, shortDate, exactTime, whole } from "../app/format.js";
import { isZero } from "../app/money.js";
import { Amount, Figure } from "../ui/amount.js";
import { Button } from "../ui/controls.js";
import { TimeChart } from "../ui/chart.js";
import { CsvButton } from "../ui/csv_button.js";
import { Card, Filters, Page, Stat } from "../ui/page.js";
import { instants, PeriodFields, presets } from "../ui/period.js";
import { Badge, Empty, Loaded } from "../ui/states.js";
import { Table } from "../ui/table.js";

const EXACT_MAX = 2000;
const SAMPLES = 48;
const HOUR_MS = 3600000;
const DAY_MS = 24 * HOUR_MS;

export function StatementPage({ who }) {
  const { query } = useStore(place);
  const period = query.from || query.to ? query : presets()[1];
  const asked = instants(period);
  const known = useRef({ asked: null, entries: [] });
  const resource = useResource(
    async (signal) => {
      const statement = await get("/v1/statement", asked, { signal });
      return { statement, ...(await balances(statement, who.seller, (range) => entriesOf(asked, range, known, signal), signal)) };
    },
    [asked.from, asked.to],
    { isAbout: () => !asked.to || Date.parse(asked.to) > now() },
  );
  const isChosen = (preset) => preset.from === period.from && preset.to === period.to;
  return html`<${Page} title="Statement" actions=${html`<${CsvButton} query=${asked} filename=${`statement-${period.from || "start"}-${period.to || "now"}.csv`} /><${Button} icon="printer" onClick=${() => window.print()}>Print</${Button}>`}>
    <p class="only-print"><bdi>${who.seller.name}</bdi>, ${period.from || "the beginning"} to ${period.to || "now"}</p>
    <${Filters} label="Period">
      <div class="chips" role="group" aria-label="Usual periods">${presets().map((preset) => html`<button key=${preset.name} type="button" class="chip" aria-pressed=${isChosen(preset) ? "true" : "false"} onClick=${() => setQuery({ from: preset.from, to: preset.to })}>${preset.name}</button>`)}</div>
      <${PeriodFields} query=${period} onChange=${(part) => setQuery({ from: period.from, to: period.to, ...part })} />
    </${Filters}>
    <${Loaded} resource=${resource} kind="card">${(data) => html`<${Statement} ...${data} />`}</${Loaded}>
  </${Page}>`;
}

function Statement({ statement, points, isExact }) {
  const { currency, opening_balance, closing_balance, entries, totals } = statement;
  const moving = Object.entries(totals).filter(([, total]) => !isZero(total.amount) || total.count);
  const [from, to] = [points[0].x, points.at(-1).x];
  const summary = `Available credit from ${date(statement.from)}: ${money(opening_balance, currency)} at the start, ${money(closing_balance, currency)} at the end.`;
  return html`
    <div class="stats three">
      <${Stat} label="Opening balance" note=${exactTime(statement.from)}><${Figure} value=${opening_balance} currency=${currency} /></${Stat}>
      <${Stat} label="Closing balance" note=${Date.parse(statement.to) > now() ? "Now" : exactTime(statement.to)}><${Figure} value=${closing_balance} currency=${currency} /></${Stat}>
      <${Stat} label="Entries"><span class="figure">${whole(entries)}</span></${Stat}>
    </div>
    <${Card} title="Available credit">
      <${TimeChart} points=${points} kind="step" height=${260} summary=${summary} isFromZero=${false}
        from=${from} to=${to}
        formatY=${(ticks) => moneyTicks(ticks, currency)} formatX=${to - from > 2 * DAY_MS ? shortDate : to - from > HOUR_MS ? shortClock : clock} />
      ${!isExact && html`<p class="hint card-foot">${`The balance at ${whole(points.length)} moments of the period, not after each of its ${whole(entries)} entries: what it was in between is not drawn. A shorter period shows all of them.`}</p>`}
    </${Card}>
    <${Card} title="What made the difference">
      ${moving.length
        ? html`<${Table} caption="Totals by kind" keyOf=${([type]) => type} rows=${moving} columns=${[
            { name: "Kind", isMain: true, cell: ([type]) => html`<${Badge} name=${type} />` },
            { name: "Entries", isEnd: true, isLabelled: true, cell: ([, total]) => html`<span class="number">${whole(total.count)}</span>` },
            { name: "Effect on available credit", isEnd: true, isTop: true, cell: ([, total]) => (isZero(total.amount) ? html`<span class="faint">–</span>` : html`<${Amount} value=${total.amount} currency=${currency} isSigned />`) },
          ]} />`
        : html`<${Empty} icon="file-text" title="Nothing happened in this period">Choose a longer one.</${Empty}>`}
    </${Card}>`;
}

/** {points, isExact} of the chart: every entry when there are few; otherwise the balance as of evenly spaced times. */
async function balances(statement, seller, entriesIn, signal) {
  const { currency, from, to } = statement;
  // Before the seller was there, and after now, there is nothing to draw.
  const start = Math.max(Date.parse(from), Date.parse(seller.created_at));
  const end = Math.min(Date.parse(to), now());
  const point = (x, text) => ({ x, y: Number(text), label: `${exactTime(x)}: ${money(text, currency)}` });
  const around = (points) => [point(start, statement.opening_balance), ...points, point(end, statement.closing_balance)];
  if (end <= start) return { points: [point(Date.parse(from), statement.opening_balance), point(Date.parse(to), statement.opening_balance)], isExact: true };
  if (statement.entries <= EXACT_MAX) {
    const entries = await entriesIn({ from, to });
    return { points: around(entries.map((entry) => point(Date.parse(entry.created_at), entry.available_after))), isExact: true };
  }
  const times = Array.from({ length: SAMPLES - 1 }, (_, index) => start + ((end - start) * (index + 1)) / SAMPLES);
  const found = await Promise.all(times.map((time) => get("/v1/balance", { at: new Date(time).toISOString() }, { signal })));
  return { points: around(found.map((balance, index) => point(times[index], balance.available))), isExact: false };
}

/** All entries, oldest first. Those that are known already are not asked for again whenever a new one arrives. */
async function entriesOf(asked, { from, to }, known, signal) {
  const period = JSON.stringify(asked);
  const before = known.current.asked === period ? known.current.entries : [];
  const fresh = [];
  for (let cursor = null, isMore = true; isMore; ) {
    const page = await get("/v1/transactions", { from, to, limit: 100, cursor }, { signal });
    const at = page.data.findIndex(({ id }) => id === before.at(-1)?.id);
    fresh.push(...(at < 0 ? page.data : page.data.slice(0, at)));
    [cursor, isMore] = [page.next_cursor, page.has_more && at < 0];
  }
  const entries = [...before, ...fresh.reverse()];
  known.current = { asked: period, entries };
  return entries;
}
