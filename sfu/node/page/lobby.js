/** The lobby: a name, a camera, a microphone, and how they look and sound, before anyone else sees them. */
import { fillSelect } from "./devices.js";
import { cleanName, shownName } from "./invitation.js";
import { everyFrame, loudness, TrackMeter } from "./meter.js";
import { explain, Problem, request } from "./problem.js";
import { RecordingSign } from "./recording.js";
import { routes } from "./routes.js";
import { showSwitch } from "./toast.js";

const $ = (id) => document.getElementById(id);

export class Lobby {
  #invitation;
  #media;
  #onJoin;
  #stop = null;
  #meter = new TrackMeter();
  #opening = true;
  #missing = new Set();

  /**
   * @param {object} options
   * @param {object} options.invitation see invitation.js
   * @param {import("./devices.js").LocalMedia} options.media
   * @param {(name: string) => Promise<void>} options.onJoin rejects when joining failed
   */
  constructor({ invitation, media, onJoin }) {
    this.#invitation = invitation;
    this.#media = media;
    this.#onJoin = onJoin;
  }

  open(name) {
    this.#missing.clear();
    const leaving = new AbortController();
    const on = (target, type, action) => target.addEventListener(type, action, { signal: leaving.signal });
    const media = this.#media;
    const { room, peer, publish } = this.#invitation;
    this.problem = "";
    $("lobby-room").textContent = room;
    $("name").value = peer ? shownName(peer) : name;
    $("name").readOnly = Boolean(peer);
    $("preview").hidden = $("lobby-devices").hidden = $("lobby-meter").hidden = !publish;
    on($("lobby-form"), "submit", (event) => {
      event.preventDefault();
      this.#join();
    });
    on($("name"), "input", () => $("name").setCustomValidity(""));
    on(media, "change", () => this.#show());
    on(media, "problem", (event) => {
      this.#missing.add(event.detail);
      this.#show();
    });
    for (const [kind, button, select] of [
      ["audio", "lobby-mic", "microphone"],
      ["video", "lobby-camera", "camera"],
    ]) {
      on($(button), "click", () => {
        this.#missing.clear();
        media.turn(kind, !media.isOn(kind));
      });
      on($(select), "change", () => media.choose(kind, $(select).value));
    }
    const stopMeter = everyFrame(() => this.#level());
    this.#stop = () => {
      leaving.abort();
      stopMeter();
      this.#meter.track = null;
      $("preview-video").srcObject = null;
    };
    this.#show();
    this.#ask(leaving.signal);
    if (publish) this.#start();
    if (matchMedia("(hover: hover)").matches) $("name").focus();
  }

  close() {
    this.#stop?.();
    this.#stop = null;
  }

  set problem(text) {
    $("lobby-error").textContent = text;
    $("lobby-error").hidden = !text;
  }

  async #start() {
    this.#opening = true;
    await this.#media.open();
    this.#opening = false;
    if (this.#stop) this.#show();
  }

  async #join() {
    const name = cleanName($("name").value);
    if (!name) {
      $("name").setCustomValidity("Type a name that others will see.");
      $("name").reportValidity();
      return;
    }
    this.problem = "";
    $("join").disabled = true;
    $("join").textContent = "Joining…";
    try {
      await this.#onJoin(name);
    } catch (error) {
      this.problem = explain(error);
    } finally {
      $("join").disabled = false;
      $("join").textContent = "Join";
    }
  }

  /** Who is here already; also the first to learn that the invitation is no good. */
  async #ask(signal) {
    const { room, token } = this.#invitation;
    const sign = new RecordingSign($("lobby-recording"));
    $("lobby-people").textContent = "";
    sign.show([]);
    try {
      const response = await request(routes.room(room), { token, signal });
      const { peers, recordings } = await response.json();
      sign.show(recordings);
      $("lobby-people").textContent = present(peers.map((peer) => shownName(peer.name)));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 404) $("lobby-people").textContent = present([]);
      // A token without the right to look may still have the right to join.
      else if (!(error instanceof Problem && error.status === 403)) this.problem = explain(error);
    }
  }

  #show() {
    const media = this.#media;
    const camera = media.outgoing("video");
    const video = $("preview-video");
    const shown = video.srcObject?.getVideoTracks()[0] || null;
    if (shown !== camera) video.srcObject = camera ? new MediaStream([camera]) : null;
    video.classList.toggle("mirror", media.mirrored);
    $("preview").dataset.video = camera ? "on" : "off";
    $("preview-text").textContent = this.#says(camera);
    this.#meter.track = media.outgoing("audio");
    for (const [kind, button] of [
      ["audio", "lobby-mic"],
      ["video", "lobby-camera"],
    ]) {
      showSwitch($(button), kind, media.isOn(kind), media.wants(kind) && !media.isOn(kind));
    }
    fillSelect($("microphone"), media.list("audio"), media.current("audio"), "No microphone");
    fillSelect($("camera"), media.list("video"), media.current("video"), "No camera");
  }

  #says(camera) {
    if (camera) return "";
    if (this.#missing.size > 0) return [...this.#missing].join(" ");
    if (!this.#media.wants("video")) return "Your camera is off";
    return this.#opening ? "Allow camera and microphone" : "Starting your camera…";
  }

  #level() {
    const level = loudness(this.#meter.amplitude);
    $("lobby-meter").style.setProperty("--level", level.toFixed(2));
    $("lobby-meter").setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }
}

function present(names) {
  if (names.length === 0) return "No one else is here yet.";
  if (names.length === 1) return `${names[0]} is here.`;
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]} are here.`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} others are here.`;
}
