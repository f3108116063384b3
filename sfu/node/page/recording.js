/**
 * Whether the room is recorded, told to everyone in it: as a sign, and aloud by screen readers.
 *
 * The sign's element is a live region (`role="status"`) that always stands in the page, since what is put into one
 * is read out only if the region was there before. Its state is shown by `data-state`.
 */
import { toast } from "./toast.js";

const SAYS = {
  recording: () => "Recording",
  paused: ({ ground }) => (ground ? `Off the record: ${ground}` : "Off the record"),
};

export class RecordingSign {
  #element;
  #id = "";
  #running = new Map();

  /** @param {HTMLElement} element an empty live region */
  constructor(element) {
    this.#element = element;
  }

  /** Take one event of the room's stream: `recording`, or a `snapshot` that tells of it. */
  handle(event, body) {
    if (event === "snapshot") this.show(body.recordings);
    else if (event === "recording") {
      if (body.state in SAYS) this.#running.set(body.id, body);
      else this.#running.delete(body.id);
      this.#draw();
      const last = this.#running.size === 0;
      if (body.state === "stopped" && last) toast("The recording has ended.");
      if (body.state === "failed" && last) toast("The recording has failed: nothing is being recorded any more.", "error");
      if (body.state === "failed" && !last) toast("A recording has failed; another one goes on.", "error");
    }
  }

  /** @param {{id: string, state: string, ground?: string}[]} recordings all that run */
  show(recordings) {
    this.#running = new Map(recordings.map((recording) => [recording.id, recording]));
    this.#draw();
  }

  /** While one of several records, the room is not off the record. */
  #draw() {
    const running = [...this.#running.values()];
    const recording = running.find(({ state }) => state === "recording") ?? running[0];
    const text = (recording && SAYS[recording.state]?.(recording)) || "";
    const element = this.#element;
    if (text === element.textContent && (recording?.id ?? "") === this.#id) return; // it would be read out again
    this.#id = recording?.id ?? "";
    element.replaceChildren();
    element.title = text;
    if (!text) {
      delete element.dataset.state;
      return;
    }
    element.dataset.state = recording.state;
    const mark = document.createElement("i");
    mark.setAttribute("aria-hidden", "true");
    const words = document.createElement("span");
    words.textContent = text;
    element.append(mark, words);
  }
}
