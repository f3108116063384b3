/**
 * A session's `layers` events (WHEP, server-sent events extension): a stream is asked for by POST, read by
 * GET, and given back by DELETE.
 *
 * Browsers open six connections to a host over HTTP/1.1, and each stream holds one for as long as it lasts.
 * So nobody keeps one for each tile: what a tile needs to know is read once, one tile after the other, and a
 * stream lasts longer only while its menu is open.
 */
import { EventParser } from "./events.js";
import { request } from "./problem.js";

export const LAYER = "urn:ietf:params:whep:ext:core:layer";
export const EVENTS = "urn:ietf:params:whep:ext:core:server-sent-events";

/** Milliseconds the node has to say what there is. */
const PATIENCE = 3000;

let turn = Promise.resolve();
const waiting = new WeakMap();

/**
 * Read `layers` events until `signal` aborts or the node ends the stream.
 * @param {import("./session.js").Session} session
 * @param {{signal: AbortSignal, onLayers: (body: object) => void}} options
 */
export async function followLayers({ links, token }, { signal, onLayers }) {
  if (!links[EVENTS]) return;
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(["layers"]);
  const made = await request(links[EVENTS], { method: "POST", token, headers, body, signal });
  const location = made.headers.get("Location");
  if (!location) return;
  const url = new URL(location, made.url || links[EVENTS]);
  try {
    const response = await request(url, { token, headers: { Accept: "text/event-stream" }, signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      for (const { event, data } of parser.feed(decoder.decode(value, { stream: true }))) {
        if (event === "layers") onLayers(JSON.parse(data));
      }
    }
  } finally {
    request(url, { method: "DELETE", token, keepalive: true }).catch((error) => {
      console.debug("layer events:", error.message);
    });
  }
}

/** The first `layers` event, or null when the node sends none. Those that wait for their turn share it. */
export function readLayers(session) {
  if (!waiting.has(session)) {
    const read = turn.then(() => {
      waiting.delete(session);
      return readFirst(session);
    });
    waiting.set(session, read);
    turn = read.catch(() => {});
  }
  return waiting.get(session);
}

async function readFirst(session) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE);
  let first = null;
  try {
    await followLayers(session, {
      signal: abort.signal,
      onLayers: (body) => {
        first ??= body;
        abort.abort();
      },
    });
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    clearTimeout(timer);
  }
  return first;
}
