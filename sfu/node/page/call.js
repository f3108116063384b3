/** Being in the room: publish ourselves, follow who comes and goes, show everyone. */
import { Controls } from "./controls.js";
import { DrainNews } from "./drain.js";
import { EventStream } from "./events.js";
import { Grid } from "./grid.js";
import { shownName } from "./invitation.js";
import { everyFrame, TrackMeter } from "./meter.js";
import { bars } from "./monitor.js";
import { Overlay } from "./overlay.js";
import { explain, Problem } from "./problem.js";
import { RecordingSign } from "./recording.js";
import { Remote } from "./remote.js";
import { Roster } from "./roster.js";
import { routes } from "./routes.js";
import { Speakers } from "./speakers.js";
import { Tile } from "./tile.js";
import { toast } from "./toast.js";
import { Watch } from "./whep.js";
import { Publisher } from "./whip.js";

const $ = (id) => document.getElementById(id);

/** Milliseconds between two looks at the statistics. */
const SAMPLE = 500;
/** Milliseconds in which a peer without tracks, or whom the node has no more after a break, may be back. */
const PATIENCE = 10000;
/** Milliseconds after our own session began in which its tracks may still be announced. */
const OWN = 3000;
/** In a fuller room nobody is told who came and went. */
const FEW = 8;

export class Call {
  #invitation;
  #peer;
  #media;
  #onEnd;
  #remotes = new Map();
  #parting = new Map();
  #roster = new Roster((change) => this.#follow(change));
  #speakers = new Speakers();
  #recording = new RecordingSign($("recording"));
  #drain = new DrainNews();
  #publisher = null;
  #watch = null;
  #events = null;
  #tile = null;
  #meter = new TrackMeter();
  #speaker = "";
  #undo = [];
  #entered = null;
  #told = false;
  #since = 0;
  #gone = 0;

  /**
   * @param {object} options
   * @param {object} options.invitation see invitation.js
   * @param {string} options.peer our name in the room
   * @param {import("./devices.js").LocalMedia} options.media
   * @param {(why: "left"|"elsewhere"|Error) => void} options.onEnd
   */
  constructor({ invitation, peer, media, onEnd }) {
    this.#invitation = invitation;
    this.#peer = peer;
    this.#media = media;
    this.#onEnd = onEnd;
  }

