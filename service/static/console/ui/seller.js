// Sellers by name: ids are for machines. Names are asked for once and kept; and a box to choose a seller by typing.

import { html, useEffect, useId, useRef, useState } from "../app/preact.js";
import { get } from "../app/api.js";
import { href } from "../app/router.js";
import { shortId } from "../app/format.js";
import { IconButton } from "./controls.js";

const known = new Map();

export const remember = (seller) => known.set(seller.id, Promise.resolve(seller));

export function sellerOf(id) {
  if (!known.has(id)) {
    const asked = get(`/v1/sellers/${id}`);
    asked.catch(() => known.delete(id));
    known.set(id, asked);
  }
  return known.get(id);
}

export function useSeller(id) {
  const [seller, setSeller] = useState(null);
  useEffect(() => {
    let isShown = true;
    setSeller(null);
    if (id) sellerOf(id).then((found) => isShown && setSeller(found), () => {});
    return () => (isShown = false);
  }, [id]);
  return seller;
}

export function SellerLink({ id }) {
  const seller = useSeller(id);
  return html`<a href=${href(`/sellers/${id}`)} dir="auto">${seller?.name ?? shortId(id)}</a>`;
}

/** A combobox: typing searches names and usernames; arrows and Enter choose; `value` is an id or "". */
export function SellerPicker({ value, onChange, label = "Seller" }) {
  const id = useId();
  const chosen = useSeller(value);
  const [typed, setTyped] = useState(null);
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const asked = useRef(0);
  const isOpen = typed !== null && found?.length > 0;

  useEffect(() => {
    if (typed === null) return undefined;
    const turn = ++asked.current;
    const timer = setTimeout(async () => {
      const page = await get("/v1/sellers", { q: typed.trim(), limit: 8 }).catch(() => null);
      if (!page || turn !== asked.current) return;
      page.data.forEach(remember);
      setFound(page.data);
      setAt(0);
    }, 150);
    return () => clearTimeout(timer);
  }, [typed]);

  const choose = (seller) => {
    asked.current++;
    setTyped(null);
    setFound(null);
    onChange(seller ? seller.id : "");
  };
  const onKey = (event) => {
    if (event.key === "Escape") choose(chosen);
    if (!isOpen) return;
    if (event.key === "ArrowDown") setAt((at + 1) % found.length);
    else if (event.key === "ArrowUp") setAt((at + found.length - 1) % found.length);
    else if (event.key === "Enter") choose(found[at]);
    else return;
    event.preventDefault();
  };
  return html`<div class="field picker">
    <label for=${id}>${label}</label>
    <div class="picker-box">
      <input id=${id} class="control" role="combobox" aria-autocomplete="list" aria-expanded=${isOpen ? "true" : "false"} aria-controls="${id}-list"
        aria-activedescendant=${isOpen ? `${id}-${at}` : undefined} autocomplete="off" placeholder="All sellers"
        value=${typed ?? chosen?.name ?? ""} onInput=${(event) => (event.target.value ? setTyped(event.target.value) : choose(null))}
        onFocus=${(event) => event.target.select()} onBlur=${() => setTimeout(() => setTyped(null), 150)} onKeyDown=${onKey} />
      ${value && html`<${IconButton} icon="x" label="All sellers" onClick=${() => choose(null)} />`}
      <ul id="${id}-list" role="listbox" aria-label="Sellers" class="options" hidden=${!isOpen}>
        ${isOpen && found.map((seller, index) => html`<li key=${seller.id} id="${id}-${index}" role="option" aria-selected=${index === at ? "true" : "false"}
          class=${index === at ? "at" : ""} onPointerDown=${(event) => (event.preventDefault(), choose(seller))}>
          <b dir="auto">${seller.name}</b> <small>${seller.username}</small></li>`)}
      </ul>
      <p role="status" class="options nobody" hidden=${typed === null || found?.length !== 0}>Nobody is called that.</p>
    </div>
  </div>`;
}
