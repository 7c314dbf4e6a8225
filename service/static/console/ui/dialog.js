// Dialogs: the browser's own, which keeps focus inside, closes on Escape and gives focus back. While its command is under
// way it stays: closing it would look like taking the command back, and opening it again would do it twice.

import { html, useEffect, useId, useRef } from "../app/preact.js";
import { IconButton } from "./controls.js";

export function Dialog({ title, onClose, isBusy = false, children, size = "" }) {
  const element = useRef();
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    // A moment later: until this dialog is taken out, nothing behind it can have focus.
    return () => queueMicrotask(() => before?.isConnected && before.focus());
  }, []);
  useEffect(() => {
    // One that was moved, since something before it came or went, is shown but modal no longer.
    if (element.current.matches(":modal")) return;
    element.current.removeAttribute("open");
    element.current.showModal();
  });
  const onCancel = (event) => {
    event.preventDefault();
    if (!isBusy) onClose();
  };
  const onKey = (event) => isBusy && event.key === "Escape" && event.preventDefault();
  // A browser may close it whatever the page says, by a gesture.
  const onClosed = () => (isBusy ? element.current.showModal() : onClose());
  return html`<dialog ref=${element} class="dialog ${size}" aria-labelledby=${id} onKeyDown=${onKey} onCancel=${onCancel} onClose=${onClosed}>
    <header><h2 id=${id}>${title}</h2><${IconButton} icon="x" label="Close" disabled=${isBusy} onClick=${onClose} /></header>
    <div class="dialog-body">${children}</div>
  </dialog>`;
}
