/**
 * One WHIP (RFC 9725) or WHEP session: an offer posted and an answer received, or the other way round, and a resource
 * to delete.
 *
 * Our offer is posted before it is set as the local description, because the `Link` headers with ICE
 * servers come with the answer (RFC 9725 section 4.6) and gathering starts with the local description.
 * Candidates are not trickled: the node is ICE-lite and learns ours from the checks.
 */
import { Problem, request } from "./problem.js";

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

  /** Answer an offer of the node's. @param {string} offer @param {(pc: RTCPeerConnection) => void} prepare */
  async answer(offer, prepare) {
    const { pc, token, resource } = this;
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    prepare(pc);
    await pc.setLocalDescription();
    await request(resource, { method: "PATCH", token, headers: SDP, body: pc.localDescription.sdp });
  }

  /** Answer the node's next offer; resolves to whether there was one. */
  async follow(prepare) {
    const response = await request(`${this.resource}/offer`, { method: "POST", token: this.token });
    if (response.status === 204) return false;
    await this.answer(await response.text(), prepare);
    return true;
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

/** Of a session description. */
const SDP = { "Content-Type": "application/sdp" };
const CONFIGURATION = { bundlePolicy: "max-bundle" };

/**
 * Open a session with `negotiate(session, enter)`, in which `enter` posts what begins it and returns what comes back.
 * @param {{url: URL, token: string, signal: AbortSignal}} options
 */
async function open({ url, token, signal }, negotiate) {
  const pc = new RTCPeerConnection(CONFIGURATION);
  const session = new Session(pc, null, token);
  const enter = async (body) => {
    const response = await request(url, { method: "POST", token, headers: body && SDP, body, signal });
    const location = response.headers.get("Location");
    const base = response.url || url;
    if (location) session.resource = new URL(location, base);
    for (const { rel, target } of parseLinks(response.headers.get("Link"))) {
      // Where a relation is unknown nobody looks for it; one that is no address is as good as missing.
      if (rel && URL.canParse(target, base)) session.links[rel] = new URL(target, base);
    }
    const description = await response.text();
    signal.throwIfAborted();
    const servers = iceServers(response.headers.get("Link"));
    if (servers.length > 0) pc.setConfiguration({ ...CONFIGURATION, iceServers: servers });
    return description;
  };
  try {
    await negotiate(session, enter);
    signal.throwIfAborted();
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

/**
 * Offer, and take the node's answer.
 * @param {object} options
 * @param {URL} options.url the WHIP or WHEP endpoint
 * @param {string} options.token
 * @param {(pc: RTCPeerConnection) => void} options.prepare adds the transceivers
 * @param {AbortSignal} options.signal
 * @returns {Promise<Session>}
 */
export function openSession({ prepare, ...options }) {
  return open(options, async ({ pc }, enter) => {
    prepare(pc);
    const offer = await pc.createOffer();
    const answer = await enter(offer.sdp);
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
  });
}

/**
 * Let the node offer, and answer it.
 * @param {object} options
 * @param {URL} options.url the WHEP endpoint @param {string} options.token @param {AbortSignal} options.signal
 * @param {(pc: RTCPeerConnection) => void} options.prepare changes the transceivers that the offer has made
 * @returns {Promise<Session>}
 */
export function openOffered({ prepare, ...options }) {
  return open(options, async (session, enter) => {
    const offer = await enter();
    if (!/^m=/m.test(offer)) throw new Problem(410, { title: "Nobody is to be seen or heard here any more" });
    await session.answer(offer, prepare);
  });
}
