// Dialogs: the browser's own, which keeps focus inside, closes on Escape and gives focus back.

import { html, useEffect, useId, useRef } from "../app/preact.js";
import { IconButton } from "./controls.js";

export function Dialog({ title, onClose, children, size = "" }) {
  const element = useRef();
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${element} class="dialog ${size}" aria-labelledby=${id} onCancel=${onCancel}>
    <header><h2 id=${id}>${title}</h2><${IconButton} icon="x" label="Close" onClick=${onClose} /></header>
    <div class="dialog-body">${children}</div>
  </dialog>`;
}
