/** Says that the server is to stop, or goes on after all. */
import { toast } from "./toast.js";

export class DrainNews {
  #told = false;

  /** Take one event of the room's stream. */
  handle(event, body) {
    if (event !== "draining" && event !== "snapshot") return;
    const seconds = event === "snapshot" ? (body.draining ?? null) : body.seconds;
    if (seconds === null) {
      if (this.#told) toast("The server goes on: nothing is interrupted.");
      this.#told = false;
    } else if (event === "draining" || !this.#told) {
      toast(`The server stops ${within(seconds)}. The meeting may be interrupted for a moment then.`, "error");
      this.#told = true;
    }
  }
}

/** @param {number} seconds */
function within(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return "within a minute";
  return minutes < 120 ? `within ${minutes} minutes` : `within ${Math.round(minutes / 60)} hours`;
}
