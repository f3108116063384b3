/**
 * A line plot of a series: axes, a legend with values, and a label that says the latest ones.
 *
 * Drawn as SVG, so it is sharp on any screen, and its colours are those of the style sheet. Lines of up to two units
 * share it: the first has its axis on the left, the second on the right; the grid belongs to both.
 */
import { showRate, showShare, showTime } from "./figures.js";
import { SPAN, nearest, peak, runs } from "./series.js";

const SVG = "http://www.w3.org/2000/svg";
const STEPS = 4;
const NICE = [1, 2, 2.5, 5, 10];
const EDGE = { top: 22, right: 44, bottom: 22, left: 44 };
const MARKS = [120, 90, 60, 30, 0];

/** How a unit is shown; an axis ends at `least` or above. */
export const UNITS = {
  rate: { show: showRate, least: 200_000, scales: [[1e6, "Mbit/s"], [1e3, "kbit/s"]] },
  time: { show: showTime, least: 0.04, scales: [[1, "s"], [1e-3, "ms"]] },
  share: { show: showShare, least: 0.04, scales: [[0.01, "%"]] },
};

const round = (value, digits) => Number(value.toFixed(digits));

/**
 * An axis from 0 to a round number that is not below `most`.
 * @param {keyof UNITS} unit
 * @returns {{top: number, name: string, ticks: string[]}} `ticks` from 0 to `top`, in units of `name`
 */
export function scaleAxis(most, unit) {
  const { least, scales } = UNITS[unit];
  const raw = Math.max(most, least) / STEPS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * NICE.find((nice) => nice * power >= raw * (1 - 1e-9));
  const top = STEPS * step;
  const [size, name] = scales.find(([at]) => top >= at) || scales.at(-1);
  const ticks = Array.from({ length: STEPS + 1 }, (_, i) => String(round((i * step) / size, 3)));
  return { top, name, ticks };
}

/** The `d` of an SVG path through the known values of `key`. @param {(sample, value) => [number, number]} place */
export function trace(samples, key, place) {
  const point = (sample) => place(sample, sample[key]).map((at) => round(at, 1)).join(" ");
  // A value alone is a dot: a line to itself with round ends.
  return runs(samples, key)
    .map((run) => `M${run.map(point).join("L")}${run.length === 1 ? "h0" : ""}`)
    .join("");
}

/** The latest values in words. */
export function describe(title, lines, sample) {
  const values = lines.map(({ key, name, unit }) => {
    const value = sample?.[key] ?? null;
    return `${name.toLowerCase()} ${value === null ? "not known" : UNITS[unit].show(value)}`;
  });
  return `${title}, the last ${SPAN / 60_000} minutes. Now: ${values.join(", ")}.`;
}

