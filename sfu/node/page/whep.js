/** Watching one peer: a WHEP session with a receive-only section for audio and one for video. */
import { openSession } from "./session.js";

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
 * @param {object} options
 * @param {URL} options.url the WHEP endpoint, with `publisher`
 * @param {string} options.token @param {AbortSignal} options.signal
 * @returns {Promise<{session: import("./session.js").Session, stream: MediaStream, mediaId: string}>} the
 *   stream holds the tracks of those sections that the node filled; `mediaId` is the video's section, by its
 *   place in the session description, or empty
 */
export async function watch({ url, token, signal }) {
  const open = (...kinds) => {
    const prepare = (pc) =>
      kinds.forEach((kind) => askForDescriptor(pc.addTransceiver(kind, { direction: "recvonly" })));
    return openSession({ url, token, prepare, signal });
  };
  const session = await open("audio", "video").catch((error) => {
    // This browser has no decoder for the picture. Who cannot see can still listen.
    if (error.status !== 406) throw error;
    console.warn("watching without the picture:", error.message);
    return open("audio");
  });
  const transceivers = session.pc.getTransceivers();
  const filled = transceivers.filter(({ currentDirection }) => currentDirection === "recvonly");
  const video = transceivers.findIndex((one) => filled.includes(one) && one.receiver.track.kind === "video");
  const stream = new MediaStream(filled.map(({ receiver }) => receiver.track));
  return { session, stream, mediaId: video < 0 ? "" : String(video) };
}
