// Times: said as people say them, exact to the second and in UTC when pointed at.

import { html, useEffect, useState } from "../app/preact.js";
import { ago, countdown, exactTime, time } from "../app/format.js";

const tick_ms = 1000;

export function useNow(every_ms = tick_ms) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  return now;
}

export function Ago({ at }) {
  const now = useNow(15000);
  return html`<time datetime=${at} title="${exactTime(at)} (${at})">${ago(at, now)}</time>`;
}

export function At({ at, isExact }) {
  return html`<time datetime=${at} title=${at}>${isExact ? exactTime(at) : time(at)}</time>`;
}

export function Countdown({ to }) {
  const now = useNow();
  const isSoon = Date.parse(to) - now < 60000;
  return html`<time datetime=${to} title=${exactTime(to)} class="countdown ${isSoon ? "soon" : ""}">${countdown(to, now)}</time>`;
}
