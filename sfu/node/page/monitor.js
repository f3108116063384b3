/**
 * What the statistics of a connection tell about one person whose media it brings.
 *
 * A page that is muted sends no audio packets at all (whip.js), so a track without packets for a while is
 * muted or switched off; a silent room still sends packets. Browsers' own `mute` events are not used: they
 * differ between browsers.
 */

/** Milliseconds without a packet after which a kind counts as off. Opus DTX still sends each 400 ms. */
const QUIET = { audio: 1300, video: 1600 };
/** Loss (0..1) above which the signal has two bars, then one. */
const FAIR = 0.02;
const POOR = 0.08;

/** Signal bars, 1..3, for a share of lost packets. */
export function bars(loss) {
  if (loss > POOR) return 1;
  return loss > FAIR ? 2 : 3;
}

export class Monitor {
  #ids;
  #audio;
  #last = { audio: null, video: null };
  #level = 0;

  /** @param {RTCRtpReceiver[]} receivers one of a kind at most */
  constructor(receivers) {
    const of = (kind) => receivers.find(({ track }) => track.kind === kind) || null;
    this.kinds = ["audio", "video"].filter(of);
    this.#audio = of("audio");
    this.#ids = new Set(receivers.map(({ track }) => track.id));
  }

  /** Of a connection's statistics, those that are not about others. */
  choose(entries) {
    return entries.filter(({ type, trackIdentifier }) => type !== "inbound-rtp" || this.#ids.has(trackIdentifier));
  }

  /** The amplitude of the sound being played, linear 0..1. */
  get amplitude() {
    const [source] = this.#audio?.getSynchronizationSources() || [];
    // Without the audio-level header extension (RFC 6464) the level of the last statistics has to do.
    return source?.audioLevel ?? this.#level;
  }

  /**
   * @param {number} now milliseconds, monotonic @param {object[]} entries the connection's statistics
   * @returns {{audio: string, video: string, loss: number}} kinds are `none`, `waiting`, `on` or `off`
   */
  sample(now, entries) {
    const seen = { audio: "none", video: "none" };
    for (const kind of this.kinds) seen[kind] = "waiting";
    let received = 0;
    let lost = 0;
    for (const entry of this.choose(entries)) {
      if (entry.type !== "inbound-rtp" || !(entry.kind in seen)) continue;
      const before = this.#last[entry.kind];
      const packets = entry.packetsReceived || 0;
      const missing = entry.packetsLost || 0;
      const moved = !before || packets !== before.packets;
      this.#last[entry.kind] = { packets, missing, at: moved ? now : before.at };
      if (now - this.#last[entry.kind].at >= QUIET[entry.kind]) seen[entry.kind] = "off";
      else if (packets > 0) seen[entry.kind] = "on";
      received += packets - (before?.packets || 0);
      lost += Math.max(0, missing - (before?.missing || 0));
      if (entry.kind === "audio") this.#level = seen.audio === "on" ? entry.audioLevel || 0 : 0;
    }
    this.#settle(seen, now);
    return { ...seen, loss: received + lost > 0 ? lost / (received + lost) : 0 };
  }

  /** Browsers report nothing for a track that never had a packet; that, too, is off after a while. */
  #settle(seen, now) {
    for (const kind of this.kinds) {
      if (seen[kind] !== "waiting") continue;
      this.#last[kind] ??= { packets: 0, missing: 0, at: now };
      if (now - this.#last[kind].at >= QUIET[kind]) seen[kind] = "off";
    }
  }
}
