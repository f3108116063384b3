/**
 * Which layer of one person's video we ask the node for: at most what the viewer chose, and no more than the
 * tile can show. The node itself goes below that when the network asks for it.
 *
 * Events: `change` (what the viewer may choose, or has chosen).
 */
import { followLayers, LAYER, readLayers } from "./feed.js";
import { heightsOf, nameOf, neededHeight, parseLayers, wanted } from "./layers.js";
import { request } from "./problem.js";
import { Sight } from "./sight.js";

/** Milliseconds that a tile's size must rest before it counts. */
const REST = 300;
/** What is assumed until the node has said what there is: a usual camera's simulcast. */
const UNKNOWN = Array.from({ length: 3 }, (_, spatial) => ({
  encodingId: "",
  spatial,
  width: 0,
  height: 0,
  bitrate: 0,
  active: true,
}));

/**
 * The body of a request: `limit` is the index of the best layer we want.
 * @param {{mediaId: string, layers: object[], limit: number, hidden: boolean, paused: boolean}} want
 */
export function layerRequest({ mediaId, layers, limit, hidden, paused }) {
  if (paused) return { mediaId, paused };
  const body = { mediaId };
  const layer = layers[limit];
  if (layer && limit < layers.length - 1) {
    if (layer.encodingId) body.encodingId = layer.encodingId;
    else body.maxSpatialLayerId = layer.spatial;
  }
  if (hidden) body.maxTemporalLayerId = 0;
  return body;
}

export class Quality extends EventTarget {
  #session = null;
  #mediaId = "";
  #layers = UNKNOWN;
  #hand = { choice: null, paused: false };
  #fitting = null;
  #hidden = false;
  #video;
  #sight;
  #onError;
  #timer = 0;
  #sent = "";
  #sending = null;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element the tile @param {HTMLVideoElement} options.video in it
   * @param {(error: Error) => void} options.onError a choice of the viewer was refused
   */
  constructor({ element, video, onError }) {
    super();
    this.#video = video;
    this.#onError = onError;
    this.#sight = new Sight(element, () => this.#rest());
    video.addEventListener("resize", () => this.#rest());
  }

  /** False where the node offers no choice. */
  get offered() {
    return Boolean(this.#mediaId && this.#session?.links[LAYER]);
  }

  /** The known layers, lowest first. */
  get layers() {
    return this.#layers;
  }

  /** The index of the layer that the viewer chose, or null for Auto. */
  get choice() {
    return this.#hand.choice;
  }

  get paused() {
    return this.#hand.paused;
  }

  /** The index of the best layer that we ask for. */
  get limit() {
    const top = this.#layers.length - 1;
    return Math.min(this.#hand.choice ?? top, this.#fitting ?? top);
  }

  /** A word for the present choice. */
  get label() {
    if (this.#hand.paused) return "Paused";
    return this.#hand.choice === null ? "Auto" : nameOf(this.#hand.choice, this.#layers.length);
  }

  /**
   * Take a new session's video, or none.
   * @param {import("./session.js").Session|null} session
   * @param {string} mediaId the video's media section; empty without a video
   */
  attach(session, mediaId) {
    this.#session = session;
    this.#mediaId = mediaId;
    // A session begins without limits, so that is what the node knows of us.
    this.#sent = JSON.stringify(layerRequest({ mediaId, layers: [], limit: 0 }));
    this.#changed();
    if (!this.offered) return;
    this.#rest();
    readLayers(session).then(
      (body) => session === this.#session && body && this.#learn(body),
      (error) => console.debug("layers not known:", error.message),
    );
  }

  /** Keep the list of layers current until `signal` aborts, for as long as somebody looks at it. */
  async follow(signal) {
    const session = this.#session;
    if (!session) return;
    try {
      const onLayers = (body) => session === this.#session && this.#learn(body);
      await followLayers(session, { signal, onLayers });
    } catch (error) {
      if (error.name !== "AbortError") console.debug("layers not followed:", error.message);
    }
  }

  /** @param {number|null} at index of a layer, or null for Auto */
  choose(at) {
    this.#byHand({ choice: at, paused: false });
  }

  /** Stop or start the video, not the sound. */
  pause(paused) {
    this.#byHand({ choice: this.#hand.choice, paused });
  }

  close() {
    clearTimeout(this.#timer);
    this.#session = null;
    this.#sight.close();
  }

  async #byHand(next) {
    const before = this.#hand;
    this.#hand = next;
    this.#changed();
    try {
      await this.#send();
    } catch (error) {
      if (this.#hand !== next) return;
      this.#hand = before;
      this.#changed();
      this.#onError(error);
    }
  }

  #learn(body) {
    const layers = parseLayers(body, this.#mediaId);
    if (layers.length === 0) return;
    const before = this.#layers.length;
    this.#layers = layers;
    if (before !== layers.length) {
      this.#fitting = null;
      const { choice, paused } = this.#hand;
      const most = layers.length - 1;
      // The best stays the best.
      const same = choice === before - 1 ? most : Math.min(choice, most);
      this.#hand = { choice: choice === null ? null : same, paused };
    }
    this.#changed();
    this.#rest();
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fit(), REST);
  }

  async #fit() {
    const { videoWidth, videoHeight } = this.#video;
    const whole = this.#video.classList.contains("whole");
    this.#hidden = this.#sight.hidden;
    const need = this.#hidden ? 0 : neededHeight(this.#sight.size, videoWidth / videoHeight, whole);
    this.#fitting = wanted(heightsOf(this.#layers), need, this.#fitting);
    try {
      await this.#send();
    } catch (error) {
      // Nobody asked for it, so nobody needs to hear of it: the picture is only better than it need be.
      console.debug("layer not fitted:", error.message);
    }
  }

  #wish() {
    const { limit, layers, paused } = this;
    return layerRequest({ mediaId: this.#mediaId, layers, limit, hidden: this.#hidden, paused });
  }

  /** Tell the node what we want, unless it knows. Callers share the attempt under way; the last wish wins. */
  #send() {
    this.#sending ??= this.#deliver().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #deliver() {
    while (this.offered) {
      const session = this.#session;
      const body = JSON.stringify(this.#wish());
      if (body === this.#sent) return;
      const headers = { "Content-Type": "application/json" };
      try {
        await request(session.links[LAYER], { method: "POST", token: session.token, headers, body });
      } catch (error) {
        // What nobody wants any more may fail.
        if (session === this.#session && body === JSON.stringify(this.#wish())) throw error;
        continue;
      }
      if (session === this.#session) this.#sent = body;
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
