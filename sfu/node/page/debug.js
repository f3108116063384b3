/**
 * The debug page: what the node knows of the paths to a room's peers, and what it makes of it.
 *
 * Room and token come in the URL's fragment, as on the meeting page. The room's statistics name its peers; those of
 * the peers that are open are asked for one by one. A token of one peer is refused the others' connections.
 */
import { Backoff } from "./backoff.js";
import { showRate } from "./figures.js";
import { readInvitation } from "./invitation.js";
import { Plot } from "./plot.js";
import { Problem, explain, request } from "./problem.js";
import { routes } from "./routes.js";
import { PATH, RATES, gather, peak } from "./series.js";

/** Milliseconds between two looks. */
const INTERVAL = 1000;
/** Milliseconds after which an answer is not waited for any longer. */
const PATIENCE = 5000;
/** So many peers are open at first. */
const OPEN = 4;

const $ = (id) => document.getElementById(id);
const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
const layer = (about) => (about ? `${about.spatial}/${about.temporal}` : "–");

function say(element, text) {
  element.hidden = !text;
  if (element.textContent !== text) element.textContent = text;
}

/** Close the views that are not to be kept any longer. */
function prune(views, kept) {
  for (const [key, view] of views) {
    if (kept.has(key)) continue;
    view.close();
    views.delete(key);
  }
}

const BY_STATUS = {
  0: "The node cannot be reached. This page goes on trying.",
  401: "The token is not valid or has expired.",
  403: "The token does not let you see this: it needs the right to subscribe here.",
  404: "The room is empty.",
};

/** What is wrong, and with what. */
function describeProblem(error) {
  const known = error instanceof Problem && BY_STATUS[error.status];
  return known ? [known, error.detail].filter(Boolean).join(" ") : explain(error);
}

/** One connection of a peer: its plots. */
class ConnectionView {
  #about = document.createElement("span");
  #frame = document.createElement("div");
  #plots = [new Plot("Rates", RATES), new Plot("Path", PATH)];

