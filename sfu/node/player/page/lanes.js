/** The timeline: where each source has media and gaps, pauses as bands, marks and phases, and the slider to scrub with. */
import { CAUSES, endOf, stateOf } from "./record.js";
import { showDuration, showTime } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
/** Seconds between two times on the axis. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
/** CSS pixels that a time on the axis needs. */
const TICK_WIDTH = 72;
/** Marks nearer to each other than this (CSS pixels) are one flag. */
const FLAG_WIDTH = 14;
const HEIGHT = 10;

const $ = (id) => document.getElementById(id);

export class Lanes {
  #record;
  #groups;
  #clock;
  #events;
  #onMove;
  #scrub = $("scrub");
  #dragging = null;

  /**
   * @param {object} options
   * @param {object} options.record @param {object[]} options.groups @param {object[]} options.events
   * @param {import("./clock.js").Clock} options.clock @param {(time: number) => void} options.onMove
   */
  constructor({ record, groups, events, clock, onMove }) {
    this.#record = record;
    this.#groups = groups;
    this.#clock = clock;
    this.#events = events;
    this.#onMove = onMove;
    this.#scrub.setAttribute("aria-valuemax", String(Math.round(record.duration / 1000)));
    this.#buildLanes();
    this.#buildPauses();
    this.#buildPhases();
    new ResizeObserver(() => this.#layout()).observe(this.#scrub);
    this.#listen();
  }

  /** Move the playhead. */
  show(time) {
    this.#scrub.style.setProperty("--at", this.#share(time));
    const seconds = String(Math.round(time / 1000));
    if (this.#scrub.getAttribute("aria-valuenow") === seconds) return;
    this.#scrub.setAttribute("aria-valuenow", seconds);
    this.#scrub.setAttribute("aria-valuetext", `${showTime(time)} of ${showTime(this.#record.duration)}`);
  }

  #share(time) {
    return `${((100 * time) / Math.max(1, this.#record.duration)).toFixed(4)}%`;
  }

  #buildLanes() {
    const rows = this.#groups.map((group) => {
      const row = document.createElement("div");
      row.className = "lane-group";
      const name = document.createElement("span");
      name.className = "lane-name";
      name.textContent = group.label && group.label !== "camera" ? `${group.name} (${group.label})` : group.name;
      const lanes = document.createElement("div");
      lanes.className = "lane-set";
      for (const kind of ["video", "audio"]) if (group[kind].length) lanes.append(this.#draw(group[kind], kind, name.textContent));
      row.append(name, lanes);
      return row;
    });
    $("lanes").replaceChildren(...rows);
  }

  #draw(sources, kind, name) {
    const lane = document.createElementNS(SVG, "svg");
    lane.setAttribute("viewBox", `0 0 ${Math.max(1, this.#record.duration)} ${HEIGHT}`);
    lane.setAttribute("preserveAspectRatio", "none");
    lane.setAttribute("class", `lane ${kind}`);
    lane.setAttribute("role", "img");
    lane.setAttribute("aria-label", describe(sources, kind, name));
    const add = (spans, name) => {
      if (!spans.length) return;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", spans.map(({ begin, end }) => `M${begin} 0H${end}V${HEIGHT}H${begin}Z`).join(""));
      path.setAttribute("class", name);
      lane.append(path);
    };
    add(sources.flatMap(({ spans }) => spans), "media");
    for (const cause of Object.keys(CAUSES)) {
      if (cause !== "pause") add(sources.flatMap(({ gaps }) => gaps.filter((gap) => gap.cause === cause)), `gap ${cause}`);
    }
    return lane;
  }

  #buildPauses() {
    const bands = this.#record.pauses.map(({ begin, end, ground, authoriser }) => {
      const band = document.createElement("div");
      band.className = "band";
      band.style.setProperty("--at", this.#share(begin));
      band.style.setProperty("--width", this.#share(end - begin));
      const words = document.createElement("span");
      words.textContent = [ground || "Off the record", authoriser].filter(Boolean).join(" · ");
      band.title = `Off the record for ${showDuration(end - begin)}: ${words.textContent}`;
      band.append(words);
      return band;
    });
    $("bands").replaceChildren(...bands);
  }

  #buildPhases() {
    const { phases, duration } = this.#record;
    const made = phases.map(({ at, names }, number) => {
      const end = phases[number + 1]?.at ?? duration;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "phase";
      button.style.setProperty("--at", this.#share(at));
      button.style.setProperty("--width", this.#share(end - at));
      button.textContent = names[0];
      button.title = `${names[0]}, from ${showTime(at)}`;
      button.addEventListener("click", () => this.#onMove(at));
      return button;
    });
    $("phases").replaceChildren(...made);
    $("phases").hidden = !made.length;
  }

  #layout() {
    const width = this.#scrub.clientWidth;
    if (!width) return;
    const { duration } = this.#record;
    const step = 1000 * (STEPS.find((each) => (each * 1000 * width) / duration >= TICK_WIDTH) || STEPS.at(-1));
    const ticks = [];
    for (let at = 0; at < duration && ticks.length < 200; at += step) {
      const tick = document.createElement("span");
      tick.style.setProperty("--at", this.#share(at));
      tick.textContent = showTime(at);
      tick.toggleAttribute("data-last", (1 - at / duration) * width < TICK_WIDTH / 2);
      ticks.push(tick);
    }
    $("axis").replaceChildren(...ticks);
    this.#placeFlags(width);
  }

  #placeFlags(width) {
    const flags = [];
    let last = null;
    for (const { kind, at, title } of this.#events) {
      if (kind !== "mark") continue;
      if (last && ((at - last.at) * width) / this.#record.duration < FLAG_WIDTH) {
        last.titles.push(title);
      } else {
        last = { at, titles: [title] };
        flags.push(last);
      }
    }
    $("flags").replaceChildren(
      ...flags.map(({ at, titles }) => {
        const flag = document.createElement("button");
        flag.type = "button";
        flag.className = "flag";
        flag.style.setProperty("--at", this.#share(at));
        const words = `${showTime(at)} ${titles.join(", ")}`;
        flag.title = words;
        flag.setAttribute("aria-label", `Mark: ${words}`);
        flag.addEventListener("click", () => this.#onMove(at));
        return flag;
      }),
    );
  }

  #listen() {
    const scrub = this.#scrub;
    const timeOf = (event) => {
      const { left, width } = scrub.getBoundingClientRect();
      return this.#record.duration * Math.min(1, Math.max(0, (event.clientX - left) / width));
    };
    scrub.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      scrub.setPointerCapture(event.pointerId);
      this.#dragging = event.pointerId;
      this.#onMove(timeOf(event));
    });
    scrub.addEventListener("pointermove", (event) => {
      this.#showHint(timeOf(event), event);
      if (this.#dragging === event.pointerId) this.#onMove(timeOf(event));
    });
    for (const type of ["pointerup", "pointercancel"]) scrub.addEventListener(type, () => (this.#dragging = null));
    scrub.addEventListener("pointerleave", () => ($("hint").hidden = true));
  }

  /** What stands where the pointer is. */
  #showHint(time, event) {
    const hint = $("hint");
    hint.hidden = false;
    hint.style.setProperty("--at", this.#share(time));
    const lane = document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.classList.contains("lane-set"));
    const rows = [...$("lanes").querySelectorAll(".lane-set")];
    const group = this.#groups[rows.indexOf(lane)];
    const missing = group ? [...group.video, ...group.audio].map((source) => [source.kind, CAUSES[stateOf(source, time)]]) : [];
    const words = missing.filter(([, cause]) => cause).map(([kind, cause]) => `${kind}: ${cause.toLowerCase()}`);
    hint.textContent = [showTime(time), ...words].join(" · ");
    hint.toggleAttribute("data-right", time > this.#record.duration / 2);
  }
}

/** A lane in words. */
function describe(sources, kind, name) {
  const gaps = sources.flatMap((source) => source.gaps);
  const counts = Object.entries(CAUSES)
    .map(([cause, words]) => [gaps.filter((gap) => gap.cause === cause).length, words.toLowerCase()])
    .filter(([count]) => count)
    .map(([count, words]) => `${count} × ${words}`);
  const begin = Math.min(...sources.map(({ spans }) => spans[0]?.begin ?? 0));
  const end = Math.max(...sources.map(endOf));
  const whole = `${kind} of ${name}: from ${showTime(begin)} to ${showTime(end)}`;
  return counts.length ? `${whole}; gaps: ${counts.join(", ")}` : whole;
}
