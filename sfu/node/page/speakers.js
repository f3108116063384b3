/**
 * Who speaks, as the node hears it: the events `active_speakers` and `dominant_speaker`, and in between their state
 * in `snapshot`.
 */
export class Speakers {
  #active = new Set();
  #dominant = "";

  /** Take one event of the room's stream; true when it was about speakers. */
  handle(event, body) {
    if (event === "active_speakers") {
      this.#active = new Set(body.speakers);
    } else if (event === "dominant_speaker") {
      this.#dominant = body.peer ?? "";
    } else if (event === "snapshot") {
      this.#active = new Set(body.speakers);
      this.#dominant = body.dominant_speaker ?? "";
    } else return false;
    return true;
  }

  /** @returns {"dominant"|"active"|""} */
  of(peer) {
    if (peer && peer === this.#dominant) return "dominant";
    return this.#active.has(peer) ? "active" : "";
  }
}
