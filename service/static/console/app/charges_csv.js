// The charges of a filter as CSV (RFC 4180). The API streams the journal, entry by entry; a charge is what became of
// several entries, so its list is walked here, page by page, newest first.

import { get } from "./api.js";
import { save } from "./download.js";
import { whole } from "./format.js";

const ROWS_MAX = 50000;
const COLUMNS = ["id", "created_at", "phone_number", "amount", "currency", "status", "refunded_amount", "reference", "receipt"];
/** Text of people's own; all else cannot be a formula. */
const FREE = new Set(["reference"]);

/** Saves them; `onProgress(text)` hears how far it is. False when there are more than fit. */
export async function downloadCharges(query, filename, onProgress) {
  const columns = query.seller_id ? COLUMNS : [...COLUMNS, "seller_id"];
  const rows = [columns];
  for (let cursor = null, hasMore = true; hasMore; ) {
    if (rows.length > ROWS_MAX) break;
    const page = await get("/v1/charges", { ...query, limit: 100, cursor });
    rows.push(...page.data.map((charge) => columns.map((name) => (FREE.has(name) ? guarded(charge[name]) : charge[name]))));
    onProgress(`${whole(rows.length - 1)} rows`);
    [cursor, hasMore] = [page.next_cursor, page.has_more];
  }
  const lines = rows.slice(0, ROWS_MAX + 1).map((cells) => `${cells.map(quoted).join(",")}\r\n`);
  save(lines, filename);
  return rows.length <= ROWS_MAX + 1;
}

/** What begins like a formula would be run as one by a spreadsheet: the apostrophe says that it is text. Spreadsheets may
 * split a line at semicolons too, and take wide signs for signs: see service/csv_cells.py. */
const guarded = (text) => (text ?? "").replaceAll(/^(?=[\t\r\n])|(?<=^|[;\t\r\n])(?= *[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "'");

const quoted = (cell) => (/[",;\r\n\t ]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
