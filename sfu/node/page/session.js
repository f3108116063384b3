/**
 * One WHIP (RFC 9725) or WHEP session: an offer posted, an answer received, a resource to delete.
 *
 * The offer is posted before it is set as the local description, because the `Link` headers with ICE
 * servers come with the answer (RFC 9725 section 4.6) and gathering starts with the local description.
 * Candidates are not trickled: the node is ICE-lite and learns ours from the checks.
 */
import { request } from "./problem.js";

const LINK = /<([^>]+)>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^",;\s]+))*)/g;
const PARAMETER = /([\w-]+)=(?:"([^"]*)"|([^",;\s]+))/g;

/** The links of a `Link` header (RFC 8288): `[{target, rel, ...parameters}]`; what is no link is passed over. */
export function parseLinks(header) {
  const links = [];
  for (const [, target, rest] of (header || "").matchAll(LINK)) {
    const link = { target };
    for (const [, key, quoted, bare] of rest.matchAll(PARAMETER)) link[key.toLowerCase()] = quoted ?? bare;
    links.push(link);
  }
  return links;
}

/** ICE servers of a `Link` header (relation `ice-server`, RFC 9725 section 4.6). */
export function iceServers(header) {
  return parseLinks(header)
    .filter(({ rel }) => rel === "ice-server")
    .map(({ target: urls, username, credential }) =>
      username === undefined ? { urls } : { urls, username, credential },
    );
}

/** Milliseconds the node has to answer DELETE before the connection is closed anyway. */
const FAREWELL = 2000;

export class Session {
  /** @param {RTCPeerConnection} pc @param {URL|null} resource @param {string} token */
  constructor(pc, resource, token) {
    this.pc = pc;
    this.resource = resource;
    this.token = token;
    /** What the node offers beside the media, by relation: `{rel: URL}`. */
    this.links = {};
  }

  /**
   * End the session here and at the node. Safe to call when the page goes away (the request outlives it),
   * and when the node has already forgotten the session.
   */
  close() {
    const { resource, pc } = this;
    this.resource = null;
    if (!resource) {
      pc.close();
      return;
    }
    // The node is told first: to a connection that closed by itself its resource is gone, and DELETE a 404.
    setTimeout(() => pc.close(), FAREWELL);
    request(resource, { method: "DELETE", token: this.token, keepalive: true })
      .catch((error) => console.debug("session delete:", error.message))
      .finally(() => pc.close());
  }
}

/**
 * Negotiate one session.
 * @param {object} options
 * @param {URL} options.url the WHIP or WHEP endpoint
 * @param {string} options.token
 * @param {(pc: RTCPeerConnection) => void} options.prepare adds the transceivers
 * @param {AbortSignal} options.signal
 * @returns {Promise<Session>}
 */
export async function openSession({ url, token, prepare, signal }) {
  const configuration = { bundlePolicy: "max-bundle" };
  const pc = new RTCPeerConnection(configuration);
  const session = new Session(pc, null, token);
  try {
    prepare(pc);
    const offer = await pc.createOffer();
    const response = await request(url, {
      method: "POST",
      token,
      headers: { "Content-Type": "application/sdp" },
      body: offer.sdp,
      signal,
    });
    const location = response.headers.get("Location");
    const base = response.url || url;
    if (location) session.resource = new URL(location, base);
    for (const { rel, target } of parseLinks(response.headers.get("Link"))) {
      // Where a relation is unknown nobody looks for it; one that is no address is as good as missing.
      if (rel && URL.canParse(target, base)) session.links[rel] = new URL(target, base);
    }
    const answer = await response.text();
    signal.throwIfAborted();
    const servers = iceServers(response.headers.get("Link"));
    if (servers.length > 0) pc.setConfiguration({ ...configuration, iceServers: servers });
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
    signal.throwIfAborted();
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}
