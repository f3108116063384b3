/**
 * Who is invited where: the URL's fragment (`#room=lobby&token=...&name=alice&auto=1`), the token's claims,
 * and the peer's name.
 *
 * The fragment never travels to the server by itself, so the token stays out of access logs. Claims are
 * read here only to word the page; the node alone verifies them.
 */

export const NAME_LENGTH = 40;

/** What is assumed of a token that is not a JWT (a platform may use its own): the node says what is missing. */
const OPAQUE = { publish: true, subscribe: true };

/** The claims of a JWT (RFC 7519) without verification, or null when it is not one. */
export function readClaims(token) {
  const body = token.split(".")[1];
  if (!body) return null;
  try {
    const bytes = Uint8Array.from(atob(body.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims && typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

/**
 * What the fragment says, or null when it does not name a room and a token.
 * @param {string} fragment with or without the leading `#`
 */
export function readInvitation(fragment) {
  const params = new URLSearchParams(fragment.replace(/^#/, ""));
  const token = params.get("token") || "";
  const claims = readClaims(token) || OPAQUE;
  const named = typeof claims.room === "string" && claims.room !== "*" ? claims.room : "";
  const room = params.get("room") || named;
  if (!token || !room) return null;
  return {
    room,
    token,
    name: cleanName(params.get("name") || ""),
    auto: params.get("auto") === "1",
    peer: typeof claims.sub === "string" ? claims.sub : "",
    publish: claims.publish === true,
    subscribe: claims.subscribe === true,
  };
}

/** A link that invites others: this room and token, without a name. */
export function invitationLink({ room, token }, base = document.baseURI) {
  const url = new URL(base);
  url.search = "";
  url.hash = new URLSearchParams({ room, token }).toString();
  return url.href;
}

/** A typed name without what would break the peer's name or a line of text. */
export function cleanName(text) {
  const plain = text.normalize("NFC").replace(/[\p{C}~]/gu, "").replace(/\s+/g, " ").trim();
  return [...plain].slice(0, NAME_LENGTH).join("");
}

/** The part of a peer's name that people see: `alice~3f9a` is alice. */
export function shownName(peer) {
  return peer.replace(/~[0-9a-f]{4}$/, "") || peer;
}

/** Up to two letters for a picture-less tile. */
export function initials(name) {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0]).join("").toUpperCase() || "?";
}

/** A hue in degrees that stays with a name. */
export function hue(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 3600;
  return (hash * 47) % 360;
}

function suffix() {
  const [value] = crypto.getRandomValues(new Uint16Array(1));
  return value.toString(16).padStart(4, "0");
}

/**
 * The peer's name, `name~xxxx`. The suffix lives as long as the tab, so that a reload replaces the old
 * session instead of meeting it. A duplicated tab copies the storage too: a lock held while the tab lives
 * tells the two apart.
 */
export async function peerName(name, room) {
  const key = "sfu.suffix";
  const tail = sessionStorage.getItem(key) || suffix();
  const peer = `${name}~${tail}`;
  const kept = (await holdLock(`sfu ${room} ${peer}`)) ? tail : suffix();
  sessionStorage.setItem(key, kept);
  return `${name}~${kept}`;
}

const held = new Set();

/** Take a named lock until the tab closes; false when another tab has it. */
function holdLock(lock) {
  if (!navigator.locks || held.has(lock)) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(lock, { ifAvailable: true }, (got) => {
        resolve(got !== null);
        if (got === null) return undefined;
        held.add(lock);
        return new Promise(() => {});
      })
      .catch(() => resolve(true));
  });
}
