// A period of days: two date fields and a few words for common ones. Days are local; the API is asked with instants.

import { html } from "../app/preact.js";
import { dateField, instantOfDate } from "../app/format.js";
import { Field } from "./controls.js";

/** `query` holds `from` and `to` as days ("2026-11-23"), `to` inclusive. */
export function PeriodFields({ query, onChange }) {
  return html`<${Field} label="From" type="date" value=${query.from || ""} max=${query.to} onChange=${(event) => onChange({ from: event.target.value })} />
    <${Field} label="To" type="date" value=${query.to || ""} min=${query.from} onChange=${(event) => onChange({ to: event.target.value })} />`;
}

/** For the API: inclusive instant, exclusive instant. */
export const instants = ({ from, to }) => ({ from: instantOfDate(from), to: instantOfDate(to, 1) });

const day = (offset) => {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + offset);
};

export function presets() {
  const now = new Date();
  const period = (from, to) => ({ from: dateField(from), to: dateField(to) });
  return [
    { name: "Today", ...period(day(0), day(0)) },
    { name: "7 days", ...period(day(-6), day(0)) },
    { name: "30 days", ...period(day(-29), day(0)) },
    { name: "This month", ...period(new Date(now.getFullYear(), now.getMonth(), 1), day(0)) },
    { name: "Last month", ...period(new Date(now.getFullYear(), now.getMonth() - 1, 1), new Date(now.getFullYear(), now.getMonth(), 0)) },
  ];
}
