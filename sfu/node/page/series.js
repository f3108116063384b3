/**
 * What a connection's bandwidth was over time: samples, oldest first, `{at, estimate, budget, ...}`.
 *
 * Times are milliseconds of a clock that never goes back. Nothing here changes what it is given.
 */

/** Milliseconds that are kept and shown. */
export const SPAN = 120_000;
/** Milliseconds between two samples from which on nothing is known of what was between them. */
export const GAP = 3500;
const MOST = 1000;

/** The lines of the rates, and of the path, as plots take them. */
export const RATES = ["Estimate", "Budget", "Allocated", "Sent", "Received"].map((name) => {
  return { key: name.toLowerCase(), name, unit: "rate" };
});
export const PATH = [
  { key: "queueDelay", name: "Queue delay", unit: "time" },
  { key: "roundTrip", name: "Round trip", unit: "time" },
  { key: "loss", name: "Loss", unit: "share" },
];

const known = (value) => (Number.isFinite(value) ? value : null);

/** One sample of a connection's `bandwidth`, as the node's statistics tell it; what is not known is null. */
export function readSample(bandwidth, at) {
  return {
    at,
    estimate: known(bandwidth.estimate_bps),
    budget: known(bandwidth.budget_bps),
    allocated: known(bandwidth.allocated_bps),
    wanted: known(bandwidth.wanted_bps),
    sent: known(bandwidth.sent_bps),
    received: known(bandwidth.received_bps),
    queueDelay: known(bandwidth.queue_delay_s),
    roundTrip: known(bandwidth.round_trip_time_s),
    loss: known(bandwidth.loss),
  };
}

/** The samples with one more, without those that are older than `span` before it. */
export function append(samples, sample, span = SPAN) {
  const oldest = sample.at - span - GAP; // one more than is shown, so that lines begin at the edge
  return [...samples.filter(({ at }) => at >= oldest && at < sample.at), sample].slice(-MOST);
}

/**
 * The series of all connections after another answer; those of connections that are gone are left out.
 * @param {Map<string, object[]>} series samples by connection id
 * @param {{id: string, bandwidth: object}[]} connections
 */
export function gather(series, connections, at) {
  return new Map(connections.map(({ id, bandwidth }) => [id, append(series.get(id) || [], readSample(bandwidth, at))]));
}

/** Runs of neighbouring samples in which `key` is known. */
export function runs(samples, key) {
  const found = [];
  let last = null;
  for (const sample of samples) {
    if (sample[key] === null || sample[key] === undefined) {
      last = null;
      continue;
    }
    if (last !== null && sample.at - last <= GAP) found.at(-1).push(sample);
    else found.push([sample]);
    last = sample.at;
  }
  return found;
}

/** The greatest value of any of the keys, or 0. */
export function peak(samples, keys) {
  return samples.reduce((most, sample) => Math.max(most, ...keys.map((key) => sample[key] ?? 0)), 0);
}

/** The sample closest to a time, or null. */
export function nearest(samples, at) {
  return samples.reduce(
    (best, sample) => (best === null || Math.abs(sample.at - at) < Math.abs(best.at - at) ? sample : best),
    null,
  );
}
