/** The list at the side: phases, marks, pauses and orders; the one that holds now is marked. */
import { showDuration, showTime } from "./words.js";

const KINDS = { phase: "Phase", mark: "Mark", pause: "Pause", order: "Moderator" };

export class EventList {
  #items;
  #current = null;

  /** @param {HTMLElement} element an `<ol>` @param {object[]} events @param {(time: number) => void} onMove */
  constructor(element, events, onMove) {
    this.#items = events.map((event) => ({ event, element: build(event, onMove) }));
    element.replaceChildren(...this.#items.map(({ element: item }) => item));
  }

  show(time) {
    const current = this.#items.findLast(({ event }) => event.at <= time) || null;
    if (current === this.#current) return;
    this.#current?.element.firstElementChild.removeAttribute("aria-current");
    this.#current = current;
    if (!current) return;
    current.element.firstElementChild.setAttribute("aria-current", "true");
    const list = current.element.parentElement;
    const { offsetTop, offsetHeight } = current.element;
    const top = offsetTop - list.offsetTop;
    const seen = list.scrollTop <= top && top + offsetHeight <= list.scrollTop + list.clientHeight;
    if (!seen) list.scrollTop = top - list.clientHeight / 3;
  }
}

function build({ kind, at, end, title, details }, onMove) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "event";
  button.dataset.kind = kind;
  const add = (name, text) => {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    button.append(part);
  };
  add("event-time", showTime(at));
  add("event-kind", end === undefined ? KINDS[kind] : `${KINDS[kind]} of ${showDuration(end - at)}`);
  add("event-title", title);
  for (const [key, value] of details) add("event-detail", `${key}: ${value}`);
  button.addEventListener("click", () => onMove(at));
  item.append(button);
  return item;
}
