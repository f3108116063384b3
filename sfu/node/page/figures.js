/**
 * What `getStats` says (webrtc-stats) as lines to read: `[{label, value, rank}]`, where a small tile shows
 * only those of rank 1, a larger one those of rank 2, too. Rates need the report before, so one object each
 * follows one connection.
 */

const round = (value, digits = 0) => value.toFixed(digits);
const known = (value) => Number.isFinite(value);
/** A line may break between figures, but not within one. */
const unit = (value, name) => `${value}\u00a0${name}`;

/** `1.42 Mbit/s`, `310 kbit/s`. @param {number} bps */
export function showRate(bps) {
  if (!known(bps)) return "–";
  return bps >= 999_500 ? unit(round(bps / 1e6, 2), "Mbit/s") : unit(round(bps / 1000), "kbit/s");
}

/** `0.3 %` @param {number} share 0..1 */
export function showShare(share) {
  if (!known(share)) return "–";
  return unit(round(share * 100, share > 0 && share < 0.1 ? 1 : 0), "%");
}

/** `12 ms` @param {number} seconds */
export function showTime(seconds) {
  if (!known(seconds)) return "–";
  return unit(round(seconds * 1000), "ms");
}

function showPicture({ frameWidth, frameHeight, framesPerSecond }) {
  if (!frameWidth) return "–";
  const size = `${frameWidth}×${frameHeight}`;
  return known(framesPerSecond) ? `${size} ${unit(round(framesPerSecond), "fps")}` : size;
}

function showRequests(nacks, pictures) {
  return `${unit(nacks, "NACK")} · ${unit(pictures, "PLI")}`;
}

/** The round trip of the connection in use, in seconds, or NaN. */
export function roundTrip(entries) {
  const selected = entries.find(({ type }) => type === "transport")?.selectedCandidatePairId;
  const pairs = entries.filter(({ type }) => type === "candidate-pair");
  const pair =
    pairs.find(({ id }) => id === selected) ||
    // Firefox marks the pair itself.
    pairs.find(({ nominated, selected, state }) => selected || (nominated && state === "succeeded"));
  return pair?.currentRoundTripTime ?? Number.NaN;
}

function codecOf(entries, { codecId }) {
  const codec = entries.find(({ id }) => codecId !== undefined && id === codecId);
  return codec?.mimeType?.split("/")[1] || "–";
}

/** Remembers counters, to tell what they grew by. */
class Growth {
  #before = new Map();
  #now = new Map();

  /** Begin a new report. */
  turn() {
    this.#before = this.#now;
    this.#now = new Map();
  }

  /** What a counter grew by since the report before, or NaN when there was none. */
  of(id, name, value) {
    const key = `${id} ${name}`;
    this.#now.set(key, value);
    const before = this.#before.get(key);
    return known(value) && known(before) && value >= before ? value - before : Number.NaN;
  }

  /** A counter of bytes as bits per second; `timestamp` in milliseconds. */
  rate({ id, timestamp }, name, bytes) {
    return (this.of(id, name, bytes) * 8000) / this.of(id, `${name} at`, timestamp);
  }
}

/** What we receive from one person. */
export class InboundFigures {
  #growth = new Growth();

