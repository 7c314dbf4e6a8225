// Verification: every hash, balance and projection checked again from the first entry, while one watches.

import { html, useEffect, useState } from "../app/preact.js";
import { get, LostAnswer, post } from "../app/api.js";
import { useAction } from "../app/commands.js";
import { whenAnswering } from "../app/connection.js";
import { href } from "../app/router.js";
import { whenInSight } from "../app/sight.js";
import { whole } from "../app/format.js";
import { Button } from "../ui/controls.js";
import { Icon } from "../ui/icon.js";
import { At } from "../ui/moment.js";
import { Card, Facts, Page } from "../ui/page.js";
import { SellerLink } from "../ui/seller.js";
import { Badge, Empty, Trouble } from "../ui/states.js";

const KEPT_AS = "charge-shop.verification";
const EVERY_MS = 400;

export function Verification() {
  const [id, setId] = useState(() => sessionStorage.getItem(KEPT_AS));
  const [run, setRun] = useState(null);
  const action = useAction();
  const start = async () => {
    const begun = await action.run(() => post("/v1/verification", {}));
    if (!begun) return;
    sessionStorage.setItem(KEPT_AS, begun.id);
    setRun(begun);
    setId(begun.id);
  };
  useEffect(() => {
    if (!id) return undefined;
    const abort = new AbortController();
    void watch(id, setRun, abort.signal).catch(() => setRun(null));
    return () => abort.abort();
  }, [id]);
  const isRunning = run?.status === "running";
  return html`<${Page} title="Verification" lead="Recomputes every hash and every balance from the first entry on, and compares."
    actions=${html`<${Button} kind="primary" icon="shield-check" isBusy=${action.isBusy || isRunning} onClick=${start}>${isRunning ? "Verifying…" : "Verify now"}</${Button}>`}>
    <${Trouble} fault=${action.fault} />
    ${run ? html`<${Report} run=${run} />` : html`<${Card}><${Empty} icon="shield-check" title="Not verified in this session">It reads the whole journal beside the running service; selling goes on.</${Empty}></${Card}>`}
  </${Page}>`;
}

async function watch(id, onRun, signal) {
  while (!signal.aborted) {
    await whenInSight();
    try {
      const run = await get(`/v1/verification/${id}`, {}, { signal });
      if (signal.aborted) return;
      onRun(run);
      if (run.status !== "running") return;
    } catch (fault) {
      if (signal.aborted) return;
      if (!(fault instanceof LostAnswer) && fault.status !== 503) throw fault;
      await whenAnswering();
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

function Report({ run }) {
  const { status, sellers_done, sellers_total, entries_checked, first_bad } = run;
  const percent = sellers_total ? Math.round((sellers_done / sellers_total) * 100) : status === "running" ? 0 : 100;
  return html`<${Card} className="report ${status}">
    <div class="report-head" role="status">
      <span class="report-icon"><${Icon} name=${{ running: "refresh-cw", passed: "circle-check", failed: "circle-x" }[status]} size="30" /></span>
      <div><h2>${{ running: "Verifying", passed: "The journal is whole", failed: "The journal is not what it should be" }[status]}</h2>
        <p>${{ running: `${whole(sellers_done)} of ${whole(sellers_total)} sellers`, passed: "Every entry is as it was written, and none is missing.", failed: "Stop trusting this journal from the entry below on; restore it, and find out who could write." }[status]}</p></div>
      <${Badge} name=${status} label=${{ running: "Running", passed: "Passed", failed: "Failed" }[status]} />
    </div>
    <progress max="100" value=${percent} aria-label="Sellers checked">${percent}%</progress>
    <${Facts} facts=${[
      ["Entries checked", whole(entries_checked)],
      ["Sellers checked", `${whole(sellers_done)} of ${whole(sellers_total)}`],
      ["First bad entry", first_bad && html`<${SellerLink} id=${first_bad.seller_id} />, <a href=${href("/transactions", { seller: first_bad.seller_id })}>entry ${first_bad.seq}</a>: ${first_bad.reason}`],
      ["Started", html`<${At} at=${run.started_at} isExact />`],
      ["Finished", run.finished_at && html`<${At} at=${run.finished_at} isExact />`],
    ]} />
  </${Card}>`;
}
