/**
 * Who is in the room and what they publish, kept from the event stream.
 *
 * A snapshot replaces everything, so that a stream which broke and came back leaves nobody behind.
 */
export class Roster {
  #peers = new Map();
  #onChange;

  /**
   * @param {(change: {peer: string, kind: "joined"|"left"|"tracks"|"wanted", first: boolean}) => void} onChange
   * `first`: told by a snapshot, at the beginning or after a break
   */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  get names() {
    return [...this.#peers.keys()];
  }

  has(peer) {
    return this.#peers.has(peer);
  }

  /** The published tracks of a peer: `[{id, kind, codec, unwanted}]`. */
  tracks(peer) {
    return [...(this.#peers.get(peer)?.values() || [])];
  }

  /** Take one event of the stream. `left` and `ended` of someone unknown are ignored. */
  handle(event, body) {
    if (event === "snapshot") {
      this.#snapshot(body.peers || []);
      return;
    }
    const peer = nameOf(body.peer);
    if (!peer) return;
    if (event === "joined") this.#join(peer, false);
    else if (event === "left") this.#leave(peer);
    else if (event === "published" && body.track) {
      this.#join(peer, false);
      this.#peers.get(peer).set(String(body.track.id), body.track);
      this.#tell(peer, "tracks");
    } else if (event === "ended" && body.track) {
      if (this.#peers.get(peer)?.delete(String(body.track.id))) this.#tell(peer, "tracks");
    } else if ((event === "unwanted" || event === "wanted") && body.track) {
      this.#want(peer, body, event === "wanted");
    }
  }

  /** RIDs of a peer's encodings that nobody takes. */
  unwanted(peer) {
    return new Set(this.tracks(peer).flatMap((track) => track.unwanted || []));
  }

  #want(peer, { track, rid }, wanted) {
    const known = this.#peers.get(peer)?.get(String(track.id));
    if (!known) return;
    const others = (known.unwanted || []).filter((each) => each !== rid);
    known.unwanted = wanted ? others : [...others, rid];
    this.#tell(peer, "wanted");
  }

  #snapshot(peers) {
    const now = new Map(peers.map((entry) => [nameOf(entry), entry.tracks || []]));
    for (const peer of this.names) if (!now.has(peer)) this.#leave(peer, true);
    for (const [peer, tracks] of now) {
      this.#join(peer, true);
      this.#peers.set(peer, new Map(tracks.map((track) => [String(track.id), track])));
      this.#tell(peer, "tracks", true);
    }
  }

  #join(peer, first) {
    if (this.#peers.has(peer)) return;
    this.#peers.set(peer, new Map());
    this.#tell(peer, "joined", first);
  }

  #leave(peer, first = false) {
    if (this.#peers.delete(peer)) this.#tell(peer, "left", first);
  }

  #tell(peer, kind, first = false) {
    this.#onChange({ peer, kind, first });
  }
}

function nameOf(peer) {
  return typeof peer === "string" ? peer : peer?.name || "";
}
