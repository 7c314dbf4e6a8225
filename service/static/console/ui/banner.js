// Says when the service does not answer or is too busy to, what that means for the person, and when it is back.

import { html, useEffect, useState } from "../app/preact.js";
import { connection, waiting } from "../app/connection.js";
import { useStore } from "../app/store.js";
import { Icon } from "./icon.js";

const BUSY = "The service is very busy. What is missing on this page comes by itself.";
const BACK_SHOWN_MS = 4000;
const WORDS = {
  lost: "The service does not answer. Trying again until it does; nothing that was confirmed is lost.",
  standby: "The service is starting. This page continues by itself.",
  draining: "The service is restarting. This page continues by itself.",
  journal_unavailable: "The journal cannot be reached. This page continues by itself as soon as it can.",
};

export function Banner() {
  const { state, code, restored } = useStore(connection);
  const isBusy = useStore(waiting) > 0;
  const [isBack, setIsBack] = useState(false);
  useEffect(() => {
    if (!restored) return undefined;
    setIsBack(true);
    const timer = setTimeout(() => setIsBack(false), BACK_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [restored]);
  return html`<div class="banner-place" role="status" aria-live="assertive">
    ${state !== "ok" || isBusy
      ? html`<div class="banner away"><${Icon} name=${state !== "ok" ? "wifi-off" : "hourglass"} /><span>${state !== "ok" ? WORDS[code] || WORDS.lost : BUSY}</span><span class="spinner" aria-hidden="true"></span></div>`
      : isBack && html`<div class="banner back"><${Icon} name="circle-check" /><span>The service is back, and everything here is up to date.</span></div>`}
  </div>`;
}
