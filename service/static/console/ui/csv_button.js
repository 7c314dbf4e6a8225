// The button that saves what a filter finds as CSV, with how far it is.

import { html, useState } from "../app/preact.js";
import { useAction } from "../app/commands.js";
import { downloadJournal } from "../app/download.js";
import { explain } from "../app/problems.js";
import { Button } from "./controls.js";
import { toast } from "./toast.js";

/** `download(query, filename, onProgress)` saves it, and tells whether that was all. */
export function CsvButton({ query, download = downloadJournal, filename = "transactions.csv" }) {
  const action = useAction();
  const [progress, setProgress] = useState("");
  const save = async () => {
    setProgress("");
    await action.run(async () => {
      try {
        const isAll = await download(query, filename, setProgress);
        if (isAll) toast(`${filename} is saved.`);
        else toast(`${filename} is saved, with the newest only: there are too many. Choose a shorter period for the rest.`, "info");
      } catch (fault) {
        toast(explain(fault), "bad");
      }
    });
  };
  return html`<${Button} icon="download" isBusy=${action.isBusy} onClick=${save}>${(action.isBusy && progress) || "CSV"}</${Button}>`;
}
