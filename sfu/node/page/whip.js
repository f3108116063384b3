/**
 * Publishing: one WHIP session with one audio and one video section.
 *
 * Both sections are always offered, also without a device, so that a microphone or camera can be switched
 * on later without negotiating again. Muting takes the track off its sender (`replaceTrack(null)`): nothing
 * is sent then, which is how the others' pages know mute from silence (see monitor.js).
 */
import { Link } from "./link.js";
import { openSession } from "./session.js";

const KINDS = ["audio", "video"];

/** What a camera may send (bits per second) and by how much its picture shrinks, by the number of people. */
export function videoTarget(people) {
  if (people <= 4) return { maxBitrate: 1_500_000, scaleResolutionDownBy: 1 };
  if (people <= 9) return { maxBitrate: 700_000, scaleResolutionDownBy: 2 };
  return { maxBitrate: 300_000, scaleResolutionDownBy: 3 };
}

export class Publisher {
  #media;
  #people = 1;
  #senders = {};
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
      for (const kind of KINDS) {
        const source = media.outgoing(kind) || kind;
        senders[kind] = pc.addTransceiver(source, { direction: "sendonly", streams }).sender;
      }
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

  /** How many people are in the room; more of them, smaller pictures. */
  set people(count) {
    if (this.#people === count) return;
    this.#people = count;
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
    const [encoding] = parameters.encodings || [];
    if (!encoding) return;
    // Inactive as well as without a track, since Firefox sends a black picture each second for a missing one.
    const target = { active: track !== null, ...(kind === "video" ? videoTarget(this.#people) : {}) };
    if (Object.entries(target).every(([key, value]) => encoding[key] === value)) return;
    Object.assign(encoding, target);
    await sender.setParameters(parameters);
  }
}
