/**
 * Publishing: one WHIP session with one audio and one video section, the video as simulcast (encodings.js).
 *
 * Both sections are always offered, also without a device, so that a microphone or camera can be switched
 * on later without negotiating again. Muting takes the track off its sender (`replaceTrack(null)`): nothing
 * is sent then, which is how the others' pages know mute from silence (see monitor.js).
 */
import { addVideo, fitParameters, sourceOf } from "./encodings.js";
import { OutboundFigures } from "./figures.js";
import { Link } from "./link.js";
import { openSession } from "./session.js";

export class Publisher {
  #media;
  #people = 1;
  #unwanted = new Set();
  #senders = {};
  #read = null;
  #turn = Promise.resolve();
  #follow = () => this.#apply();

  /**
   * @param {object} options
   * @param {URL} options.url @param {string} options.token
   * @param {import("./devices.js").LocalMedia} options.media
   * @param {(state: string) => void} options.onState
   * @param {() => void} options.onPublished @param {(error: Error, final: boolean) => void} options.onError
   */
  constructor({ url, token, media, onState, onPublished, onError }) {
    this.#media = media;
    let senders = {};
    const prepare = (pc) => {
      const streams = [new MediaStream()];
      senders = {};
      const audio = media.outgoing("audio") || "audio";
      senders.audio = pc.addTransceiver(audio, { direction: "sendonly", streams }).sender;
      senders.video = addVideo(pc, media.outgoing("video"), { streams }).sender;
    };
    this.link = new Link({
      open: (signal) => openSession({ url, token, prepare, signal }),
      onState,
      onSession: () => {
        this.#senders = senders;
        this.#apply();
        onPublished();
      },
      onError,
    });
    media.addEventListener("change", this.#follow);
  }

  /** How many people are in the room; without simulcast, more of them get smaller pictures. */
  set people(count) {
    if (this.#people === count) return;
    this.#people = count;
    this.#apply();
  }

  /** RIDs of the encodings that nobody takes: they are not sent until somebody does. */
  set unwanted(rids) {
    if (rids.size === this.#unwanted.size && [...rids].every((rid) => this.#unwanted.has(rid))) return;
    this.#unwanted = rids;
    this.#apply();
  }

  /** The share of our packets that the node reported lost, 0..1, or null when it has not said. */
  async loss() {
    const report = await this.link.session?.pc.getStats().catch(() => null);
    const lost = [...(report?.values() || [])]
      .filter((entry) => entry.type === "remote-inbound-rtp" && Number.isFinite(entry.fractionLost))
      .map((entry) => entry.fractionLost);
    return lost.length > 0 ? Math.max(...lost) : null;
  }

  /** The rows of the statistics overlay. */
  async figures() {
    const { session } = this.link;
    if (!session) return [];
    if (session !== this.#read?.session) this.#read = { session, figures: new OutboundFigures() };
    const report = await session.pc.getStats();
    return this.#read.figures.read([...report.values()]);
  }

  close() {
    this.#media.removeEventListener("change", this.#follow);
    this.link.close();
  }

  #apply() {
    for (const [kind, sender] of Object.entries(this.#senders)) {
      // One change at a time: parameters must be set from the latest that were read.
      this.#turn = this.#turn.then(() => this.#bring(kind, sender)).catch((error) => {
        // A connection that closed meanwhile is of no interest: its successor begins with the right tracks.
        if (error.name !== "InvalidStateError") console.warn(`${kind} does not follow:`, error);
      });
    }
  }

  /** Make a sender send what the person wants to be sent now. */
  async #bring(kind, sender) {
    if (this.#senders[kind] !== sender) return;
    const track = this.#media.outgoing(kind);
    if (sender.track !== track) await sender.replaceTrack(track);
    const parameters = sender.getParameters();
    if (!parameters.encodings?.length) return;
    const changed = kind === "video" ? fitVideo(parameters, track, this.#people, this.#unwanted) : fitAudio(parameters, track);
    if (changed) await sender.setParameters(parameters);
  }
}

function fitVideo(parameters, track, people, unwanted) {
  return fitParameters(parameters, track && sourceOf(track), people, unwanted);
}

/** Inactive as well as without a track, so that nothing at all is sent. */
function fitAudio({ encodings: [encoding] }, track) {
  const active = track !== null;
  if (encoding.active === active) return false;
  encoding.active = active;
  return true;
}