  /**
   * Resolves once we are in the room; rejects, with everything undone, when the node refuses or cannot be
   * reached.
   */
  async enter() {
    const { room, token, publish, subscribe, peer: fixed } = this.#invitation;
    const entered = new Promise((resolve, reject) => {
      this.#entered = { resolve, reject };
    });
    const ask = fixed ? "" : this.#peer;
    if (publish) {
      this.#publisher = new Publisher({
        url: routes.whip(room, ask),
        token,
        media: this.#media,
        onState: (state) => {
          this.#tile.state = state;
        },
        onPublished: () => this.#published(),
        onError: (error, final) => this.#refused(error, final),
      });
    }
    if (subscribe) {
      const everyone = (action) => this.#remotes.forEach(action);
      this.#watch = new Watch({
        url: routes.whep(room, ask),
        token,
        onState: () => everyone((remote) => remote.follow()),
        onChange: () => everyone((remote) => remote.follow()),
        onError: (error, final) => {
          if (final) everyone(({ tile }) => (tile.reason = explain(error)));
        },
      });
    }
    this.#events = new EventStream({
      url: routes.events(room),
      token,
      onEvent: (event, body) => {
        this.#roster.handle(event, body);
        this.#recording.handle(event, body);
        this.#drain.handle(event, body);
        if (event === "blocked" || event === "unblocked") this.#tellBlocked(event, body);
        if (this.#speakers.handle(event, body)) this.#showSpeakers();
      },
      onState: (live, problem) => this.#heard(live, problem),
      onRefused: (problem) => this.#refused(problem, true),
    });
    this.#open();
    if (publish) this.#publisher.link.start();
    else this.#events.start();
    try {
      await entered;
    } catch (error) {
      this.close();
      throw error;
    }
    this.#entered = null;
  }

  leave() {
    this.close();
    this.#onEnd("left");
  }

  /** End everything; the node is told, even while the page goes away. */
  close() {
    for (const undo of this.#undo.splice(0)) undo();
    this.#events?.close();
    this.#publisher?.close();
    this.#watch?.close();
    for (const timer of this.#parting.values()) clearTimeout(timer);
    for (const remote of this.#remotes.values()) remote.close();
    this.#remotes.clear();
    this.#tile?.remove();
    this.#meter.track = null;
  }

  #open() {
    const { room, publish } = this.#invitation;
    const done = new AbortController();
    const on = (target, type, action) => target.addEventListener(type, action, { signal: done.signal });
    $("room-name").textContent = room;
    $("stream-state").hidden = $("unblock").hidden = true;
    this.#recording.show([]);
    if (publish) {
      const onRetry = () => this.#publisher.link.retry();
      this.#tile = new Tile({ peer: this.#peer, name: shownName(this.#peer), self: true, onRetry });
      $("grid").append(this.#tile.element);
      on(this.#media, "change", () => this.#showSelf());
    }
    const controls = new Controls({
      invitation: this.#invitation,
      media: this.#media,
      onLeave: () => this.leave(),
      onSpeaker: (deviceId) => this.#setSpeaker(deviceId),
    });
    const grid = new Grid($("grid"));
    const overlay = new Overlay({ button: $("toggle-figures"), sources: () => this.#sources() });
    const sampling = setInterval(() => this.#sample(), SAMPLE);
    const stopLevels = everyFrame((now) => this.#levels(now));
    const stopWake = keepAwake();
    for (const gesture of ["pointerdown", "keydown"]) on(document, gesture, () => this.#unblock());
    on(window, "online", () => this.#retry());
    on(window, "pagehide", () => this.close());
    this.#undo.push(
      () => done.abort(),
      () => controls.close(),
      () => grid.close(),
      () => overlay.close(),
      () => clearInterval(sampling),
      () => clearTimeout(this.#gone),
      stopLevels,
      stopWake,
    );
    this.#showSelf();
    this.#count();
  }

  /** A moderator lets nobody have what we send, or everybody again. */
  #tellBlocked(event, { peer, track }) {
    if (peer !== this.#peer) return;
    const { kind } = this.#roster.tracks(peer).find(({ id }) => id === track?.id) || {};
    const what = kind === "audio" ? "hear" : "see";
    if (event === "blocked") toast(`A moderator has muted you: nobody can ${what} you now.`, "error");
    else toast(`The others can ${what} you again.`);
  }

  #published() {
    this.#since = performance.now();
    this.#told = false;
    if (!this.#entered) return;
    this.#entered.resolve();
    if (this.#invitation.subscribe) this.#events.start();
  }

  /** The event stream lives, or it broke and comes back by itself. */
  #heard(live, problem) {
    if (this.#entered && (live || problem.status === 404)) this.#entered.resolve();
    else if (this.#entered) this.#entered.reject(problem);
    if (live) for (const each of [this.#publisher, this.#watch]) each?.link.revive();
    $("stream-state").hidden = live;
    $("stream-state").textContent = live ? "" : "Reconnecting to the room…";
  }

  #refused(error, final) {
    if (this.#entered) {
      this.#entered.reject(error);
      return;
    }
    if (final && this.#tile) this.#tile.reason = explain(error);
    if (final || !this.#told) toast(explain(error), "error");
    if (!(error instanceof Problem)) console.warn(error);
    this.#told = true;
  }

  #follow({ peer, kind, first }) {
    if (peer === this.#peer) {
      if (this.#publisher) this.#publisher.unwanted = this.#roster.unwanted(peer);
      if (kind === "tracks" || kind === "left") this.#followSelf();
    } else if (kind === "joined") {
      if (!first && !this.#parting.has(peer) && this.#remotes.size < FEW) toast(`${shownName(peer)} joined`);
    } else if (kind === "tracks" || (kind === "left" && first)) {
      this.#tracks(peer);
    } else if (kind === "left") {
      this.#left(peer);
    }
    this.#count();
  }

  #tracks(peer) {
    const tracks = this.#roster.tracks(peer);
    clearTimeout(this.#parting.get(peer));
    this.#parting.delete(peer);
    if (tracks.length > 0 && !this.#remotes.has(peer)) this.#add(peer);
    const remote = this.#remotes.get(peer);
    if (remote) {
      remote.tracks = tracks;
      if (tracks.length > 0 || this.#watch.link.session) this.#watch.follow();
    }
    if (tracks.length > 0 || (!remote && this.#roster.has(peer))) return;
    const timer = setTimeout(() => {
      this.#left(peer);
      this.#count();
    }, PATIENCE);
    this.#parting.set(peer, timer);
  }

  #left(peer) {
    this.#remove(peer);
    if (!this.#roster.has(peer) && this.#remotes.size < FEW) toast(`${shownName(peer)} left`);
  }

  #add(peer) {
    const remote = new Remote({
      peer,
      watch: this.#watch,
      onBlocked: () => {
        $("unblock").hidden = false;
      },
    });
    this.#remotes.set(peer, remote);
    remote.tile.speaker = this.#speakers.of(peer);
    if (this.#speaker) remote.tile.video.setSinkId(this.#speaker).catch(() => {});
    $("grid").append(remote.tile.element);
  }

  #remove(peer) {
    clearTimeout(this.#parting.get(peer));
    this.#parting.delete(peer);
    this.#remotes.get(peer)?.close();
    this.#remotes.delete(peer);
  }

  /**
   * Our own tracks ended although our connection lives. If they come again and not by our doing, another
   * window has our name: this one yields, since taking turns would never end. If they do not, the node
   * forgot us: publish anew.
   */
  #followSelf() {
    const { link } = this.#publisher || {};
    if (!link) return;
    const published = this.#roster.tracks(this.#peer).length > 0;
    const ours = link.busy || performance.now() - this.#since < OWN;
    if (published) {
      clearTimeout(this.#gone);
      if (this.#gone && !ours) {
        this.close();
        this.#onEnd("elsewhere");
      }
      this.#gone = 0;
    } else if (!ours && !this.#gone) {
      this.#gone = setTimeout(() => {
        this.#gone = 0;
        if (!link.busy) link.start();
      }, OWN);
    }
  }

  #count() {
    const present = new Set([...this.#roster.names, ...this.#parting.keys(), this.#peer]);
    const people = present.size;
    const shown = this.#remotes.size + (this.#tile ? 1 : 0);
    const watching = Math.max(0, people - shown);
    $("room-count").textContent =
      (people === 1 ? "1 person" : `${people} people`) + (watching > 0 ? `, ${watching} watching` : "");
    if (this.#publisher) this.#publisher.people = Math.max(1, shown);
    const alone = this.#remotes.size === 0;
    const { subscribe } = this.#invitation;
    $("empty").hidden = !alone;
    $("empty").classList.toggle("over", Boolean(this.#tile));
    $("empty-title").textContent = subscribe ? "No one else is here yet" : "You are on air";
    $("empty-text").textContent = subscribe
      ? "Whoever joins appears here."
      : "Your invitation lets you send, but not see others.";
  }

  #showSelf() {
    const tile = this.#tile;
    if (!tile) return;
    const camera = this.#media.outgoing("video");
    const now = tile.video.srcObject?.getVideoTracks()[0] || null;
    if (now !== camera) tile.stream = camera ? new MediaStream([camera]) : null;
    tile.mirrored = this.#media.mirrored;
    const state = (kind) => (this.#media.isOn(kind) ? "on" : "off");
    tile.show({ audio: state("audio"), video: state("video") });
    this.#meter.track = this.#media.outgoing("audio");
  }

  async #sample() {
    const now = performance.now();
    const entries = (await this.#watch?.report().catch(() => null)) ?? [];
    for (const remote of this.#remotes.values()) remote.sample(now, entries);
    const loss = await this.#publisher?.loss();
    if (this.#tile && loss !== undefined) this.#tile.bars = bars(loss || 0);
  }

  /** Whose statistics the overlay shows, and how to get them. */
  #sources() {
    const source = (tile, from) => ({ tile, figures: () => from.figures() });
    const others = [...this.#remotes.values()].map((remote) => source(remote.tile, remote));
    return this.#publisher ? [source(this.#tile, this.#publisher), ...others] : others;
  }

  #showSpeakers() {
    for (const [peer, { tile }] of this.#remotes) tile.speaker = this.#speakers.of(peer);
    if (this.#tile) this.#tile.speaker = this.#speakers.of(this.#peer);
  }

  #levels(now) {
    this.#tile?.level(this.#meter.amplitude, now);
    for (const remote of this.#remotes.values()) remote.level(now);
  }

  /** The network came back: do not wait for the next attempt. */
  #retry() {
    if (!this.#entered) this.#events.start();
    const links = [this.#publisher, this.#watch].filter(Boolean).map(({ link }) => link);
    for (const link of links) if (link.state === "reconnecting") link.retry();
  }

  #unblock() {
    if ($("unblock").hidden) return;
    $("unblock").hidden = true;
    for (const remote of this.#remotes.values()) remote.unblock();
  }

  #setSpeaker(deviceId) {
    this.#speaker = deviceId;
    for (const remote of this.#remotes.values()) {
      remote.tile.video.setSinkId(deviceId).catch(() => toast("This speaker cannot be used.", "error"));
    }
  }
}

/** Keep a phone's screen on while in the room. Returns the function that lets it sleep again. */
function keepAwake() {
  let lock = null;
  let wanted = true;
  const take = async () => {
    if (!wanted || document.hidden || !navigator.wakeLock) return;
    // Refused on low battery: then the screen sleeps as usual.
    lock = await navigator.wakeLock.request("screen").catch(() => null);
    if (!wanted) lock?.release();
  };
  document.addEventListener("visibilitychange", take);
  take();
  return () => {
    wanted = false;
    document.removeEventListener("visibilitychange", take);
    lock?.release();
  };
}
