/** Another person in the room: their tile, and what is received of them. */
import { InboundFigures } from "./figures.js";
import { shownName } from "./invitation.js";
import { heightsOf, nameOf } from "./layers.js";
import { bars, Monitor } from "./monitor.js";
import { Picker } from "./picker.js";
import { explain } from "./problem.js";
import { Quality } from "./quality.js";
import { Tile } from "./tile.js";
import { toast } from "./toast.js";

export class Remote {
  #watch;
  #tracks = [];
  #shown = { session: null, media: [] };
  #monitor = null;
  #figures = null;
  #quality;
  #picker;
  #onBlocked;

  /**
   * @param {object} options
   * @param {string} options.peer
   * @param {import("./whep.js").Watch} options.watch what brings their picture and sound
   * @param {() => void} options.onBlocked the browser refuses to play sound before a gesture
   */
  constructor({ peer, watch, onBlocked }) {
    this.#watch = watch;
    this.#onBlocked = onBlocked;
    const name = shownName(peer);
    this.tile = new Tile({ peer, name, onRetry: () => watch.link.retry() });
    const { element, video, qualityButton: button } = this.tile;
    this.#quality = new Quality({ element, video, onError: (error) => toast(explain(error), "error") });
    this.#picker = new Picker({ button, name, quality: this.#quality });
  }

  /** What the peer publishes now. */
  set tracks(tracks) {
    this.#tracks = tracks;
    this.follow();
  }

  /** Show what is received of them by now, and how that stands. */
  follow() {
    const { session } = this.#watch.link;
    const ids = new Set(this.#tracks.map((track) => String(track.id)));
    const media = this.#watch.media.filter(({ track }) => ids.has(track));
    const before = this.#shown;
    const same = (one, at) => one.track === before.media[at]?.track && one.receiver === before.media[at].receiver;
    const known = session === before.session && media.length === before.media.length && media.every(same);
    // Without a session, or a track, the last picture stays: they may be back in a moment.
    if (session && media.length > 0 && !known) this.#show(session, media);
    if (!session && before.session) {
      this.#shown = { session: null, media: [] };
      this.#quality.attach(null, "");
    }
    const { state } = this.#watch.link;
    const found = session !== null && media.length > 0;
    const waiting = before.session || this.tile.state === "reconnecting" ? "reconnecting" : "connecting";
    const now = state === "connected" && !found ? waiting : state;
    if (this.tile.state !== now) this.tile.state = now; // or the reason for a failure would be gone
    // What they do with their microphone cannot be known now.
    if (this.tile.state !== "connected") this.tile.show({ audio: "waiting" });
  }

  #show(session, media) {
    const received = media.filter(({ receiver }) => receiver);
    const receivers = received.map(({ receiver }) => receiver);
    const video = received.find(({ receiver }) => receiver.track.kind === "video");
    this.#shown = { session, media };
    this.#monitor = new Monitor(receivers);
    this.#figures = new InboundFigures();
    this.#quality.attach(session, video ? String(video.at) : "");
    this.tile.stream = new MediaStream(receivers.map(({ track }) => track));
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
  sample(now, entries) {
    if (!this.#monitor || this.tile.state !== "connected") return;
    const { audio, video, loss } = this.#monitor.sample(now, entries);
    const pictured = video === "on" && this.tile.video.videoWidth === 0 ? "waiting" : video;
    this.tile.show({ audio, video: pictured });
    this.tile.bars = bars(loss);
  }

  /** The rows of the statistics overlay. */
  async figures() {
    if (!this.#shown.session) return [];
    const [monitor, figures] = [this.#monitor, this.#figures];
    const entries = await this.#watch.report();
    return figures.read(monitor.choose(entries), { layer: this.#layer() });
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
    this.#picker.close();
    this.#quality.close();
    this.tile.remove();
  }
}
