// Times: said as people say them, exact to the second and in UTC when pointed at.

import { html, useEffect, useState } from "../app/preact.js";
import { now, offset_ms } from "../app/clock.js";
import { ago, countdown, exactTime, time } from "../app/format.js";

const tick_ms = 1000;

export function useNow(every_ms = tick_ms) {
  const [moment, setMoment] = useState(now());
  useEffect(() => {
    const look = () => setMoment(now());
    const timer = setInterval(look, every_ms);
    const stop = offset_ms.watch(look);
    return () => (clearInterval(timer), stop());
  }, [every_ms]);
  return moment;
}

export function Ago({ at }) {
  const moment = useNow(15000);
  return html`<time datetime=${at} title="${exactTime(at)} (${at})">${ago(at, moment)}</time>`;
}

export function At({ at, isExact }) {
  return html`<time datetime=${at} title=${at}>${isExact ? exactTime(at) : time(at)}</time>`;
}

export function Countdown({ to }) {
  const moment = useNow();
  const isSoon = Date.parse(to) - moment < 60000;
  return html`<time datetime=${to} title=${exactTime(to)} class="countdown ${isSoon ? "soon" : ""}">${countdown(to, moment)}</time>`;
}
