// Theme and direction, kept on this device. Applied before the first paint by appearance.js.

import { Store } from "./store.js";

const root = document.documentElement;

export const theme = new Store(root.dataset.theme || "system");
export const direction = new Store(root.dir === "rtl" ? "rtl" : "ltr");

export function chooseTheme(value) {
  if (value === "system") delete root.dataset.theme;
  else root.dataset.theme = value;
  keep("theme", value);
  theme.set(value);
}

export function chooseDirection(value) {
  root.dir = value;
  keep("direction", value);
  direction.set(value);
}

function keep(name, value) {
  try {
    localStorage.setItem(`charge-shop.${name}`, value);
  } catch {
    // Storage is refused: it lasts as long as the page.
  }
}
