/** The node's URLs, relative to the page, so that a node mounted under a prefix works. */

function roomUrl(room, rest = "", params = {}) {
  const url = new URL(`rooms/${encodeURIComponent(room)}${rest}`, document.baseURI);
  for (const [key, value] of Object.entries(params)) if (value) url.searchParams.set(key, value);
  return url;
}

export const routes = {
  room: (room) => roomUrl(room),
  events: (room) => roomUrl(room, "/events"),
  stats: (room, peer) => roomUrl(room, "/stats", { peer }),
  whip: (room, peer) => roomUrl(room, "/whip", { peer }),
  whep: (room, peer) => roomUrl(room, "/whep", { peer }),
};
