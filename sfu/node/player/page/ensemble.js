/** Keeps all tracks together with the clock: holds it while one is not ready, starts all at once, corrects who drifts. */

const PERIOD = 40;
/** Milliseconds after which the others go on without a track that does not come. */
const PATIENCE = 8000;
/** Sound takes a moment from `play()` to its first sample; after this many milliseconds pictures do not wait for it. */
const SOUND_STARTS = 600;
/** Sound has begun when its time has moved by this (milliseconds). */
const MOVED = 5;

/** How much of what sound is off the clock makes up at a time; more than TRUSTED milliseconds is no drift. */
const SHARE = 0.5;
const TRUSTED = 200;

export class Ensemble {
  #clock;
  #tracks;
  #skips;
  #timer = 0;
  #waiting = 0;
  /** When sound was started, and from which time on; null while all run. */
  #start = null;

  /**
   * @param {import("./clock.js").Clock} clock @param {import("./track.js").Track[]} tracks
   * @param {(time: number) => number|null} skips where to go on from a time that is not to be played
   */
  constructor(clock, tracks, skips) {
    this.#clock = clock;
    this.#tracks = tracks;
    this.#skips = skips;
    clock.addEventListener("jump", () => {
      for (const track of tracks) track.seek(clock.time);
      this.#stop();
      this.#waiting = performance.now();
      this.#tick();
    });
    clock.addEventListener("change", () => {
      if (clock.running) return;
      if (!this.#start) for (const track of tracks) track.stop();
    });
    this.#timer = setInterval(() => this.#tick(), PERIOD);
  }

  close() {
    clearInterval(this.#timer);
    this.#clock.pause();
  }

  #tick() {
    const clock = this.#clock;
    const now = performance.now();
    if (!clock.playing) {
      if (this.#start) this.#stop();
      return;
    }
    if (clock.time >= clock.duration) {
      clock.pause();
      return;
    }
    const beyond = this.#skips(clock.time);
    if (beyond !== null) {
      clock.seek(beyond);
      return;
    }
    if (this.#wait(now)) return;
    if (this.#begin(now)) return;
    this.#listen();
    for (const track of this.#tracks) track.follow(clock.time, clock.rate);
  }

  /** Sound has a clock of its own, the sound card's, and cannot be hurried unheard: so the clock goes with it. */
  #listen() {
    const { time } = this.#clock;
    const heard = this.#tracks.filter(
      ({ source, element }) => source.kind === "audio" && !element.paused && !element.seeking,
    );
    const ahead = median(heard.filter((track) => track.wantedAt(time)).map((track) => track.aheadOf(time)));
    if (Math.abs(ahead) > TRUSTED) return;
    this.#clock.adopt(time + ahead * SHARE);
  }

  /** Whether the clock must stand until all tracks are ready. */
  #wait(now) {
    const clock = this.#clock;
    const ready = this.#tracks.every((track) => track.readyAt(clock.time));
    if (ready) this.#waiting = 0;
    else if (!this.#waiting) this.#waiting = now;
    const wait = !ready && now - this.#waiting < PATIENCE;
    if (wait) this.#stop();
    clock.held = wait || this.#start !== null;
    return wait;
  }

  /**
   * Whether sound is still about to begin: it takes longer to start than pictures do. So it goes first, the clock
   * takes over its time when it is heard, and pictures join in.
   */
  #begin(now) {
    const clock = this.#clock;
    const { time, rate } = clock;
    const wanted = this.#tracks.filter((track) => track.wantedAt(time));
    const sound = wanted.filter(({ source }) => source.kind === "audio");
    if (!this.#start) {
      if (!sound.length || wanted.some(({ element }) => !element.paused)) return false;
      this.#start = { now, times: new Map(sound.map((track) => [track, track.element.currentTime])) };
      clock.held = true;
      for (const track of sound) track.follow(time, rate);
      return true;
    }
    const { times } = this.#start;
    const moved = sound.filter((track) => (track.element.currentTime - (times.get(track) ?? 0)) * 1000 > MOVED);
    if (moved.length < sound.length && now - this.#start.now < SOUND_STARTS) return true;
    this.#start = null;
    clock.adopt(time + median(moved.map((track) => track.aheadOf(time))));
    clock.held = false;
    return false;
  }

  #stop() {
    this.#start = null;
    for (const track of this.#tracks) track.stop();
  }
}

/** The middle one, or 0 of none. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}