  constructor(id) {
    this.element = document.createElement("section");
    this.element.className = "connection";
    const title = document.createElement("h3");
    this.#about.className = "soft";
    title.append(`Connection ${id} `, this.#about);
    this.#frame.className = "plots";
    this.#frame.append(...this.#plots.map(({ element }) => element));
    this.element.append(title, this.#frame);
  }

  draw(samples, now) {
    const { estimate, wanted } = samples.at(-1);
    this.#frame.hidden = peak(samples, ["wanted", "allocated", "sent"]) === 0; // one to publish over
    const silent = estimate === null ? " · the client tells nothing of what it gets" : "";
    say(this.#about, this.#frame.hidden ? "nothing is known to go out" : `wanted ${showRate(wanted)}${silent}`);
    for (const plot of this.#plots) plot.draw(samples, now);
  }

  close() {
    for (const plot of this.#plots) plot.close();
    this.element.remove();
  }
}

/** One peer: its connections and its Subscriptions. */
class PeerView {
  #series = new Map();
  #connections = new Map();
  /** True where the token is refused what this peer receives. */
  refused = false;

  constructor(name, open) {
    this.name = name;
    this.element = $("peer-template").content.firstElementChild.cloneNode(true);
    this.element.open = open;
    this.element.dataset.peer = name;
    this.#find("h2").textContent = name;
    this.#find(".table-frame").setAttribute("aria-label", `Subscriptions of ${name}`);
    this.#find(".table-frame").hidden = true;
  }

  get wanted() {
    return this.element.open && !this.refused;
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  /** What everyone may see: what it publishes. */
  summarize({ tracks }) {
    const kinds = tracks.map(({ kind, codec, muted }) => `${kind} ${codec}${muted ? " (muted)" : ""}`);
    say(this.#find("summary .soft"), `publishes ${kinds.join(", ") || "nothing"}`);
  }

  refuse(error) {
    this.refused = true;
    say(this.#find(".note"), `${error.detail || error.message} What this peer receives is not shown.`);
  }

  show({ connections, subscriptions }, now) {
    this.#series = gather(this.#series, connections, now);
    prune(this.#connections, this.#series);
    for (const [id, samples] of this.#series) {
      if (!this.#connections.has(id)) {
        this.#connections.set(id, new ConnectionView(id));
        this.#find(".connections").append(this.#connections.get(id).element);
      }
      this.#connections.get(id).draw(samples, now);
    }
    say(this.#find(".note"), connections.length > 0 ? "" : "It has no connection.");
    this.#find(".table-frame").hidden = subscriptions.length === 0;
    this.#find("caption").textContent = count(subscriptions.length, "Subscription");
    this.#find("tbody").replaceChildren(...subscriptions.map(buildRow));
  }

  close() {
    for (const view of this.#connections.values()) view.close();
    this.element.remove();
  }
}

function buildRow({ publisher, kind, ceiling, target, current, paused, starved, bit_rate_bps: rate }) {
  const state = paused ? "paused" : starved ? "starved" : "";
  const video = kind === "video";
  const row = document.createElement("tr");
  const layers = [ceiling, target, current].map((about) => (video ? layer(about) : "–"));
  for (const text of [publisher, kind, ...layers, state || "–", showRate(rate)]) row.insertCell().textContent = text;
  row.cells[5].dataset.state = state;
  return row;
}

/** Looks once a second while the page is seen, and after a failure a little later. */
class Watch {
  #invitation;
  #peers = new Map();
  #backoff = new Backoff({ first: 2 * INTERVAL, most: 8 * INTERVAL });
  #timer = 0;
  #busy = false;

  constructor(invitation) {
    this.#invitation = invitation;
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("online", () => this.look());
  }

  async look() {
    clearTimeout(this.#timer);
    if (this.#busy || document.hidden) return;
    this.#busy = true;
    const begun = performance.now();
    let wait = INTERVAL;
    try {
      await this.#ask();
      this.#backoff.reset();
      say($("problem"), "");
      $("ask").hidden = true;
    } catch (error) {
      wait = this.#backoff.next(error.retryAfter);
      say($("state"), "");
      say($("problem"), describeProblem(error));
      $("ask").hidden = ![401, 403].includes(error.status);
    } finally {
      this.#busy = false;
      this.#timer = setTimeout(() => this.look(), begun + wait - performance.now());
    }
  }

  async #ask() {
    const { peers } = await this.#get();
    this.#settle(peers);
    const asked = [...this.#peers.values()].filter(({ wanted }) => wanted);
    await Promise.all(asked.map((view) => this.#askPeer(view)));
    say($("state"), peers.length > 0 ? count(peers.length, "peer") : BY_STATUS[404]);
  }

  async #askPeer(view) {
    try {
      const { peers } = await this.#get(view.name);
      view.show(peers[0], performance.now());
    } catch (error) {
      if (error.status === 403) view.refuse(error);
      else if (error.status !== 404) throw error; // it left meanwhile
    }
  }

  async #get(peer = "") {
    const { room, token } = this.#invitation;
    return (await request(routes.stats(room, peer), { token, signal: AbortSignal.timeout(PATIENCE) })).json();
  }

  #settle(peers) {
    prune(this.#peers, new Set(peers.map(({ name }) => name)));
    for (const peer of peers) {
      if (!this.#peers.has(peer.name)) {
        const view = new PeerView(peer.name, this.#peers.size < OPEN);
        view.element.addEventListener("toggle", () => this.look());
        this.#peers.set(peer.name, view);
        $("peers").append(view.element);
      }
      this.#peers.get(peer.name).summarize(peer);
    }
    $("legend").hidden = peers.length === 0;
  }
}

$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("ask-token").value.trim();
  const at = text.indexOf("#");
  const params = new URLSearchParams(at < 0 ? { token: text } : text.slice(at + 1));
  const room = $("ask-room").value.trim();
  if (room) params.set("room", room);
  const found = readInvitation(params.toString());
  say($("ask-error"), found ? "" : "This names no room, or has no token.");
  if (found) location.hash = new URLSearchParams({ room: found.room, token: found.token }).toString();
});
addEventListener("hashchange", () => location.reload());

const invitation = readInvitation(location.hash);
$("ask").hidden = invitation !== null;
if (invitation) {
  say($("room"), invitation.room);
  $("ask-room").value = invitation.room;
  document.title = `${invitation.room} · Debug`;
  new Watch(invitation).look();
}
