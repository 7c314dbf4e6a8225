// A period of days: two date fields and a few words for common ones. Days are local; the API is asked with instants.

import { html } from "../app/preact.js";
import { now } from "../app/clock.js";
import { dateField, instantOfDate } from "../app/format.js";
import { Field } from "./controls.js";

/** `query` holds `from` and `to` as days ("2026-11-23"), `to` inclusive. */
export function PeriodFields({ query, onChange }) {
  return html`<${Field} label="From" type="date" value=${query.from || ""} max=${query.to} onChange=${(event) => onChange({ from: event.target.value })} />
    <${Field} label="To" type="date" value=${query.to || ""} min=${query.from} onChange=${(event) => onChange({ to: event.target.value })} />`;
}

/** For the API: inclusive instant, exclusive instant. */
export const instants = ({ from, to }) => ({ from: instantOfDate(from), to: instantOfDate(to, 1) });

export function presets() {
  const today = new Date(now());
  const [year, month] = [today.getFullYear(), today.getMonth()];
  const day = (offset) => new Date(year, month, today.getDate() + offset);
  const period = (from, to) => ({ from: dateField(from), to: dateField(to) });
  return [
    { name: "Today", ...period(day(0), day(0)) },
    { name: "7 days", ...period(day(-6), day(0)) },
    { name: "30 days", ...period(day(-29), day(0)) },
    { name: "This month", ...period(new Date(year, month, 1), day(0)) },
    { name: "Last month", ...period(new Date(year, month - 1, 1), new Date(year, month, 0)) },
  ];
}
