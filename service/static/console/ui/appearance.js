// The switch of theme and direction, in a small popover.

import { html, useId, useRef } from "../app/preact.js";
import { chooseDirection, chooseTheme, direction, theme } from "../app/preferences.js";
import { useStore } from "../app/store.js";
import { Choice } from "./controls.js";
import { Icon } from "./icon.js";

const THEMES = [
  { value: "system", label: "Device", icon: "monitor" },
  { value: "light", label: "Light", icon: "sun" },
  { value: "dark", label: "Dark", icon: "moon" },
];
const DIRECTIONS = [
  { value: "ltr", label: "Left to right" },
  { value: "rtl", label: "Right to left" },
];

export function Appearance() {
  const id = useId();
  const popover = useRef();
  return html`<div class="appearance">
    <button type="button" class="icon-button" aria-label="Appearance" title="Appearance" popovertarget=${id}><${Icon} name="sun" /></button>
    <div id=${id} popover="auto" class="popover" ref=${popover}>
      <${Choice} label="Theme" options=${THEMES} value=${useStore(theme)} onChange=${chooseTheme} />
      <${Choice} label="Layout" options=${DIRECTIONS} value=${useStore(direction)} onChange=${chooseDirection} />
    </div>
  </div>`;
}
