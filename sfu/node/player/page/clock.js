/**
 * The master clock, which all media follow. It stands while media are not ready, so that no one runs ahead.
 * Fires `change` when it starts, stops, or its rate changes, and `jump` when its time does.
 */
export class Clock extends EventTarget {
  #base = 0;
  #since = 0;
  #rate = 1;
  #playing = false;
  #held = false;
  #now;

  /** @param {number} duration milliseconds @param {() => number} now monotonic milliseconds */
  constructor(duration, now = () => performance.now()) {
    super();
    this.duration = duration;
    this.#now = now;
  }

  /** Milliseconds of the record. */
  get time() {
    const passed = this.running ? (this.#now() - this.#since) * this.#rate : 0;
    return Math.min(this.duration, this.#base + passed);
  }

  /** Whether a person wants it to run. */
  get playing() {
    return this.#playing;
  }

  /** Whether it runs: it may be held. */
  get running() {
    return this.#playing && !this.#held;
  }

  get rate() {
    return this.#rate;
  }

  set rate(rate) {
    this.#settle();
    this.#rate = rate;
    this.#tell("change");
  }

  get held() {
    return this.#held;
  }

  set held(held) {
    if (held === this.#held) return;
    this.#settle();
    this.#held = held;
    this.#tell("change");
  }

  play() {
    if (this.#playing) return;
    if (this.time >= this.duration) this.seek(0);
    this.#settle();
    this.#playing = true;
    this.#tell("change");
  }

  pause() {
    if (!this.#playing) return;
    this.#settle();
    this.#playing = false;
    this.#tell("change");
  }

  seek(time) {
    this.#base = Math.min(this.duration, Math.max(0, time));
    this.#since = this.#now();
    this.#tell("jump");
  }

  /** Take the time that media have, where they are a little off: they have just begun. */
  adopt(time) {
    this.#base = time;
    this.#since = this.#now();
  }

  #settle() {
    this.#base = this.time;
    this.#since = this.#now();
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
