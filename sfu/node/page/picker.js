/** The button on a tile with which a viewer chooses the quality of the picture, and its menu. */
import { closeMenu, menusWork, openMenu, updateMenu } from "./menu.js";
import { nameOf } from "./layers.js";

/** What the menu offers for a Quality: Auto, the layers from the best down, and pausing. */
export function menuItems(quality) {
  const { layers, choice, paused } = quality;
  const radio = (id, label, detail, at) => ({
    id,
    kind: "radio",
    label,
    detail,
    checked: !paused && choice === at,
    pick: () => quality.choose(at),
  });
  const items = [radio("auto", "Auto", "fits the tile", null)];
  if (layers.length > 1) {
    for (let at = layers.length - 1; at >= 0; at -= 1) {
      items.push(radio(String(at), nameOf(at, layers.length), describe(layers[at]), at));
    }
  }
  const pause = { id: "pause", kind: "check", label: "Pause video", checked: paused, apart: true };
  return [...items, { ...pause, pick: () => quality.pause(!paused) }];
}

function describe({ height, active }) {
  if (!active) return "not sent now";
  return height ? `${height}p` : "";
}

export class Picker {
  #button;
  #words;
  #quality;
  #name;
  #follow = null;
  #show = () => this.#update();

  /**
   * @param {object} options
   * @param {HTMLButtonElement} options.button @param {string} options.name whose video
   * @param {import("./quality.js").Quality} options.quality
   */
  constructor({ button, name, quality }) {
    this.#button = button;
    this.#words = button.querySelector("span");
    this.#quality = quality;
    this.#name = name;
    quality.addEventListener("change", this.#show);
    button.addEventListener("click", () => this.#open());
    button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      this.#open();
    });
    this.#update();
  }

  close() {
    this.#quality.removeEventListener("change", this.#show);
    closeMenu(this.#button);
    this.#follow?.abort();
  }

  #open() {
    openMenu(this.#button, {
      label: `Quality of ${this.#name}`,
      items: () => menuItems(this.#quality),
      onClose: () => this.#follow?.abort(),
    });
    if (this.#button.getAttribute("aria-expanded") !== "true") return;
    this.#follow = new AbortController();
    this.#quality.follow(this.#follow.signal);
  }

  #update() {
    const { offered, label, choice, paused } = this.#quality;
    this.#button.hidden = !offered || !menusWork();
    this.#button.toggleAttribute("data-chosen", choice !== null || paused);
    this.#words.textContent = label;
    this.#button.setAttribute("aria-label", `Quality of ${this.#name}: ${label}`);
    this.#button.title = `Quality: ${label}`;
    if (this.#button.hidden) closeMenu(this.#button);
    else updateMenu(this.#button);
  }
}
