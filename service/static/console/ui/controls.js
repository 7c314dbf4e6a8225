// Buttons, fields and what forms are made of. Every field has a label that is seen, and says what is wrong beside itself.

import { h, html, useId, useRef, useState } from "../app/preact.js";
import { Icon } from "./icon.js";

export function Button({ kind = "plain", icon, isBusy = false, children, className = "", ...rest }) {
  // A busy button stays focusable: focus must not fall off the page while an answer is awaited.
  // The second click of a double click would send a form that the answer to the first has just emptied.
  const onClick = rest.type === "submit" ? (event) => event.detail > 1 && event.preventDefault() : undefined;
  return html`<button type="button" onClick=${onClick} class="button ${kind} ${className}" aria-busy=${isBusy ? "true" : undefined}
    aria-disabled=${isBusy ? "true" : undefined} ...${rest}>
    ${isBusy ? html`<span class="spinner" aria-hidden="true"></span>` : icon && html`<${Icon} name=${icon} />`}
    ${children && html`<span>${children}</span>`}
  </button>`;
}

export function IconButton({ icon, label, ...rest }) {
  return html`<button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

/** One labelled input; `affix` stands inside it at the end, `as` may be "select" or "textarea". */
export function Field({ label, hint, error, affix, as = "input", isOptional, className = "", children, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const control = h(as, {
    id, "aria-invalid": error ? "true" : undefined, "aria-describedby": described,
    autocomplete: "off", ...rest, class: `control ${rest.inputClass || ""}`, inputClass: undefined,
  }, children);
  return html`<div class="field ${className}">
    <label for=${id}>${label}${isOptional && html` <span class="optional">optional</span>`}</label>
    ${affix ? html`<div class="affixed">${control}<span class="affix" aria-hidden="true">${affix}</span></div>` : control}
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${error && html`<p class="field-error" id="${id}-error"><${Icon} name="triangle-alert" size="14" /> ${error}</p>`}
  </div>`;
}

export function PasswordField(props) {
  const [isShown, setIsShown] = useState(false);
  const box = useRef();
  const reveal = () => {
    setIsShown(!isShown);
    box.current?.querySelector("input")?.focus();
  };
  return html`<div class="password" ref=${box}>
    <${Field} ...${props} type=${isShown ? "text" : "password"} spellcheck="false" />
    <button type="button" class="reveal" aria-pressed=${isShown ? "true" : "false"} aria-label="Show password" onClick=${reveal}>
      <${Icon} name=${isShown ? "eye-off" : "eye"} />
    </button>
  </div>`;
}

/** A few choices side by side: [{value, label}]. */
export function Choice({ label, options, value, onChange, isLabelHidden, disabled }) {
  const name = useId();
  return html`<fieldset class="choice" disabled=${disabled}>
    <legend class=${isLabelHidden ? "unseen" : ""}>${label}</legend>
    <div class="choice-row">
      ${options.map((option) => html`<label key=${option.value} class=${option.value === value ? "chosen" : ""}>
        <input type="radio" name=${name} value=${option.value} checked=${option.value === value} onChange=${() => onChange(option.value)} />
        ${option.icon && html`<${Icon} name=${option.icon} size="16" />`}<span>${option.label}</span>
      </label>`)}
    </div>
  </fieldset>`;
}

/** Text to be copied, with its button. */
export function Copyable({ text, shown = text, label = "Copy", isCode = true }) {
  const [isCopied, setIsCopied] = useState(false);
  const copy = async () => {
    await copyText(text);
    setIsCopied(true);
    setTimeout(() => setIsCopied(false), 1600);
  };
  return html`<span class="copyable">
    ${isCode ? html`<code title=${text}>${shown}</code>` : html`<span>${shown}</span>`}
    <button type="button" class="icon-button small" aria-label=${isCopied ? "Copied" : label} title=${isCopied ? "Copied" : label} onClick=${copy}>
      <${Icon} name=${isCopied ? "check" : "copy"} size="14" />
    </button>
  </span>`;
}

/** The clipboard is there on secure origins only; a selection is copied everywhere. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return undefined;
}
