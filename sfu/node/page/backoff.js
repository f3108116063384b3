/** Waiting times between attempts: doubling, bounded, and jittered so that a room does not return in step. */
export class Backoff {
  #attempt = 0;

  /** @param {{first?: number, most?: number, random?: () => number}} [options] milliseconds */
  constructor({ first = 500, most = 15000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.random = random;
  }

  /** Milliseconds to wait before the next attempt; never less than `atLeast`. */
  next(atLeast = 0) {
    const full = Math.min(this.most, this.first * 2 ** Math.min(this.#attempt, 16));
    this.#attempt += 1;
    return Math.max(atLeast, full * (0.5 + this.random() / 2));
  }

  reset() {
    this.#attempt = 0;
  }
}
