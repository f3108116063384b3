/**
 * One person's tile. Attributes are its state, and the style sheet's and the tests' only handle:
 * `data-state` (connecting, connected, reconnecting, failed), `data-audio` and `data-video` (none, waiting,
 * on, off), `data-speaking`, `data-dominant`.
 */
import { hue, initials } from "./invitation.js";
import { loudness, Speaking } from "./meter.js";
import { showRows } from "./overlay.js";

const SAYS = {
  connecting: "Connecting…",
  connected: "",
  reconnecting: "Reconnecting…",
  failed: "Not connected",
};
const SIGNAL = { 1: "Poor connection", 2: "Fair connection", 3: "Good connection" };
/**
 * How much wider or narrower than its tile a picture may be to fill it; beyond, it is shown whole. Cropping
 * at the sides costs background, cropping above and below costs heads.
 */
const CROP = { wider: 2.6, narrower: 0.62 };

export class Tile {
  #parts;
  #speaking = new Speaking();
  #fit;
  #heard = false;

  /** @param {{peer: string, name: string, self?: boolean, onRetry?: () => void}} who */
  constructor({ peer, name, self = false, onRetry = () => {} }) {
    const template = document.getElementById("tile-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.video = part("video");
    this.#parts = {
      words: part(".overlay-text"),
      signal: part(".signal"),
      name: part(".name"),
      mute: part(".mute"),
      figures: part(".figures"),
    };
    /** The button that opens the choice of quality; hidden unless a Picker shows it. */
    this.qualityButton = part(".quality");
    this.name = self ? `${name} (you)` : name;
    this.element.dataset.peer = peer;
    if (self) this.element.dataset.self = "";
    this.video.muted = self;
    this.#parts.figures.setAttribute("aria-label", `Statistics of ${this.name}`);
    this.video.setAttribute("aria-label", self ? "Your own picture" : `Picture of ${name}`);
    this.#parts.name.textContent = this.name;
    part(".avatar").textContent = initials(name);
    this.element.style.setProperty("--hue", hue(name));
    part(".retry").addEventListener("click", onRetry);
    this.#fit = new ResizeObserver(() => this.#choose());
    this.#fit.observe(this.element);
    this.video.addEventListener("resize", () => this.#choose());
    this.show({ audio: "waiting", video: "waiting" });
    this.state = "connecting";
    this.bars = 3;
  }

  set state(state) {
    this.element.dataset.state = state;
    this.#parts.words.textContent = SAYS[state];
    this.#describe();
  }

  get state() {
    return this.element.dataset.state;
  }

  /** Words for a state that needs more than one: why it failed. */
  set reason(text) {
    this.#parts.words.textContent = text;
  }

  /** @param {{audio?: string, video?: string}} media what is not named stays */
  show({ audio = this.element.dataset.audio, video = this.element.dataset.video }) {
    const { dataset } = this.element;
    if (dataset.audio === audio && dataset.video === video) return;
    dataset.audio = audio;
    dataset.video = video;
    this.#describe();
  }

  /** @param {number} count 1..3 */
  set bars(count) {
    if (this.#parts.signal.dataset.bars === String(count) && this.#parts.signal.title) return;
    this.#parts.signal.dataset.bars = count;
    this.#parts.signal.title = SIGNAL[count];
    this.#parts.signal.setAttribute("aria-label", SIGNAL[count]);
  }

  /** @param {number} amplitude linear @param {number} now milliseconds */
  level(amplitude, now) {
    const heard = this.element.dataset.audio === "on" ? amplitude : 0;
    this.element.style.setProperty("--level", loudness(heard).toFixed(2));
    this.element.toggleAttribute("data-speaking", this.#speaking.update(heard, now) || this.#heard);
  }

  /** @param {"dominant"|"active"|""} role what the node says of who speaks */
  set speaker(role) {
    this.#heard = role !== "";
    this.element.toggleAttribute("data-speaking", this.#heard);
    this.element.toggleAttribute("data-dominant", role === "dominant");
  }

  /** @param {{label: string, value: string, rank: number}[]|null} rows null hides the statistics */
  set figures(rows) {
    this.#parts.figures.hidden = rows === null || rows.length === 0;
    showRows(this.#parts.figures, rows || []);
  }

  /** Show a stream; null shows none. */
  set stream(stream) {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
  }

  set mirrored(on) {
    this.video.classList.toggle("mirror", on);
  }

  remove() {
    this.#fit.disconnect();
    this.video.srcObject = null;
    this.element.remove();
  }

  #describe() {
    const { state, audio } = this.element.dataset;
    const mute = audio === "off" || audio === "none";
    const words = [this.name, state === "connected" ? "" : SAYS[state], mute ? "microphone off" : ""];
    this.element.setAttribute("aria-label", words.filter(Boolean).join(", "));
    this.#parts.mute.toggleAttribute("hidden", !mute);
  }

  #choose() {
    const { videoWidth, videoHeight } = this.video;
    const { clientWidth, clientHeight } = this.element;
    if (!videoWidth || !clientHeight) return;
    const ratio = videoWidth / videoHeight / (clientWidth / clientHeight);
    this.video.classList.toggle("whole", ratio > CROP.wider || ratio < CROP.narrower);
  }
}
