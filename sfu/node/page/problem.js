/**
 * Errors as sentences: what happened, and what the reader can do about it.
 *
 * The node answers errors as problem+json (RFC 9457); its `title` and `detail` are shown as they are, since
 * they are written for people. What never reached the node (network, devices) gets a sentence here.
 */
import { doubt, follow, locate } from "./place.js";

/** An HTTP answer that is not a success, or no answer at all (`status` 0). */
export class Problem extends Error {
  /**
   * @param {number} status HTTP status; 0 when the node could not be reached
   * @param {{title?: string, detail?: string, retryAfter?: number}} [about] `retryAfter` in milliseconds
   */
  constructor(status, { title = "", detail = "", retryAfter = 0 } = {}) {
    super([title, detail].filter(Boolean).join(": ") || `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }

  /** False when trying the same request again cannot help: the token or the request itself is refused. */
  get retryable() {
    return this.status === 0 || this.status >= 500 || [404, 408, 409, 425, 429].includes(this.status);
  }
}

/** Build the Problem of a failed response; a body that is not problem+json is ignored. */
export async function readProblem(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  const about = { retryAfter: seconds > 0 ? Math.min(seconds, 60) * 1000 : 0 };
  if ((response.headers.get("Content-Type") || "").includes("json")) {
    const body = await response.json().catch(() => null);
    if (body && typeof body.title === "string") about.title = body.title;
    if (body && typeof body.detail === "string") about.detail = body.detail;
  }
  return new Problem(response.status, about);
}

/** So many nodes in a row may say that another one has the room. */
const MOST_MOVES = 4;

/** `fetch` with a bearer token that resolves to a successful response or throws a Problem. */
export async function request(url, { token, ...options }) {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  for (let moves = 0; ; moves += 1) {
    const place = locate(url);
    const response = await send(place, { ...options, headers, cache: "no-store", redirect: "manual" });
    if (response.type !== "opaqueredirect") {
      if (response.ok) return response;
      if (response.status === 503) doubt(place);
      throw await readProblem(response);
    }
    if (moves === MOST_MOVES) throw new Problem(503, { title: "The room is being moved" });
    await follow(place, (home) => request(home, { token, signal: options.signal }));
  }
}

async function send(place, options) {
  try {
    return await fetch(place, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    doubt(place);
    throw new Problem(0);
  }
}

const BY_STATUS = {
  0: "The server cannot be reached. Check your connection and try again.",
  401: "Your invitation is not valid or has expired. Ask for a new link.",
  403: "Your invitation does not allow this. Ask for a link with the right to take part.",
  404: "The room or the person is not there any more.",
  409: "Someone with this name is already in the room.",
  413: "The server found the request too large.",
  429: "Too many attempts. Wait a moment.",
  503: "The room or the server is full right now.",
};

const STOP = /[.!?…]$/;

/** One or two sentences for a Problem, a device error or anything else that was thrown. */
export function explain(error) {
  if (!(error instanceof Problem)) return error?.message || String(error);
  const known = BY_STATUS[error.status];
  const told = [error.title, error.detail]
    .filter(Boolean)
    .map((text) => (STOP.test(text) ? text : `${text}.`))
    .join(" ");
  if (error.status === 401) return error.detail ? `${known} (${error.detail})` : known;
  if (told) return told;
  return known || `The server answered with an error (HTTP ${error.status}).`;
}

const DEVICE = { audio: "microphone", video: "camera" };

/**
 * The sentence for a failed `getUserMedia`.
 * @param {DOMException} error
 * @param {"audio"|"video"|"both"} kind what was asked for
 */
export function explainDevice(error, kind) {
  const what = DEVICE[kind] || "camera and microphone";
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The browser keeps this page from your ${what}. Allow it beside the address, then switch it on.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return kind === "both" ? "No camera and no microphone was found." : `No ${what} was found.`;
    case "NotReadableError":
    case "AbortError":
      return `Your ${what} is busy or did not start. Close other programs that use it and try again.`;
    case "InsecureContext":
      return "Browsers give camera and microphone to https pages only. You can watch and listen.";
    default:
      return `Your ${what} did not start (${error.name || error}).`;
  }
}
