// Charts drawn as SVG: lines or steps over time, with a crosshair for pointer and keyboard, in the theme's colours.
// Values are plain numbers, good for pixels only; what is written beside them comes from the caller's `format`.

import { html, useEffect, useId, useRef, useState } from "../app/preact.js";

const MARGIN = { top: 12, right: 12, bottom: 26, left: 56 };

/**
 * points: [{x (ms), y, label}] by time; kind: "line" | "step" | "bars". `formatY` gets all ticks at once. Before `knownFrom`
 * (ms) nothing is known, which is not zero. `summary` says it in words.
 */
export function TimeChart({ points, kind = "line", height = 220, formatY, formatX, summary, from, to, isFromZero = true, isWhole = false, knownFrom }) {
  const frame = useRef();
  const id = useId();
  const [width, setWidth] = useState(640);
  const [at, setAt] = useState(null);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.round(entry.contentRect.width))));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);

  const scale = scales(points, { width, height, from, to, isFromZero, isWhole });
  const textsY = formatY(scale.ticksY);
  const shown = at !== null && points[Math.min(at, points.length - 1)];
  const nearest = (event) => {
    const box = frame.current.getBoundingClientRect();
    setAt(indexAt(points, scale.timeAt(((event.clientX - box.left) / box.width) * width)));
  };
  const onKey = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (!step || !points.length) return;
    event.preventDefault();
    setAt((now) => Math.max(0, Math.min(points.length - 1, (now ?? points.length - 1) + step)));
  };
  return html`<figure class="chart" ref=${frame} dir="ltr">
    <svg width="100%" height=${height} viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-labelledby=${id} tabindex="0"
      onPointerMove=${nearest} onPointerLeave=${() => setAt(null)} onBlur=${() => setAt(null)} onKeyDown=${onKey}>
      <title id=${id}>${summary}</title>
      ${scale.ticksY.map((tick, index) => html`<g key="y${tick}"><line class="grid" x1=${MARGIN.left} x2=${width - MARGIN.right} y1=${scale.y(tick)} y2=${scale.y(tick)} />
        <text class="tick" x=${MARGIN.left - 8} y=${scale.y(tick) + 4} text-anchor="end">${textsY[index]}</text></g>`)}
      ${scale.ticksX.map((tick, index) => html`<text key="x${tick}" class="tick" x=${scale.x(tick)} y=${height - 6}
        text-anchor=${index === 0 ? "start" : index === scale.ticksX.length - 1 ? "end" : "middle"}>${formatX(tick)}</text>`)}
      ${knownFrom > scale.from && html`<${Unknown} scale=${scale} to=${Math.min(knownFrom, scale.to)} height=${height} />`}
      ${kind === "bars" ? html`<${Bars} points=${points} scale=${scale} />` : html`<${Line} points=${points} scale=${scale} isStep=${kind === "step"} />`}
      ${shown && html`<line class="crosshair" x1=${scale.x(shown.x)} x2=${scale.x(shown.x)} y1=${MARGIN.top} y2=${height - MARGIN.bottom} />
        ${kind !== "bars" && html`<circle class="dot" cx=${scale.x(shown.x)} cy=${scale.y(shown.y)} r="4.5" />`}`}
    </svg>
    ${shown && html`<figcaption class="tip" role="status" style=${{ left: `${Math.max(12, Math.min(88, (scale.x(shown.x) / width) * 100))}%` }}>${shown.label}</figcaption>`}
  </figure>`;
}

function Unknown({ scale, to, height }) {
  const [left, right] = [scale.x(scale.from), scale.x(to)];
  return html`<rect class="unknown" x=${left} y=${MARGIN.top} width=${right - left} height=${height - MARGIN.top - MARGIN.bottom} />
    ${right - left > 90 && html`<text class="tick" x=${(left + right) / 2} y=${height / 2} text-anchor="middle">not counted</text>`}`;
}

function Line({ points, scale, isStep }) {
  if (!points.length) return null;
  const at = (point) => `${scale.x(point.x).toFixed(1)},${scale.y(point.y).toFixed(1)}`;
  let path = `M${at(points[0])}`;
  points.slice(1).forEach((point) => {
    path += isStep ? `H${scale.x(point.x).toFixed(1)}V${scale.y(point.y).toFixed(1)}` : `L${at(point)}`;
  });
  const floor = scale.y(Math.max(0, scale.low)).toFixed(1);
  const area = `${path}V${floor}H${scale.x(points[0].x).toFixed(1)}Z`;
  return html`<path class="area" d=${area} /><path class="line" d=${path} />`;
}

function Bars({ points, scale }) {
  const width = Math.max(1, (scale.x(scale.to) - scale.x(scale.from)) / Math.max(1, points.length) - 1.5);
  const floor = scale.y(0);
  return points.map(({ x, y }) => y > 0 && html`<rect key=${x} class="bar" x=${(scale.x(x) - width / 2).toFixed(1)} y=${scale.y(y).toFixed(1)}
    width=${width.toFixed(1)} height=${Math.max(1, floor - scale.y(y)).toFixed(1)} rx=${Math.min(2, width / 2)} />`);
}

function scales(points, { width, height, from = points[0]?.x ?? 0, to = points.at(-1)?.x ?? 1, isFromZero, isWhole }) {
  const values = points.map(({ y }) => y);
  const lowest = Math.min(...values, isFromZero ? 0 : Infinity);
  const highest = Math.max(...values, isFromZero ? 1 : -Infinity);
  const ticksY = niceTicks(values.length ? lowest : 0, values.length ? highest : 1, 4, isWhole ? 1 : 0);
  const [low, high] = [ticksY[0], ticksY.at(-1)];
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const span = to - from || 1;
  const count = width < 420 ? 3 : 5;
  return {
    low, from, to, ticksY,
    ticksX: Array.from({ length: count }, (_, index) => from + (span * index) / (count - 1)),
    x: (time) => MARGIN.left + ((time - from) / span) * inner.width,
    y: (value) => MARGIN.top + (1 - (value - low) / (high - low || 1)) * inner.height,
    timeAt: (pixel) => from + ((pixel - MARGIN.left) / inner.width) * span,
  };
}

function niceTicks(low, high, count, stepMin) {
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const sizes = [1, 2, 2.5, 5, 10].map((factor) => factor * power);
  const step = Math.max(stepMin, sizes.find((size) => size >= rough && (!stepMin || size < stepMin || size % stepMin === 0)));
  const ticks = [];
  for (let tick = Math.floor(low / step) * step; tick < high + step * 0.999; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

function indexAt(points, time) {
  let best = 0;
  points.forEach(({ x }, index) => {
    if (Math.abs(x - time) < Math.abs(points[best].x - time)) best = index;
  });
  return points.length ? best : null;
}

/** Shares of a whole as one bar with its legend: [{name, value, tone, shown}]. */
export function ShareBar({ parts, summary }) {
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  return html`<div class="share">
    <div class="share-bar" role="img" aria-label=${summary}>
      ${parts.filter(({ value }) => value > 0).map(({ name, value, tone }) => html`<i key=${name} class=${tone} style=${{ flexGrow: value / total }}></i>`)}
    </div>
    <ul>${parts.map(({ name, tone, shown }) => html`<li key=${name}><i class=${tone} aria-hidden="true"></i><span>${name}</span><b>${shown}</b></li>`)}</ul>
  </div>`;
}
