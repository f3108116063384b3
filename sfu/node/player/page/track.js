/**
 * One source's media element, kept at the master clock. Media time is the record's time: the player's server sees to
 * that. States: `preparing`, `ready`, `broken`.
 */
import { endOf } from "./record.js";

/** Milliseconds off from which on the speed is changed, and from which on it is not any more. */
const NUDGE_FROM = 12;
const NUDGE_TO = 4;
/** Milliseconds in which a difference is to be made up, and how much faster or slower that may be. */
const NUDGE_IN = 150;
const MOST = 0.25;
/** Further off, it jumps. */
const JUMP_FROM = 300;
/** Seconds that the picture after a seek may be later than the time sought; and how often one seeks again if it is. */
const LATER = 0.03;
const RETRIES = 3;
/** Before its end an element has nothing more to play. */
const MARGIN = 60;

export class Track {
  #goal = null;
  #left = null;
  #nudging = false;
  /** Media time of the picture that is shown since the last seek; null while none is. */
  #pictured = null;
  #retries = 0;

  constructor(source) {
    this.source = source;
    this.state = "preparing";
    /** What is wrong with the media, in words; it may play all the same. */
    this.problem = "";
    this.element = document.createElement(source.kind);
    this.element.preload = "auto";
    this.element.dataset.source = source.number;
    if (source.kind === "video") {
      this.element.muted = true;
      this.element.playsInline = true;
      this.element.disablePictureInPicture = true;
      this.element.tabIndex = -1;
      this.element.setAttribute("aria-hidden", "true");
    }
    if (source.kind === "video" && this.element.requestVideoFrameCallback) this.#watch();
    this.element.addEventListener("seeked", () => this.#arrive());
    this.element.addEventListener("error", () => this.#fail());
  }

  /** Ask the server for it, which takes a while for a long source. */
  async load() {
    try {
      const response = await fetch(`sources/${this.source.number}`);
      if (!response.ok) throw new Error(`the player answered ${response.status}`);
      const { playable, problem } = await response.json();
      this.problem = problem;
      if (!playable) {
        this.state = "broken";
        return;
      }
      this.state = "ready";
      this.element.src = `media/${this.source.number}`;
    } catch (error) {
      this.state = "broken";
      this.problem = error.message;
    }
  }

  /** Whether it has something to play at `time`. */
  wantedAt(time) {
    return this.state === "ready" && time < endOf(this.source) - MARGIN;
  }

  /** Whether it could go on from `time` at once. */
  readyAt(time) {
    if (!this.wantedAt(time)) return true;
    return this.#goal === null && !this.element.seeking && this.element.readyState >= 3;
  }

  /** Milliseconds that it is ahead of `time`. */
  aheadOf(time) {
    return this.element.currentTime * 1000 - time;
  }

  seek(time) {
    if (this.state !== "ready") return;
    this.#retries = 0;
    this.#goal = Math.min(time, Math.max(0, endOf(this.source) - MARGIN));
    if (!this.element.seeking) this.#leave();
  }

  stop() {
    if (!this.element.paused) this.element.pause();
  }

  /** Bring it to `time`, running at `rate`. */
  follow(time, rate) {
    const { element } = this;
    if (!this.wantedAt(time)) {
      this.stop();
      return;
    }
    if (element.seeking || this.#goal !== null) return;
    if (element.paused) {
      this.#nudging = false;
      element.playbackRate = rate;
      element.play().catch((error) => {
        if (error.name !== "AbortError") console.warn(`source ${this.source.number}: ${error.message}`);
      });
      return;
    }
    const ahead = this.aheadOf(time);
    if (Math.abs(ahead) > JUMP_FROM * Math.max(1, rate)) {
      this.seek(time);
      return;
    }
    this.#nudging = Math.abs(ahead) > (this.#nudging ? NUDGE_TO : NUDGE_FROM);
    const nudge = this.#nudging ? Math.max(-MOST, Math.min(MOST, -ahead / NUDGE_IN)) : 0;
    const wanted = rate * (1 + Math.round(nudge * 100) / 100);
    if (Math.abs(element.playbackRate - wanted) > 0.001) element.playbackRate = wanted;
  }

  #leave() {
    if (this.element.readyState === 0) {
      // Before the metadata there is no seeking, and no event that tells of its end.
      this.element.addEventListener("loadedmetadata", () => this.#leave(), { once: true });
      return;
    }
    this.#left = this.#goal;
    this.#pictured = null;
    this.element.currentTime = this.#goal / 1000;
  }

  #arrive() {
    if (this.#goal === null) return;
    if (this.#goal !== this.#left) this.#leave();
    else this.#goal = null;
    this.#check();
  }

  #watch() {
    this.element.requestVideoFrameCallback((_, { mediaTime }) => {
      this.#pictured = mediaTime;
      this.#check();
      this.#watch();
    });
  }

  /** Firefox at times shows the next key frame instead of the picture of the time sought: that would be false. */
  #check() {
    const { element } = this;
    if (this.#goal !== null || !element.paused || element.seeking || this.#pictured === null) return;
    if (this.#pictured <= element.currentTime + LATER || this.#retries >= RETRIES) return;
    this.#retries += 1;
    this.#goal = this.#left;
    this.#leave();
  }

  #fail() {
    if (this.state !== "ready") return;
    this.state = "broken";
    this.problem = `the browser cannot play it (${this.element.error?.message || "unknown error"})`;
    this.#goal = null;
  }
}
