/**
 * The room's server-sent events, read with `fetch` so that the token travels in a header and errors can be
 * read. (EventSource would put the token in the URL and hide the status.)
 */
import { Backoff } from "./backoff.js";
import { Problem, request } from "./problem.js";

/** Milliseconds of silence after which the stream counts as dead; the node sends a comment each 15 s. */
const SILENCE = 40000;
/** Characters one event may take. */
const LIMIT = 1 << 20;

/** Incremental parser of `text/event-stream` (HTML Living Standard, section 9.2.6). */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];

  /** @returns {{event: string, data: string}[]} the events that `text` completes */
  feed(text) {
    const done = [];
    this.#rest += text;
    // A lone CR at the very end may be the first half of CRLF: leave it for the next chunk.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    if (this.#rest.length > LIMIT) throw new Problem(0, { title: "The event stream sent too long a line" });
    for (const line of lines) {
      if (line === "") {
        const event = this.#event || "message";
        if (this.#data.length > 0) done.push({ event, data: this.#data.join("\n") });
        this.#event = "";
        this.#data = [];
        continue;
      }
      const [, field, value] = /^([^:]*)(?::\x20?(.*))?$/s.exec(line);
      if (field === "event") this.#event = value || "";
      else if (field === "data") this.#data.push(value || "");
    }
    return done;
  }
}

export class EventStream {
  #options;
  #backoff = new Backoff();
  #abort = null;
  #timer = 0;
  #closed = false;

  /**
   * @param {object} options
   * @param {URL} options.url
   * @param {string} options.token
   * @param {(event: string, body: object) => void} options.onEvent
   * @param {(live: boolean, problem?: Problem) => void} options.onState
   * @param {(error: Problem) => void} options.onRefused the node says no, for good
   */
  constructor(options) {
    this.#options = options;
  }

  start() {
    if (this.#closed) return;
    this.#stop();
    this.#run();
  }

  close() {
    this.#closed = true;
    this.#stop();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #run() {
    const abort = new AbortController();
    this.#abort = abort;
    let problem = new Problem(0);
    try {
      await this.#read(abort);
    } catch (error) {
      if (error instanceof Problem) problem = error;
    }
    if (this.#abort !== abort) return;
    this.#stop();
    if (problem.status !== 0 && !problem.retryable) {
      this.#options.onRefused(problem);
      return;
    }
    this.#options.onState(false, problem);
    this.#timer = setTimeout(() => this.start(), this.#backoff.next(problem.retryAfter));
  }

  async #read(abort) {
    const { url, token, onEvent, onState } = this.#options;
    const headers = { Accept: "text/event-stream" };
    const response = await request(url, { token, headers, signal: abort.signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => abort.abort(), SILENCE);
      const { done, value } = await reader.read();
      if (done || this.#abort !== abort) return;
      for (const { event, data } of parser.feed(decoder.decode(value, { stream: true }))) {
        this.#backoff.reset();
        onState(true);
        onEvent(event, JSON.parse(data));
      }
    }
  }
}
