/** What the record says of a moment: who speaks, which phase it is, why there is no picture. Times are milliseconds. */

/** A shorter gap is not worth a word over the picture. */
const SHORTEST_GAP = 500;

export const CAUSES = {
  loss: "Lost on the network",
  mute: "Switched off",
  stall: "Nothing arrived",
  disconnect: "Connection lost",
  block: "Blocked by a moderator",
  pause: "Off the record",
  recorder_fault: "Recorder fault",
  restart: "Server restarted",
  key_frame: "Waiting for a whole picture",
};

/** The last of `moments` (ordered by `at`) that is not after `time`, or null. */
export function latest(moments, time) {
  let low = 0;
  let high = moments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle].at <= time) low = middle + 1;
    else high = middle;
  }
  return low ? moments[low - 1] : null;
}

/** The span (with `begin` and `end`, `end` excluded) that `time` lies in, or null. */
export function covering(spans, time) {
  return spans.find(({ begin, end }) => begin <= time && time < end) || null;
}

/** Whether media of a source are there at `time`; if not, why: a cause, `before` or `after`. */
export function stateOf(source, time) {
  const gap = source.gaps.find(
    ({ begin, end }) => begin <= time && time < end && end - begin >= SHORTEST_GAP,
  );
  if (gap) return gap.cause;
  if (covering(source.spans, time)) return "media";
  if (!source.spans.length || time < source.spans[0].begin) return "before";
  if (time >= source.spans.at(-1).end) return "after";
  return "media";
}

/** Where a source's media end. */
export function endOf(source) {
  return source.spans.length ? source.spans.at(-1).end : 0;
}

/**
 * The sources as the tiles show them: one for each peer, and one more for each other picture of it.
 * @returns {{key: string, peer: string, name: string, role: string, label: string, video: object[], audio: object[]}[]}
 */
export function groupSources(sources) {
  const groups = new Map();
  const group = (source, label) => {
    const key = `${source.peer}\n${label}`;
    if (!groups.has(key)) {
      const { peer, name, role } = source;
      groups.set(key, { key, peer, name, role, label, video: [], audio: [] });
    }
    return groups.get(key);
  };
  for (const source of sources.filter(({ kind }) => kind === "video")) {
    group(source, source.label).video.push(source);
  }
  for (const source of sources.filter(({ kind }) => kind === "audio")) {
    const own = [...groups.values()].find(({ peer }) => peer === source.peer);
    (own || group(source, "")).audio.push(source);
  }
  const first = ({ video, audio }) => Math.min(...[...video, ...audio].map(({ number }) => number));
  return [...groups.values()].sort((a, b) => first(a) - first(b));
}

/** What a moderator ordered, in words. */
function nameOrder({ what, peer, kind }) {
  if (what === "close_room") return "Room closed";
  if (what === "remove") return `${peer} removed`;
  return `${kind === "audio" ? "Sound" : "Picture"} of ${peer} ${what === "block" ? "blocked" : "let through again"}`;
}

/** Marks, phases, pauses and moderators' orders in one list, in order of time. */
export function listEvents({ marks, phases, pauses, orders }) {
  const events = [
    ...phases.map(({ at, names }) => ({ kind: "phase", at, title: names[0], details: [] })),
    ...marks.map(({ at, name, data }) => ({ kind: "mark", at, title: name, details: data })),
    ...pauses.map(({ begin, end, ground, authoriser, note, subject }) => ({
      kind: "pause",
      at: begin,
      end,
      title: ground || "Off the record",
      details: [["Authorised by", authoriser], ["Said with the token of", subject], ["Note", note]].filter(([, value]) => value),
    })),
    ...orders.map((order) => ({
      kind: "order",
      at: order.at,
      title: nameOrder(order),
      details: [["Ordered with the token of", order.subject]].filter(([, value]) => value),
    })),
  ];
  const order = ["phase", "pause", "order", "mark"];
  return events.sort((a, b) => a.at - b.at || order.indexOf(a.kind) - order.indexOf(b.kind));
}
