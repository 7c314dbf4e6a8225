// Tables that become cards on a narrow screen, and lists of the API page by page.

import { html, useEffect, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { useResource } from "../app/resource.js";
import { keep, kept } from "../app/router.js";
import { useCalm } from "./calm.js";
import { Button } from "./controls.js";
import { Empty, Loaded } from "./states.js";

/** columns: [{name, cell(row), isEnd (numbers), and on cards: isMain (title), isTop (beside it), isQuiet (left out), isLabelled}] */
export function Table({ caption, columns, rows, keyOf = (row) => row.id, rowClass }) {
  return html`<${TableFrame} caption=${caption}><table role="table">
    <caption class="unseen">${caption}</caption>
    <thead role="rowgroup"><tr role="row">
      ${columns.map(({ name, isEnd }) => html`<th key=${name} role="columnheader" scope="col" class=${isEnd ? "end" : ""}>${name}</th>`)}
    </tr></thead>
    <tbody role="rowgroup">
      ${rows.map((row) => html`<tr role="row" key=${keyOf(row)} class=${rowClass?.(row) || ""}>
        ${columns.map((column) => html`<td key=${column.name} role="cell" data-label=${column.name} class=${classOf(column)}>${column.cell(row)}</td>`)}
      </tr>`)}
    </tbody>
  </table></${TableFrame}>`;
}

/** Around a table: scrolls where there is too little room for it, shows so, and can be scrolled from the keyboard. */
export function TableFrame({ caption, children }) {
  const frame = useRef();
  const isScrolling = useScrolling(frame);
  const reached = isScrolling ? { role: "group", "aria-label": caption, tabindex: 0 } : {};
  return html`<div ref=${frame} class="table-frame ${isScrolling ? "scrolls" : ""}" ...${reached}>${children}</div>`;
}

/** Whether it is wider than its frame: then the keyboard must get to it, to scroll it. */
function useScrolling(frame) {
  const [isScrolling, setIsScrolling] = useState(false);
  useEffect(() => {
    const element = frame.current;
    const observer = new ResizeObserver(() => setIsScrolling(element.scrollWidth > element.clientWidth + 1));
    observer.observe(element);
    observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return isScrolling;
}

function classOf({ isEnd, isMain, isTop, isQuiet, isLabelled }) {
  return [isEnd && "end", isMain && "main", isTop && "top", isQuiet && "quiet", isLabelled && "labelled"].filter(Boolean).join(" ");
}

/** Pages of a list: {resource, calm, place, reload, page, older, newer, hasOlder}. Changed filters begin at the newest page again; whoever comes back to it, at theirs. */
export function usePages(path, query, { isAbout, limit = 25 } = {}) {
  const filters = JSON.stringify([path, query]);
  const [state, setState] = useState(() => ({ filters, cursors: kept(filters) ?? [null] }));
  const cursors = state.filters === filters ? state.cursors : [null];
  const cursor = cursors.at(-1);
  const turn = (next) => {
    keep(filters, next);
    setState({ filters, cursors: next });
  };
  useEffect(() => setState((now) => (now.filters === filters ? now : { filters, cursors: [null] })), [filters]);
  const resource = useResource((signal) => get(path, { ...query, limit, cursor }, { signal }), [path, filters, cursor], {
    // New entries belong to the first page; later ones stand still while they are read.
    isAbout: (entry) => cursor === null && Boolean(isAbout?.(entry)),
  });
  const place = useRef(null);
  const calm = useCalm(resource.data, place);
  return {
    resource,
    calm,
    place,
    reload: () => (calm.wanted(), resource.reload()),
    page: cursors.length,
    hasOlder: Boolean(calm.data?.has_more),
    older: () => turn([...cursors, calm.data.next_cursor]),
    newer: () => turn(cursors.slice(0, -1)),
  };
}

/** The rows of a list that stays as it is while it is read; `place` is what it was made with. */
export function CalmTable({ calm, place, caption, columns }) {
  const show = (event) => {
    calm.show();
    // The button is gone: the keyboard goes on at the rows that it asked for.
    if (event.detail === 0) queueMicrotask(() => place.current?.querySelector("tbody :is(a, button)")?.focus());
  };
  const rowClass = ({ id }) => (calm.gone.has(id) ? "gone" : "");
  return html`<div ref=${place}>
    <div class="newer">${calm.news > 0 && html`<${Button} kind="primary small" onClick=${show}>Show ${calm.news}${calm.isMore ? "+" : ""} new</${Button}>`}</div>
    <${Table} caption=${caption} columns=${columns} rows=${calm.data.data} rowClass=${rowClass} /></div>`;
}

export function Pages({ pages, caption, columns, empty }) {
  const { resource, calm, place, page, hasOlder, older, newer } = pages;
  return html`<${Loaded} resource=${resource} lines="8">
    ${() => html`<div aria-busy=${resource.isLoading ? "true" : undefined}>
      ${calm.data.data.length
        ? html`<${CalmTable} ...${{ calm, place, caption, columns }} />`
        : empty || html`<${Empty} title="Nothing here" />`}
      ${(page > 1 || hasOlder) && html`<nav class="pager" aria-label="Pages of ${caption.toLowerCase()}">
        <${Button} icon="chevron-left" disabled=${page === 1} onClick=${newer}>Newer</${Button}>
        <span aria-live="polite">Page ${page}</span>
        <${Button} icon="chevron-right" className="after" disabled=${!hasOlder} onClick=${older}>Older</${Button}>
      </nav>`}
    </div>`}
  </${Loaded}>`;
}
