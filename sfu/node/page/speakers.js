/**
 * Who speaks, as the node hears it: the events `active_speakers` and `dominant_speaker`. A node that sends
 * neither leaves everything as it is.
 */
export class Speakers {
  #active = new Set();
  #dominant = "";

  /** Take one event of the room's stream; true when it was about speakers. */
  handle(event, body) {
    if (event === "active_speakers") {
      const list = body?.speakers ?? body?.peers;
      this.#active = new Set((Array.isArray(list) ? list : []).map(nameOf).filter(Boolean));
    } else if (event === "dominant_speaker") {
      this.#dominant = nameOf(body);
    } else if (event === "snapshot") {
      // What was missed is told anew.
      this.#active.clear();
      this.#dominant = "";
    } else return false;
    return true;
  }

  /** @returns {"dominant"|"active"|""} */
  of(peer) {
    if (peer && peer === this.#dominant) return "dominant";
    return this.#active.has(peer) ? "active" : "";
  }
}

function nameOf(entry) {
  const name = typeof entry === "string" ? entry : (entry?.peer ?? entry?.speaker ?? entry?.name);
  return typeof name === "string" ? name : nameOf(name ?? "");
}
