// How things are written for people: in the browser's language, in the currency's own format, in local time.

import { now } from "./clock.js";

const locales = navigator.languages?.length ? [...navigator.languages] : undefined;
const TICK_DECIMALS_MAX = 8;
const moneyFormats = new Map();
const formats = {
  whole: new Intl.NumberFormat(locales),
  rate: new Intl.NumberFormat(locales, { minimumFractionDigits: 1, maximumFractionDigits: 1 }),
  percent: new Intl.NumberFormat(locales, { style: "percent", maximumFractionDigits: 1 }),
  time: new Intl.DateTimeFormat(locales, { dateStyle: "medium", timeStyle: "short" }),
  exact: new Intl.DateTimeFormat(locales, { dateStyle: "medium", timeStyle: "medium" }),
  dayTime: new Intl.DateTimeFormat(locales, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }),
  date: new Intl.DateTimeFormat(locales, { dateStyle: "medium" }),
  shortDate: new Intl.DateTimeFormat(locales, { month: "short", day: "numeric" }),
  clock: new Intl.DateTimeFormat(locales, { timeStyle: "medium" }),
  shortClock: new Intl.DateTimeFormat(locales, { timeStyle: "short" }),
  relative: new Intl.RelativeTimeFormat(locales, { numeric: "auto" }),
};

/**
 * `text` is the API's decimal text; it is formatted as it stands, digit by digit, whatever its size; `compact` instead: as
 * "5.6K" with so many decimals at most. "CA$" is not written as "$": an admin looks at sellers of both.
 */
export function money(text, currency, { sign = "auto", compact = null } = {}) {
  const decimals = (text.split(".")[1] || "").length;
  const name = `${currency}/${decimals}/${sign}/${compact}`;
  let format = moneyFormats.get(name);
  if (!format) {
    const digits = compact !== null
      ? { notation: "compact", maximumFractionDigits: compact }
      : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    const display = { style: "currency", currency, signDisplay: sign };
    format = new Intl.NumberFormat(locales, { ...display, ...digits });
    moneyFormats.set(name, format);
  }
  return format.format(text);
}

/** Amounts beside an axis: as short as they can be while no two are the same. */
export function moneyTicks(values, currency) {
  for (let compact = 1; ; compact++) {
    const texts = values.map((value) => money(String(value), currency, { compact }));
    if (new Set(texts).size === texts.length || compact === TICK_DECIMALS_MAX) return texts;
  }
}

export const whole = (number) => formats.whole.format(number);
export const rate = (number) => formats.rate.format(number);
export const share = (part, total) => (total ? formats.percent.format(part / total) : "–");
export const time = (text) => formats.time.format(new Date(text));
export const exactTime = (text) => formats.exact.format(new Date(text));
export const date = (text) => formats.date.format(new Date(text));
export const clock = (moment) => formats.clock.format(new Date(moment));
export const shortClock = (moment) => formats.shortClock.format(new Date(moment));
export const shortDate = (moment) => formats.shortDate.format(new Date(moment));

/** "4 minutes ago" within the hour; then the time of day, which says more than "5 hours ago" on every row of a list. */
export function ago(text, moment = now()) {
  const seconds = Math.round((Date.parse(text) - moment) / 1000);
  const size = Math.abs(seconds);
  if (size < 45) return seconds <= 1 ? "just now" : formats.relative.format(seconds, "second");
  if (size < 3600) return formats.relative.format(Math.round(seconds / 60), "minute");
  const [then, today] = [new Date(text), new Date(moment)];
  if (then.toDateString() === today.toDateString()) return shortClock(text);
  return then.getFullYear() === today.getFullYear() ? formats.dayTime.format(then) : time(text);
}

/** "14:59" until a time; "now" when it has come. */
export function countdown(text, moment = now()) {
  const seconds = Math.max(0, Math.floor((Date.parse(text) - moment) / 1000));
  if (!seconds) return "now";
  const hours = Math.floor(seconds / 3600);
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

export const shortId = (id) => `${id.slice(0, 8)}…${id.slice(-4)}`;
export const shortHash = (hash) => `${hash.slice(0, 8)}…${hash.slice(-6)}`;

/** Midnight, local, so many days from today, as the API takes it. */
export function midnight(days = 0) {
  const day = new Date(now());
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() + days);
  return day.toISOString();
}

/** A local date of a date field ("2026-11-23") as the instant of its midnight, plus so many days. */
export function instantOfDate(text, days = 0) {
  if (!text) return "";
  const [year, month, day] = text.split("-").map(Number);
  return new Date(year, month - 1, day + days).toISOString();
}

/** A Date as the value of a date field. */
export function dateField(day) {
  const two = (number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}
