/**
 * The layers of a video that the node offers: what its `layers` event says (WHEP, server-sent events
 * extension), what they are called, and which of them a tile needs.
 *
 * A layer here is one step of quality: an encoding in simulcast, a spatial layer in SVC. Lowest first.
 */

/** Heights that are assumed while the node has not said: those of a usual camera (encodings.js). */
const USUAL = 720;
const NAMES = { 1: ["Full"], 2: ["Low", "High"], 3: ["Low", "Medium", "High"] };
/** How many times larger than sent a picture may be shown before a better layer is asked for. */
const STRETCH = 1.25;

const number = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

/** Drafts differ: a list of layers, or an object with the active ones, the inactive ones and `layers`. */
function entriesOf(about) {
  if (Array.isArray(about)) return about;
  if (!about || typeof about !== "object") return [];
  const inactive = (about.inactive || []).map((entry) => ({ ...entry, bitrate: 0, inactive: true }));
  return [...(about.layers || about.active || []), ...inactive];
}

/**
 * The layers of one media section.
 * @param {object} body data of a `layers` event
 * @param {string} mediaId
 * @returns {{encodingId: string, spatial: number, width: number, height: number, bitrate: number,
 *   active: boolean}[]} lowest first; empty when there is nothing to choose from
 */
export function parseLayers(body, mediaId) {
  const found = new Map();
  for (const entry of entriesOf(body?.[mediaId])) {
    if (!entry || typeof entry !== "object") continue;
    const encodingId = String(entry.encodingId ?? entry.rid ?? entry.id ?? "");
    const spatial = number(entry.spatialLayerId);
    const key = `${encodingId} ${spatial}`;
    const known = found.get(key);
    const bitrate = Math.max(number(entry.bitrate), known?.bitrate || 0);
    found.set(key, {
      encodingId,
      spatial,
      order: Number.isFinite(entry.simulcastIdx) ? entry.simulcastIdx : 0,
      width: number(entry.width) || known?.width || 0,
      height: number(entry.height) || number(entry.heigth) || known?.height || 0,
      bitrate,
      active: entry.inactive !== true || Boolean(known?.active),
    });
  }
  const layers = [...found.values()];
  const rising = (a, b) => a.height - b.height || a.order - b.order || a.spatial - b.spatial;
  // Where some heights are missing they are no order.
  const sized = layers.every(({ height }) => height > 0);
  layers.sort(sized ? rising : (a, b) => a.order - b.order || a.spatial - b.spatial || a.bitrate - b.bitrate);
  return layers.map(({ order, ...layer }) => layer);
}

/** What a layer is called among `count` of them. */
export function nameOf(at, count) {
  return NAMES[count]?.[at] ?? `Level ${at + 1}`;
}

/** The layers' heights in pixels; guessed from each other, or from a usual camera, where they are not known. */
export function heightsOf(layers) {
  const top = Math.max(0, ...layers.map(({ height }) => height)) || USUAL;
  return layers.map(({ height }, at) => height || top / 2 ** (layers.length - 1 - at));
}

/**
 * The layer that a picture of `need` pixels' height wants.
 *
 * Between the size from which a layer is too small and that at which the one below would do lies a band in
 * which nothing changes, so that a tile at an edge does not switch to and fro.
 * @param {number[]} heights of the layers, lowest first
 * @param {number} need device pixels; 0 for a picture that nobody sees
 * @param {number|null} now the present choice
 */
export function wanted(heights, need, now = null) {
  const top = heights.length - 1;
  const least = (stretch) => {
    const at = heights.findIndex((height) => height * stretch >= need);
    return at < 0 ? top : at;
  };
  const lowest = least(STRETCH);
  if (now === null || now > top) return lowest;
  return Math.min(Math.max(now, lowest), least(1));
}

/** The height that a picture of this shape needs to fill a box (or to be shown whole in it), in pixels. */
export function neededHeight({ width, height }, aspect, whole) {
  const across = width / (aspect || 16 / 9);
  return whole ? Math.min(height, across) : Math.max(height, across);
}
