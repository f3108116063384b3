/**
 * Audio levels: linear 0..1 amplitudes in, a 0..1 scale that follows hearing out, and the decision who
 * speaks.
 */

/** Below this many dB relative to full scale a meter shows nothing. */
const FLOOR_DB = -55;
/** Speaking begins above this level (dB) and lasts at least HOLD milliseconds beyond it. */
const SPEAKING_DB = -38;
const HOLD = 600;

export function decibels(amplitude) {
  return amplitude > 0 ? 20 * Math.log10(amplitude) : -Infinity;
}

/** A linear amplitude as 0..1 on a scale of decibels. */
export function loudness(amplitude) {
  return Math.min(1, Math.max(0, 1 - decibels(amplitude) / FLOOR_DB));
}

/** Speaking with hysteresis: two loud samples in a row begin it, a pause of HOLD ends it. */
export class Speaking {
  #loud = 0;
  #until = -Infinity;

  /** @param {number} amplitude linear @param {number} now milliseconds, monotonic @returns {boolean} */
  update(amplitude, now) {
    this.#loud = decibels(amplitude) > SPEAKING_DB ? this.#loud + 1 : 0;
    if (this.#loud >= 2) this.#until = now + HOLD;
    return now < this.#until;
  }
}

let context = null;

/** The page's one AudioContext; browsers let it run after the first gesture. */
function sharedContext() {
  if (context) return context;
  context = new AudioContext({ latencyHint: "playback" });
  const resume = () => {
    if (context.state === "suspended") context.resume().catch(() => {});
  };
  for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, resume, { passive: true });
  return context;
}

/** Measures a local microphone track. */
export class TrackMeter {
  #source = null;
  #analyser = null;
  #samples = null;

  /** @param {MediaStreamTrack|null} track null measures nothing */
  set track(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    const audio = sharedContext();
    if (!this.#analyser) {
      this.#analyser = new AnalyserNode(audio, { fftSize: 1024 });
      this.#samples = new Float32Array(this.#analyser.fftSize);
    }
    this.#source = new MediaStreamAudioSourceNode(audio, { mediaStream: new MediaStream([track]) });
    this.#source.connect(this.#analyser);
  }

  /** The root mean square of the last 20 ms or so, linear. */
  get amplitude() {
    if (!this.#source) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }
}

/**
 * Calls `action(now)` about 15 times a second while the page is visible. Returns the function that stops
 * it.
 */
export function everyFrame(action, interval = 66) {
  let handle = 0;
  let last = 0;
  const step = (now) => {
    handle = requestAnimationFrame(step);
    if (now - last < interval) return;
    last = now;
    action(now);
  };
  handle = requestAnimationFrame(step);
  return () => cancelAnimationFrame(handle);
}
