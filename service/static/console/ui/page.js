// What every page has: its heading, which takes focus on arrival; cards; definition lists; filters.

import { html, useEffect, useId, useRef, useState } from "../app/preact.js";
import { href } from "../app/router.js";
import { Button } from "./controls.js";
import { Icon } from "./icon.js";

export function Page({ title, lead, actions, back, children }) {
  const heading = useRef();
  useEffect(() => {
    document.title = `${title} · Charge Shop`;
  }, [title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return html`<div class="page">
    ${back && html`<a class="back" href=${href(back.path)}><${Icon} name="arrow-left" size="16" /> ${back.label}</a>`}
    <header class="page-head">
      <div><h1 tabindex="-1" ref=${heading}>${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}
  </div>`;
}

export function Card({ title, aside, children, className = "" }) {
  return html`<section class="card ${className}">
    ${title && html`<header><h2>${title}</h2>${aside}</header>`}
    ${children}
  </section>`;
}

/** [[term, description]]; pairs without a description are left out. */
export function Facts({ facts }) {
  return html`<dl class="facts">${facts
    .filter(([, description]) => description || description === 0)
    .map(([term, description]) => html`<div key=${term}><dt>${term}</dt><dd>${description}</dd></div>`)}</dl>`;
}

/** `given`: how many are set; where it is said, they fold away on a phone, where they would hide what they filter. */
export function Filters({ label, children, given }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const form = html`<form id=${id} class="filters" role="search" aria-label=${label} onSubmit=${(event) => event.preventDefault()}>${children}</form>`;
  if (given === undefined) return form;
  return html`<div class="folding ${isOpen ? "open" : ""}">
    <${Button} icon="sliders-horizontal" aria-expanded=${isOpen ? "true" : "false"} aria-controls=${id} onClick=${() => setIsOpen(!isOpen)}>Filters${given > 0 && html` <b>${given}</b>`}</${Button}>
    ${form}
  </div>`;
}

export function Stat({ label, icon, children, note }) {
  return html`<div class="stat"><p class="stat-label">${icon && html`<${Icon} name=${icon} size="16" />`}${label}</p>
    <p class="stat-value">${children}</p>${note && html`<p class="stat-note">${note}</p>`}</div>`;
}
