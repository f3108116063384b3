/** How much of an element is to be seen: its size on the screen, or nothing while it or the page is hidden. */

/** A denser screen than this shows no more detail to the eye. */
const DENSEST = 2;

export class Sight {
  #element;
  #onChange;
  #visible = true;
  #sizes;
  #crossings;
  #report = () => this.#onChange();

  /** @param {HTMLElement} element @param {() => void} onChange called often, also with nothing new */
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
    this.#sizes = new ResizeObserver(this.#report);
    this.#sizes.observe(element);
    this.#crossings = new IntersectionObserver((entries) => {
      this.#visible = entries[entries.length - 1].isIntersecting;
      this.#report();
    });
    this.#crossings.observe(element);
    document.addEventListener("visibilitychange", this.#report);
  }

  get hidden() {
    return document.hidden || !this.#visible;
  }

  /** `{width, height}` in device pixels. */
  get size() {
    const density = Math.min(devicePixelRatio || 1, DENSEST);
    const { clientWidth, clientHeight } = this.#element;
    return { width: clientWidth * density, height: clientHeight * density };
  }

  close() {
    this.#sizes.disconnect();
    this.#crossings.disconnect();
    document.removeEventListener("visibilitychange", this.#report);
  }
}
