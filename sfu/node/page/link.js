/**
 * A connection that comes back: opens sessions one after another, with back-off, until it is closed.
 *
 * States are those that a tile shows: `connecting` (never connected yet), `connected`, `reconnecting`,
 * `failed` (the node refused; only `retry` starts again).
 */
import { Backoff } from "./backoff.js";
import { Problem } from "./problem.js";

/** Milliseconds a connection may be `disconnected` before it is replaced; shorter gaps heal by themselves. */
const GRACE = 2500;
/** Milliseconds from the answer to `connected`. */
const HANDSHAKE = 12000;

export class Link {
  #open;
  #onState;
  #onSession;
  #onError;
  #backoff;
  #session = null;
  #abort = null;
  #timer = 0;
  #was = false;
  #closed = false;

  /**
   * @param {object} options
   * @param {(signal: AbortSignal) => Promise<import("./session.js").Session>} options.open
   * @param {(state: string) => void} options.onState
   * @param {(session: import("./session.js").Session) => void} [options.onSession] each new session
   * @param {(error: Error, final: boolean) => void} [options.onError]
   */
  constructor({ open, onState, onSession = () => {}, onError = () => {}, backoff = new Backoff() }) {
    this.#open = open;
    this.#onState = onState;
    this.#onSession = onSession;
    this.#onError = onError;
    this.#backoff = backoff;
    this.state = "connecting";
  }

  get session() {
    return this.#session;
  }

  /** True while a request is on its way or a retry is due. */
  get busy() {
    return this.#abort !== null || this.#timer !== 0;
  }

  /** Start now, leaving behind whatever is under way. */
  start() {
    if (this.#closed) return;
    this.#drop();
    this.#enter(this.#was ? "reconnecting" : "connecting");
    this.#attempt();
  }

  /** Start again at a person's wish, or when the network came back. */
  retry() {
    this.#backoff.reset();
    this.start();
  }

  /** The node is back: start again if it has ended the session, which the browser tells in words only seconds later. */
  revive() {
    const transport = this.#session?.pc.getTransceivers()[0]?.sender.transport;
    if (transport?.state === "closed") this.retry();
  }

  close() {
    this.#closed = true;
    this.#drop();
  }

  async #attempt() {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const session = await this.#open(abort.signal);
      if (abort.signal.aborted) {
        session.close();
        return;
      }
      this.#abort = null;
      this.#session = session;
      this.#watch(session);
      this.#onSession(session);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#abort = null;
      const final = error instanceof Problem && !error.retryable;
      if (final) this.#enter("failed");
      else this.#later(error.retryAfter);
      this.#onError(error, final);
    }
  }

  #watch(session) {
    const { pc } = session;
    const check = () => {
      if (this.#session !== session) return;
      if (pc.connectionState === "connected") {
        this.#clearTimer();
        this.#was = true;
        this.#backoff.reset();
        this.#enter("connected");
      } else if (pc.connectionState === "disconnected") {
        this.#enter("reconnecting");
        this.#setTimer(() => this.start(), GRACE);
      } else if (pc.connectionState === "failed" || pc.connectionState === "closed") {
        this.#replace();
      }
    };
    pc.addEventListener("connectionstatechange", check);
    this.#setTimer(() => this.#replace(), HANDSHAKE);
    check();
  }

  #replace() {
    this.#drop();
    this.#later();
  }

  #later(atLeast = 0) {
    this.#enter(this.#was ? "reconnecting" : "connecting");
    this.#setTimer(() => this.start(), this.#backoff.next(atLeast));
  }

  #drop() {
    this.#clearTimer();
    this.#abort?.abort();
    this.#abort = null;
    const session = this.#session;
    this.#session = null;
    session?.close();
  }

  #setTimer(action, delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      action();
    }, delay);
  }

  #clearTimer() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#onState(state);
  }
}
