/** The grid that fits: the rows and columns that make the tiles largest, without scrolling. */

/** Tiles are at most this wide; pictures are cropped to them. */
const WIDEST = 16 / 9;
/** And this upright: on an upright screen heads are cropped at the sides rather than shrunk. */
const NARROWEST = { wide: 4 / 3, upright: 3 / 4 };

/**
 * The best arrangement of `count` tiles in `width` x `height` (CSS pixels).
 * @returns {{columns: number, rows: number, tileWidth: number, tileHeight: number}}
 */
export function arrange(count, width, height, gap) {
  const narrowest = width >= height ? NARROWEST.wide : NARROWEST.upright;
  let best = { columns: 1, rows: Math.max(count, 1), tileWidth: 0, tileHeight: 0 };
  let most = -1;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * WIDEST));
    const tileHeight = Math.floor(Math.min(cellHeight, cellWidth / narrowest));
    if (tileWidth * tileHeight > most) {
      most = tileWidth * tileHeight;
      best = { columns, rows, tileWidth, tileHeight };
    }
  }
  return best;
}

/**
 * Keeps the children of an element arranged inside its parent while the parent's size or their number
 * changes.
 */
export class Grid {
  #element;
  #frame;
  #sizes;
  #children;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#frame = element.parentElement;
    this.#sizes = new ResizeObserver(() => this.#layout());
    this.#sizes.observe(this.#frame);
    this.#children = new MutationObserver(() => this.#layout());
    this.#children.observe(element, { childList: true });
    this.#layout();
  }

  close() {
    this.#sizes.disconnect();
    this.#children.disconnect();
  }

  #layout() {
    const frame = getComputedStyle(this.#frame);
    const pixels = (name) => Number.parseFloat(frame[name]) || 0;
    const width = this.#frame.clientWidth - pixels("paddingLeft") - pixels("paddingRight");
    const height = this.#frame.clientHeight - pixels("paddingTop") - pixels("paddingBottom");
    const gap = Number.parseFloat(getComputedStyle(this.#element).columnGap) || 0;
    const { columns, tileWidth, tileHeight } = arrange(this.#element.childElementCount, width, height, gap);
    const { style } = this.#element;
    style.setProperty("--tile-width", `${tileWidth}px`);
    style.setProperty("--tile-height", `${tileHeight}px`);
    // Exactly `columns` to a row: where tiles are narrower than their cells, flex would squeeze in another
    // one.
    style.setProperty("--row-width", `${columns * tileWidth + (columns - 1) * gap}px`);
  }
}
