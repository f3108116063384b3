/** Another person in the room: their tile, and the connection that brings their picture and sound. */
import { shownName } from "./invitation.js";
import { Link } from "./link.js";
import { bars, Monitor } from "./monitor.js";
import { explain } from "./problem.js";
import { Tile } from "./tile.js";
import { watch } from "./whep.js";

/** Milliseconds in which a peer's tracks, announced one by one, are taken as one change. */
const SETTLE = 120;

export class Remote {
  #tracks = [];
  #known = new Set();
  #stream = new MediaStream();
  #monitor = null;
  #timer = 0;
  #onBlocked;

  /**
   * @param {object} options
   * @param {string} options.peer
   * @param {() => URL} options.url the WHEP endpoint of this peer
   * @param {string} options.token
   * @param {() => void} options.onBlocked the browser refuses to play sound before a gesture
   */
  constructor({ peer, url, token, onBlocked }) {
    this.peer = peer;
    this.#onBlocked = onBlocked;
    this.tile = new Tile({ peer, name: shownName(peer), onRetry: () => this.link.retry() });
    this.link = new Link({
      open: async (signal) => {
        this.#known = new Set(this.#tracks.map((track) => String(track.id)));
        const { session, stream } = await watch({ url, token, signal });
        this.#stream = stream;
        return session;
      },
      onState: (state) => {
        this.tile.state = state;
        // What they do with their microphone cannot be known now.
        if (state !== "connected") this.tile.show({ audio: "waiting" });
      },
      onSession: (session) => this.#receive(session),
      onError: (error, final) => {
        if (final) this.tile.reason = explain(error);
      },
    });
  }

  /** What the peer publishes now. A new session is opened when it can bring what the present one cannot. */
  set tracks(tracks) {
    this.#tracks = tracks;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#follow(), SETTLE);
  }

  #follow() {
    const ids = this.#tracks.map((track) => String(track.id));
    if (ids.length === 0) {
      if (this.link.state === "connected") this.tile.state = "reconnecting";
      return;
    }
    const { session, busy } = this.link;
    const ended = [...this.#known].some((id) => !ids.includes(id));
    const has = new Set(this.#stream.getTracks().map((track) => track.kind));
    const lacks = session !== null && this.#tracks.some((track) => !has.has(track.kind));
    if ((session === null && !busy) || ended || lacks) this.link.start();
    for (const id of ids) this.#known.add(id);
  }

  #receive(session) {
    this.#monitor = new Monitor(session.pc, this.#stream);
    this.tile.stream = this.#stream;
    this.play();
  }

  /** Play; without sound when the browser wants a gesture first. */
  async play() {
    const { video } = this.tile;
    if (!video.srcObject) return;
    try {
      await video.play();
    } catch (error) {
      // AbortError: a newer stream replaced this one, which is played by its own call.
      if (error.name !== "NotAllowedError") return;
      video.muted = true;
      this.#onBlocked();
      video.play().catch((again) => console.debug("video not played:", again.name));
    }
  }

  /** After a gesture. */
  unblock() {
    this.tile.video.muted = false;
    return this.play();
  }

  /** Twice a second: who is muted, and how good the connection is. @param {number} now milliseconds */
  async sample(now) {
    const monitor = this.#monitor;
    if (!monitor || this.link.state !== "connected") return;
    const { audio, video, loss } = await monitor.sample(now);
    if (monitor !== this.#monitor) return;
    const pictured = video === "on" && this.tile.video.videoWidth === 0 ? "waiting" : video;
    this.tile.show({ audio, video: pictured });
    this.tile.bars = bars(loss);
  }

  /** @param {number} now milliseconds */
  level(now) {
    this.tile.level(this.#monitor?.amplitude || 0, now);
  }

  close() {
    clearTimeout(this.#timer);
    this.link.close();
    this.tile.remove();
  }
}