function make(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

export class Plot {
  #title;
  #lines;
  #svg = make("svg", { role: "img", class: "plot-area" });
  #values = new Map();
  #samples = [];
  #now = 0;
  #size = { width: 0, height: 0 };
  /** The time that the pointer is at; null shows the latest values. */
  #pointed = null;
  #observer = new ResizeObserver(() => this.#paint());

  /**
   * @param {string} title
   * @param {{key: string, name: string, unit: keyof UNITS}[]} lines the style sheet colours them by key
   */
  constructor(title, lines) {
    this.#title = title;
    this.#lines = lines;
    this.#svg.setAttribute("aria-label", describe(title, lines, null));
    this.element = document.createElement("figure");
    this.element.className = "plot";
    this.element.append(this.#buildCaption(), this.#svg);
    this.#svg.addEventListener("pointermove", ({ offsetX }) => this.#point(offsetX));
    this.#svg.addEventListener("pointerleave", () => this.#point(null));
    this.#observer.observe(this.#svg);
  }

  /** Show the samples up to `now`. */
  draw(samples, now) {
    this.#samples = samples;
    this.#now = now;
    this.#svg.setAttribute("aria-label", describe(this.#title, this.#lines, samples.at(-1)));
    this.#paint();
  }

  close() {
    this.#observer.disconnect();
    this.element.remove();
  }

  #buildCaption() {
    const caption = document.createElement("figcaption");
    const title = document.createElement("b");
    title.textContent = this.#title;
    caption.append(title);
    for (const { key, name } of this.#lines) {
      const entry = document.createElement("span");
      entry.className = "plot-key";
      const sign = make("svg", { class: "plot-sign", viewBox: "0 0 20 8", "aria-hidden": "true" });
      sign.append(make("path", { class: "plot-line", "data-line": key, d: "M1 4H19" }));
      const value = document.createElement("output");
      value.setAttribute("aria-live", "off");
      this.#values.set(key, value);
      entry.append(sign, name, value);
      caption.append(entry);
    }
    return caption;
  }

  #point(x) {
    const inner = this.#size.width - EDGE.left - EDGE.right;
    const share = x === null || inner <= 0 ? -1 : (x - EDGE.left) / inner;
    this.#pointed = share >= 0 && share <= 1 ? share : null;
    this.#paint();
  }

  #paint() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    const inner = { width: width - EDGE.left - EDGE.right, height: height - EDGE.top - EDGE.bottom };
    if (inner.width <= 0 || inner.height <= 0) return; // not laid out
    this.#size = { width, height };
    const begin = this.#now - SPAN;
    const shown = this.#samples.filter(({ at }) => at >= begin);
    const across = (at) => EDGE.left + ((at - begin) / SPAN) * inner.width;
    const parts = this.#paintTimes(inner);
    const units = [...new Set(this.#lines.map(({ unit }) => unit))];
    const axes = new Map();
    units.forEach((unit, index) => {
      const keys = this.#lines.filter((line) => line.unit === unit).map(({ key }) => key);
      const axis = scaleAxis(peak(shown, keys), unit);
      axes.set(unit, axis);
      parts.push(...this.#paintAxis(axis, index === 0, inner));
    });
    for (const { key, unit } of this.#lines) {
      const { top } = axes.get(unit);
      const place = ({ at }, value) => [across(at), EDGE.top + (1 - value / top) * inner.height];
      parts.push(make("path", { class: "plot-line", "data-line": key, d: trace(shown, key, place) }));
    }
    let sample = shown.at(-1) || null;
    if (this.#pointed !== null && sample) {
      sample = nearest(shown, begin + this.#pointed * SPAN);
      const d = `M${round(across(sample.at), 1)} ${EDGE.top}v${inner.height}`;
      parts.push(make("path", { class: "plot-pointed", d }));
    }
    this.#svg.replaceChildren(...parts);
    for (const { key, unit } of this.#lines) {
      this.#values.get(key).textContent = UNITS[unit].show(sample?.[key] ?? Number.NaN);
    }
  }

  #paintAxis({ name, ticks }, left, inner) {
    const x = left ? EDGE.left - 7 : EDGE.left + inner.width + 7;
    const anchor = left ? "end" : "start";
    const parts = [make("text", { x, y: 10, "text-anchor": anchor, class: "plot-unit" }, name)];
    ticks.forEach((text, index) => {
      const y = round(EDGE.top + (1 - index / STEPS) * inner.height, 1);
      if (left) parts.push(make("path", { class: "plot-grid", d: `M${EDGE.left} ${y}h${inner.width}` }));
      parts.push(make("text", { x, y: y + 4, "text-anchor": anchor }, text));
    });
    return parts;
  }

  #paintTimes(inner) {
    return MARKS.flatMap((seconds) => {
      const x = round(EDGE.left + (1 - (seconds * 1000) / SPAN) * inner.width, 1);
      const text = seconds === 0 ? "now" : `−${seconds} s`;
      return [
        make("path", { class: "plot-grid", d: `M${x} ${EDGE.top}v${inner.height}` }),
        make("text", { x, y: EDGE.top + inner.height + 17, "text-anchor": "middle" }, text),
      ];
    });
  }
}
