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

  /** @param {HTMLElement} element an empty live region */
  constructor(element) {
    this.#element = element;
  }

  /** Take one event of the room's stream: `recording`, or a `snapshot` that tells of it. */
  handle(event, body) {
    if (event === "snapshot") this.show(body.recording ?? null);
    else if (event === "recording") {
      this.show(body);
      if (body.state === "stopped") toast("The recording has ended.");
      if (body.state === "failed") toast("The recording has failed: nothing is being recorded any more.", "error");
    }
  }

  /** @param {{id: string, state: string, ground?: string}|null} recording null: there is none */
  show(recording) {
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
