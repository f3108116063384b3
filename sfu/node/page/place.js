/**
 * Which node of a cluster has the room: the page's own, or another one.
 *
 * A node that does not have the room answers with a redirect. Browsers show no script where that leads, and take the
 * token off what they send there; so the page asks, and sends what comes next to the other node.
 */

/** Of a room's own resources; sessions stand where they were made. */
const ROOM = /^(.*?)rooms\/([^/]+)(\/(?:whip|whep|events|stats|recording))?$/;

/** Base of the other node's URLs, with a slash at the end; empty: it is the page's own. */
let elsewhere = "";

/** Where a request for the room goes. @param {URL|string} url as for the page's own node @returns {URL} */
export function locate(url) {
  const found = new URL(url, document.baseURI);
  const own = new URL(".", document.baseURI).href;
  const rest = found.href.startsWith(own) ? found.href.slice(own.length) : "";
  const path = rest.split("?")[0];
  return elsewhere && ROOM.test(path) ? new URL(rest, elsewhere) : found;
}

/**
 * A redirect has come from there: where the room is asked, which is told to the page's next requests.
 * @param {URL} url @param {(url: URL) => Promise<Response>} ask fetches with the token
 */
export async function follow(url, ask) {
  const [, root, room] = ROOM.exec(url.pathname) || [];
  if (root === undefined) throw new TypeError(`a redirect from ${url.pathname}`);
  const response = await ask(new URL(`${root}rooms/${room}/home`, url));
  const { url: told } = await response.json();
  elsewhere = told ? `${told}/` : "";
}

/** The other node is not there, or has the room no more: ask the page's own again. @param {URL} url what has failed */
export function doubt(url) {
  if (elsewhere && url.href.startsWith(elsewhere)) elsewhere = "";
}
