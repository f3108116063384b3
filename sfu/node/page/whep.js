/** Watching one peer: a WHEP session with a receive-only section for audio and one for video. */
import { openSession } from "./session.js";

/**
 * @param {object} options
 * @param {URL} options.url the WHEP endpoint, with `publisher`
 * @param {string} options.token @param {AbortSignal} options.signal
 * @returns {Promise<{session: import("./session.js").Session, stream: MediaStream}>} the stream holds
 *   the tracks of those sections that the node filled
 */
export async function watch({ url, token, signal }) {
  const prepare = (pc) => {
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
  };
  const session = await openSession({ url, token, prepare, signal });
  const transceivers = session.pc.getTransceivers();
  const filled = transceivers.filter(({ currentDirection }) => currentDirection === "recvonly");
  return { session, stream: new MediaStream(filled.map(({ receiver }) => receiver.track)) };
}
