/** The statistics overlay: a panel on each tile, brought up to date each second while it is shown. */

const PERIOD = 1000;

/** Show rows (see figures.js) in a `<dl>`, keeping the elements that are there. */
export function showRows(list, rows) {
  while (list.children.length > rows.length) list.lastElementChild.remove();
  rows.forEach(({ label, value, rank }, at) => {
    const row = list.children[at] || list.appendChild(makeRow());
    row.dataset.rank = rank;
    const [term, about] = row.children;
    if (term.textContent !== label) term.textContent = label;
    if (about.textContent !== value) about.textContent = value;
  });
}

function makeRow() {
  const row = document.createElement("div");
  row.append(document.createElement("dt"), document.createElement("dd"));
  return row;
}

/** True for a plain letter that is not typed into anything. */
export function isShortcut(event, letter) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return false;
  if (event.key.toLowerCase() !== letter) return false;
  return !event.target.closest?.("input, select, textarea, dialog, [contenteditable], [role=menu]");
}

export class Overlay {
  #button;
  #sources;
  #timer = 0;
  #done = new AbortController();

  /**
   * @param {object} options
   * @param {HTMLButtonElement} options.button switches it
   * @param {() => {tile: import("./tile.js").Tile, figures: () => Promise<object[]>}[]} options.sources
   *   who is shown now
   */
  constructor({ button, sources }) {
    this.#button = button;
    this.#sources = sources;
    const { signal } = this.#done;
    button.addEventListener("click", () => this.#turn(!this.shown), { signal });
    const key = (event) => {
      if (isShortcut(event, "s")) this.#turn(!this.shown);
    };
    document.addEventListener("keydown", key, { signal });
    this.#turn(false);
  }

  get shown() {
    return this.#timer !== 0;
  }

  close() {
    this.#turn(false);
    this.#done.abort();
  }

  #turn(on) {
    clearInterval(this.#timer);
    this.#timer = on ? setInterval(() => this.#update(), PERIOD) : 0;
    this.#button.setAttribute("aria-pressed", String(on));
    this.#update();
  }

  async #update() {
    const timer = this.#timer;
    await Promise.all(
      this.#sources().map(async ({ tile, figures }) => {
        if (!this.shown) {
          tile.figures = null;
          return;
        }
        const rows = await figures().catch((error) => {
          console.debug("no statistics:", error.message);
          return [];
        });
        if (timer === this.#timer) tile.figures = rows;
      }),
    );
  }
}