  /**
   * @param {object[]} entries of a report
   * @param {{layer?: string}} [about] in words, which layer this is
   */
  read(entries, { layer = "" } = {}) {
    this.#growth.turn();
    const of = (kind) => entries.find((entry) => entry.type === "inbound-rtp" && entry.kind === kind);
    const [video, audio] = [of("video"), of("audio")];
    const rows = [];
    const add = (rank, label, value) => rows.push({ rank, label, value });
    if (video) {
      const { nackCount = 0, pliCount = 0, firCount = 0, freezeCount = 0, totalFreezesDuration = 0 } = video;
      add(1, "Video", showPicture(video));
      add(1, "Rate", showRate(this.#growth.rate(video, "bytes", video.bytesReceived)));
      add(2, "Codec", codecOf(entries, video));
      if (layer) add(2, "Layer", layer);
      add(2, "Loss", `${showShare(this.#loss(video))} · jitter ${showTime(video.jitter)}`);
      add(3, "Asked", showRequests(nackCount, pliCount + firCount));
      const frozen = freezeCount > 0 ? `${freezeCount} · ${unit(round(totalFreezesDuration, 1), "s")}` : "0";
      add(3, "Freezes", frozen);
    }
    if (audio) {
      const rate = showRate(this.#growth.rate(audio, "bytes", audio.bytesReceived));
      const quality = `loss ${showShare(this.#loss(audio))} · jitter ${showTime(audio.jitter)}`;
      if (video) add(3, "Audio", `${rate} · ${quality}`);
      else {
        add(1, "Audio", rate);
        add(2, "", quality);
      }
    }
    add(video ? 2 : 1, "RTT", showTime(roundTrip(entries)));
    return rows;
  }

  /** The share of packets lost since the report before. A late packet lowers `packetsLost` again. */
  #loss({ id, packetsLost = 0, packetsReceived = 0 }) {
    const received = this.#growth.of(id, "received", packetsReceived);
    const lost = this.#growth.of(id, "lost", packetsLost) || 0;
    return received + lost > 0 ? lost / (received + lost) : received === 0 ? 0 : Number.NaN;
  }
}

const LIMITS = { bandwidth: "network", cpu: "processor", other: "other" };

/** What we send. */
export class OutboundFigures {
  #growth = new Growth();

  /** @param {object[]} entries of a report */
  read(entries) {
    this.#growth.turn();
    const sent = entries.filter(({ type }) => type === "outbound-rtp");
    const heard = entries.filter(({ type }) => type === "remote-inbound-rtp");
    const video = sent.filter(({ kind }) => kind === "video").sort(falling);
    const rows = [];
    const add = (rank, label, value) => rows.push({ rank, label, value });
    for (const entry of video) {
      const { id, rid, bytesSent, qualityLimitationReason, scalabilityMode, active } = entry;
      const label = rid || "Video";
      const rate = this.#growth.rate(entry, "bytes", bytesSent);
      const frames = this.#growth.of(id, "frames", entry.framesSent ?? entry.framesEncoded ?? 0);
      if (active === false || frames === 0) {
        add(2, label, "not sent");
        continue;
      }
      add(1, label, `${showPicture(entry)} · ${showRate(rate)}`);
      const limit = LIMITS[qualityLimitationReason];
      const mode = scalabilityMode || "";
      const more = [mode, limit ? `limited by ${limit}` : ""].filter(Boolean).join(" · ");
      if (more) add(limit ? 2 : 3, "", more);
    }
    if (video.length > 0) {
      const sum = (name) => video.reduce((total, entry) => total + (entry[name] || 0), 0);
      add(2, "Codec", codecOf(entries, video[0]));
      add(3, "Heard", showRequests(sum("nackCount"), sum("pliCount") + sum("firCount")));
    }
    const audio = sent.find(({ kind }) => kind === "audio");
    if (audio) add(3, "Audio", showRate(this.#growth.rate(audio, "bytes", audio.bytesSent)));
    const losses = heard.map(({ fractionLost }) => fractionLost).filter(known);
    const trips = heard.map(({ roundTripTime }) => roundTripTime).filter(known);
    if (losses.length > 0) add(2, "Loss", showShare(Math.max(...losses)));
    const trip = roundTrip(entries);
    add(2, "RTT", showTime(known(trip) ? trip : Math.max(...trips)));
    return rows;
  }
}

/** The best encoding first: by name (encodings.js), else by size. */
function falling(a, b) {
  const order = ({ rid }) => ["f", "h", "q"].indexOf(rid);
  return order(a) - order(b) || (b.frameWidth || 0) - (a.frameWidth || 0);
}
