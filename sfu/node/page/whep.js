/**
 * Watching: one WHEP session for all that is published in the room.
 *
 * The node offers, and does so again when something has come or gone. So whoever joins is seen over a connection that
 * stands already, and the node shares one path's rate among all pictures.
 */
import { Backoff } from "./backoff.js";
import { Link } from "./link.js";
import { Problem } from "./problem.js";
import { openOffered } from "./session.js";

const DEPENDENCIES = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/**
 * Offer the descriptor that tells the layers of AV1 apart: without it the node can give the lowest size only, and
 * Chromium offers it by itself just where it sends layers.
 * @param {RTCRtpTransceiver} transceiver
 */
export function askForDescriptor(transceiver) {
  if (!transceiver.setHeaderExtensionsToNegotiate) return;
  const extensions = transceiver.getHeaderExtensionsToNegotiate();
  for (const extension of extensions) {
    if (extension.uri === DEPENDENCIES) extension.direction = "sendrecv";
  }
  transceiver.setHeaderExtensionsToNegotiate(extensions);
}

/**
 * The media sections of a description that carry something: `[{at, mid, track}]`, where `track` is the node's id of it
 * (RFC 8830) and `at` the section's place.
 */
export function readSections(sdp) {
  const sections = sdp.split(/^m=/m).slice(1);
  const found = (section, pattern) => pattern.exec(section)?.[1] ?? "";
  return sections
    .map((section, at) => ({
      at,
      mid: found(section, /^a=mid:(\S+)/m),
      track: /^a=sendonly/m.test(section) ? found(section, /^a=msid:\S+ (\S+)/m) : "",
    }))
    .filter(({ track }) => track);
}

const prepare = (pc) => pc.getTransceivers().forEach(askForDescriptor);

export class Watch {
  #onChange;
  #backoff = new Backoff();
  #timer = 0;
  #asked = false;
  #following = false;
  #report = null;

  /**
   * @param {object} options
   * @param {URL} options.url the WHEP endpoint @param {string} options.token
   * @param {(state: string) => void} options.onState
   * @param {() => void} options.onChange other media are received than before
   * @param {(error: Error, final: boolean) => void} options.onError
   */
  constructor({ url, token, onState, onChange, onError }) {
    this.#onChange = onChange;
    this.link = new Link({
      open: (signal) => openOffered({ url, token, prepare, signal }),
      onState,
      onSession: () => {
        onChange();
        this.follow();
      },
      onError,
    });
  }

  /** Something was published or has ended: receive it, or receive it no longer. */
  follow() {
    clearTimeout(this.#timer);
    this.#asked = true;
    if (this.link.session) this.#catchUp();
    else if (!this.link.busy) this.link.start();
  }

  /**
   * What is received, or cannot be decoded here: `[{at, track, receiver}]`, where `receiver` is null in the latter case.
   */
  get media() {
    const { pc } = this.link.session ?? {};
    if (!pc?.remoteDescription) return [];
    const transceivers = new Map(pc.getTransceivers().map((one) => [one.mid, one]));
    return readSections(pc.remoteDescription.sdp).map(({ at, mid, track }) => {
      const { currentDirection, receiver } = transceivers.get(mid) ?? {};
      return { at, track, receiver: currentDirection === "recvonly" ? receiver : null };
    });
  }

  /** The statistics of all that is received. Calls at the same time share them. @returns {Promise<object[]>} */
  report() {
    const { pc } = this.link.session ?? {};
    if (!pc) return Promise.resolve([]);
    this.#report ??= pc
      .getStats()
      .then((report) => [...report.values()])
      .finally(() => {
        this.#report = null;
      });
    return this.#report;
  }

  close() {
    clearTimeout(this.#timer);
    this.link.close();
  }

  async #catchUp() {
    if (this.#following) return;
    this.#following = true;
    const { session } = this.link;
    try {
      while (this.#asked && session === this.link.session) {
        this.#asked = false;
        if (await session.follow(prepare)) this.#onChange();
      }
      this.#backoff.reset();
    } catch (error) {
      if (session === this.link.session) this.#recover(error);
    } finally {
      this.#following = false;
    }
    if (this.#asked && this.link.session && session !== this.link.session) this.#catchUp();
  }

  /** What is received goes on; a session that the node knows no more, or that is at odds with it, begins anew. */
  #recover(error) {
    const passing = error instanceof Problem && error.retryable && error.status !== 404;
    if (passing) this.#timer = setTimeout(() => this.follow(), this.#backoff.next(error.retryAfter));
    else this.link.start();
  }
}
