/**
 * What a camera or a screen is sent as: up to three encodings (simulcast, RFC 8853) of falling size, so that
 * the node can give each viewer the one that fits.
 *
 * The number of encodings is settled when a session begins; a source that comes later (`replaceTrack`) has to
 * do with them. Hence the sizes count from the full picture: what a smaller source has no use for is switched
 * off.
 */

/** RIDs of a session with so many encodings, lowest first. A lone encoding needs no name. */
const RIDS = { 1: [""], 2: ["h", "f"], 3: ["q", "h", "f"] };
/** Shorter sides, in pixels, up to which a picture is worth one encoding, then two. */
const LONE = 240;
const PAIR = 480;
/** What a source is taken for until it is known. */
const USUAL = { width: 1280, height: 720, screen: false };

/** Bits per second for a moving picture of this size: half the sides cost a third. */
export function bitRateFor(width, height) {
  const rate = 1_500_000 * ((width * height) / (1280 * 720)) ** 0.75;
  return Math.round(Math.min(Math.max(rate, 60_000), 5_000_000) / 10_000) * 10_000;
}

/** What is to be sent: `{width, height, screen}` of a track; null is taken for a usual camera. */
export function sourceOf(track) {
  if (!track) return USUAL;
  const { width, height, displaySurface } = track.getSettings();
  const screen = displaySurface !== undefined || ["detail", "text"].includes(track.contentHint);
  return { width: width || USUAL.width, height: height || USUAL.height, screen };
}

function worth({ width, height, screen }) {
  const side = Math.min(width, height);
  if (side <= LONE) return 1;
  return screen || side <= PAIR ? 2 : 3;
}

/**
 * The encodings of a source in a session that has those of `rids`.
 * @param {{width: number, height: number, screen: boolean}} source
 * @param {string[]} rids lowest first
 * @returns {{rid: string, active: boolean, scaleResolutionDownBy: number, maxBitrate: number}[]}
 */
export function plan(source, rids) {
  const useful = worth(source);
  return rids.map((rid, at) => {
    const below = rids.length - 1 - at;
    const scaleResolutionDownBy = 2 ** below;
    const rate = bitRateFor(source.width / scaleResolutionDownBy, source.height / scaleResolutionDownBy);
    // Text needs more bits than its few changes suggest, or each of them is a blur at first.
    const maxBitrate = source.screen ? Math.max(rate, 300_000) : rate;
    return { rid, active: below < useful, scaleResolutionDownBy, maxBitrate };
  });
}

/** `sendEncodings` for a new session. */
export function sendEncodings(source) {
  const rids = RIDS[worth(source)];
  return plan(source, rids).map(({ rid, ...rest }) => (rid ? { rid, ...rest } : rest));
}

/** What a camera may send as one encoding, for all viewers alike: more people, smaller pictures. */
export function loneTarget(people, source = USUAL) {
  const scaleResolutionDownBy = source.screen || people <= 4 ? 1 : people <= 9 ? 2 : 3;
  const most = people <= 4 ? 1_500_000 : people <= 9 ? 700_000 : 300_000;
  return { maxBitrate: source.screen ? 1_500_000 : most, scaleResolutionDownBy };
}

/**
 * Add a sending video section with as much of simulcast as the browser takes: with three temporal layers in
 * each encoding, without, or one plain encoding.
 * @param {RTCPeerConnection} pc
 * @param {MediaStreamTrack|null} track
 * @param {object} init `streams`
 * @returns {RTCRtpTransceiver}
 */
export function addVideo(pc, track, init) {
  const options = { direction: "sendonly", ...init };
  const plain = sendEncodings(sourceOf(track));
  const layered = plain.map((encoding) => ({ ...encoding, scalabilityMode: "L1T3" }));
  for (const encodings of [layered, plain]) {
    try {
      return pc.addTransceiver(track || "video", { ...options, sendEncodings: encodings });
    } catch (error) {
      // A closed connection refuses everything, which is not about simulcast.
      if (error.name === "InvalidStateError") throw error;
      console.debug("encodings refused:", error.message);
    }
  }
  return pc.addTransceiver(track || "video", options);
}

/**
 * Bring a sender's parameters to what `source` needs. What was not agreed is left alone: a node that refused
 * simulcast leaves one encoding, the lowest, which then carries the full picture.
 * @param {RTCRtpSendParameters} parameters changed in place
 * @param {{width: number, height: number, screen: boolean}|null} source null sends nothing
 * @param {number} people
 * @param {Set<string>} unwanted RIDs that nobody takes; the lowest is sent all the same, for who comes next
 * @returns {boolean} whether anything changed
 */
export function fitParameters(parameters, source, people, unwanted = new Set()) {
  const { encodings = [] } = parameters;
  const targets =
    encodings.length > 1
      ? plan(source || USUAL, encodings.map(({ rid }) => rid))
      : [{ active: true, ...loneTarget(people, source || USUAL) }];
  let changed = false;
  const lowest = targets.findIndex(({ active }) => active);
  encodings.forEach((encoding, at) => {
    const { active, scaleResolutionDownBy, maxBitrate } = targets[at];
    // Inactive as well as without a track, since Firefox sends a black picture each second for a missing one.
    const idle = at > lowest && unwanted.has(encoding.rid);
    const target = { active: active && source !== null && !idle, scaleResolutionDownBy, maxBitrate };
    for (const [key, value] of Object.entries(target)) {
      if (encoding[key] === value) continue;
      encoding[key] = value;
      changed = true;
    }
  });
  return changed;
}
