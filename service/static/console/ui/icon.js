// Icons: decoration beside words, hidden from assistive technology.

import { h } from "../app/preact.js";
import { icons } from "../vendor/lucide-1.62.0.js";

export function Icon({ name, size = 18, className = "" }) {
  const children = icons[name].map(([element, attributes], index) => h(element, { key: index, ...attributes }));
  return h(
    "svg",
    {
      class: `icon ${className}`, width: size, height: size, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor",
      "stroke-width": 1.75, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true", focusable: "false",
    },
    children,
  );
}

/** The sign of the house. */
export function Mark({ size = 32 }) {
  return h("svg", { class: "mark", width: size, height: size, viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" }, [
    h("rect", { key: "ground", width: 32, height: 32, rx: 8, class: "mark-ground" }),
    h("path", { key: "bolt", d: "M17.6 6.5 9 17.6h5.6l-1.3 8L22.6 14h-6.1z", class: "mark-bolt" }),
  ]);
}
