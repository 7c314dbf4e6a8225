// The button that saves the transactions of a filter as CSV, with how much has come.

import { html, useState } from "../app/preact.js";
import { useAction } from "../app/commands.js";
import { download } from "../app/download.js";
import { explain } from "../app/problems.js";
import { whole } from "../app/format.js";
import { Button } from "./controls.js";
import { toast } from "./toast.js";

export function CsvButton({ query, filename = "transactions.csv" }) {
  const action = useAction();
  const [bytes, setBytes] = useState(0);
  const save = async () => {
    setBytes(0);
    await action.run(async () => {
      try {
        await download("/v1/transactions.csv", query, filename, setBytes);
        toast(`${filename} is saved.`);
      } catch (fault) {
        toast(explain(fault), "bad");
      }
    });
  };
  return html`<${Button} icon="download" isBusy=${action.isBusy} onClick=${save}>${action.isBusy && bytes > 1e5 ? `${whole(Math.round(bytes / 1000))} kB` : "CSV"}</${Button}>`;
}
