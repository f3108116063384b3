/** Another person in the room: their tile, and the connection that brings their picture and sound. */
import { InboundFigures } from "./figures.js";
import { shownName } from "./invitation.js";
import { heightsOf, nameOf } from "./layers.js";
import { Link } from "./link.js";
import { bars, Monitor } from "./monitor.js";
import { Picker } from "./picker.js";
import { explain } from "./problem.js";
import { Quality } from "./quality.js";
import { Tile } from "./tile.js";
import { toast } from "./toast.js";
import { watch } from "./whep.js";

/** Milliseconds in which a peer's tracks, announced one by one, are taken as one change. */
const SETTLE = 120;

export class Remote {
  #tracks = [];
  #known = new Set();
  #stream = new MediaStream();
  #mediaId = "";
  #monitor = null;
  #figures = null;
  #quality;
  #picker;
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
    const name = shownName(peer);
    this.tile = new Tile({ peer, name, onRetry: () => this.link.retry() });
    const { element, video, qualityButton: button } = this.tile;
    this.#quality = new Quality({ element, video, onError: (error) => toast(explain(error), "error") });
    this.#picker = new Picker({ button, name, quality: this.#quality });
    this.link = new Link({
      open: async (signal) => {
        this.#known = new Set(this.#tracks.map((track) => String(track.id)));
        const { session, stream, mediaId } = await watch({ url, token, signal });
        this.#stream = stream;
        this.#mediaId = mediaId;
        return session;
      },
      onState: (state) => {
        this.tile.state = state;
        // What they do with their microphone cannot be known now.
        if (state !== "connected") this.tile.show({ audio: "waiting" });
        if (!this.link.session) this.#quality.attach(null, "");
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
    this.#figures = new InboundFigures();
    this.#quality.attach(session, this.#mediaId);
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

  /** The rows of the statistics overlay. */
  async figures() {
    const { session } = this.link;
    const figures = this.#figures;
    if (!session || !figures) return [];
    const report = await session.pc.getStats();
    return figures.read([...report.values()], { layer: this.#layer() });
  }

  /** Which layer is shown, by its height, and what we ask for. */
  #layer() {
    const { layers, limit, label, offered, paused } = this.#quality;
    if (!offered) return "";
    if (paused) return label;
    const height = this.tile.video.videoHeight;
    const far = (one) => Math.abs(Math.log(one / height));
    const heights = heightsOf(layers);
    const at = height ? heights.indexOf([...heights].sort((a, b) => far(a) - far(b))[0]) : -1;
    const now = at < 0 ? "none" : layers[at].encodingId || nameOf(at, layers.length);
    const bound = limit < layers.length - 1 ? `at most ${nameOf(limit, layers.length)}` : "no limit";
    return `${now} · ${bound}`;
  }

  /** @param {number} now milliseconds */
  level(now) {
    this.tile.level(this.#monitor?.amplitude || 0, now);
  }

  close() {
    clearTimeout(this.#timer);
    this.link.close();
    this.#picker.close();
    this.#quality.close();
    this.tile.remove();
  }
}
