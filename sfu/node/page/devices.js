/**
 * The local camera and microphone.
 *
 * Off means off: a camera that is switched off is released (its light goes out), a muted microphone is
 * disabled and, by the publisher, taken off the wire (see whip.js), so that others can tell mute from
 * silence.
 *
 * Events: `change` (tracks, switches or the device list), `problem` (detail: a sentence).
 */
import { explainDevice } from "./problem.js";

const STORE = "sfu.devices";

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

function recall() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) || {};
  } catch {
    return {};
  }
}

/** Both kinds in one place: what differs between them is the constraint and the remembered device. */
export class LocalMedia extends EventTarget {
  #tracks = { audio: null, video: null };
  #on = { audio: true, video: true };
  #chosen = { audio: "", video: "" };
  #pending = { audio: null, video: null };
  #facing = "user";
  #devices = [];

  constructor() {
    super();
    const saved = recall();
    this.#chosen = { audio: saved.audio || "", video: saved.video || "" };
    this.#on = { audio: saved.audioOn !== false, video: saved.videoOn !== false };
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#refresh());
  }

  /** The track to send, or null while muted, switched off or missing. */
  outgoing(kind) {
    return this.#on[kind] ? this.#tracks[kind] : null;
  }

  isOn(kind) {
    return this.outgoing(kind) !== null;
  }

  /** What the person wants; differs from `isOn` while a device starts or when it is missing. */
  wants(kind) {
    return this.#on[kind];
  }

  /** True unless the picture comes from a camera that looks away from the person. */
  get mirrored() {
    return this.#facing !== "environment";
  }

  /** `[{deviceId, label}]`, with labels once permission is given. */
  list(kind) {
    const names = { audio: "audioinput", video: "videoinput", speaker: "audiooutput" };
    return this.#devices.filter((device) => device.kind === names[kind] && device.deviceId);
  }

  /** The id of the device in use, or of the one that would be used. */
  current(kind) {
    return this.#tracks[kind]?.getSettings().deviceId || this.#chosen[kind];
  }

  /** Ask for both devices at once (one prompt); what is missing or refused is reported and left off. */
  async open() {
    if (!navigator.mediaDevices) {
      this.#on = { audio: false, video: false };
      this.#problem(explainDevice({ name: "InsecureContext" }, "both"));
      return;
    }
    if (this.#on.audio && this.#on.video) {
      try {
        const constraints = { audio: this.#constraint("audio"), video: this.#constraint("video") };
        this.#adopt(await navigator.mediaDevices.getUserMedia(constraints));
        await this.#refresh();
        return;
      } catch (error) {
        if (error.name === "NotAllowedError" && !(await anyGranted())) {
          this.#on = { audio: false, video: false };
          this.#problem(explainDevice(error, "both"));
          return;
        }
      }
    }
    for (const kind of ["audio", "video"]) if (this.#on[kind]) await this.#start(kind);
    await this.#refresh();
  }

  /** Switch a kind on or off; resolves when the device has followed. */
  async turn(kind, on) {
    this.#on[kind] = on;
    this.#remember();
    if (on && !this.#tracks[kind]) {
      this.#changed();
      await this.#start(kind);
      await this.#refresh();
      return;
    }
    if (!on && kind === "video") this.#release(kind);
    if (this.#tracks[kind]) this.#tracks[kind].enabled = on;
    this.#changed();
  }

  /** Use another device, and switch the kind on. */
  async choose(kind, deviceId) {
    this.#chosen[kind] = deviceId;
    this.#on[kind] = true;
    this.#remember();
    this.#release(kind);
    await this.#start(kind);
  }

  /** Between the front and the back camera of a phone; elsewhere, to the next camera. */
  async flip() {
    const cameras = this.list("video");
    const facing = this.#tracks.video?.getSettings().facingMode;
    if (facing === "user" || facing === "environment") {
      const other = facing === "user" ? "environment" : "user";
      this.#release("video");
      await this.#start("video", { ...VIDEO, facingMode: { exact: other } });
      this.#chosen.video = this.current("video");
      return;
    }
    const at = cameras.findIndex((camera) => camera.deviceId === this.current("video"));
    if (cameras.length > 1) await this.choose("video", cameras[(at + 1) % cameras.length].deviceId);
  }

  /** Release everything. */
  close() {
    for (const kind of ["audio", "video"]) this.#release(kind);
    this.#changed();
  }

  #constraint(kind) {
    const common = kind === "audio" ? AUDIO : VIDEO;
    return this.#chosen[kind] ? { ...common, deviceId: { ideal: this.#chosen[kind] } } : common;
  }

  /** Start one device. Calls in a row share the attempt that is under way. */
  #start(kind, constraint = this.#constraint(kind)) {
    this.#pending[kind] ??= this.#request(kind, constraint).finally(() => {
      this.#pending[kind] = null;
    });
    return this.#pending[kind];
  }

  async #request(kind, constraint) {
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "InsecureContext");
      this.#adopt(await navigator.mediaDevices.getUserMedia({ [kind]: constraint }));
    } catch (error) {
      this.#on[kind] = false;
      this.#problem(explainDevice(error, kind));
      this.#changed();
    }
  }

  #adopt(stream) {
    for (const track of stream.getTracks()) {
      const { kind } = track;
      this.#release(kind);
      if (!this.#on[kind] && kind === "video") {
        track.stop();
        continue;
      }
      track.enabled = this.#on[kind];
      this.#tracks[kind] = track;
      if (kind === "video") this.#facing = track.getSettings().facingMode || "user";
      track.addEventListener("ended", () => this.#lost(track));
    }
    this.#changed();
  }

  /** A device was unplugged or its permission withdrawn. */
  #lost(track) {
    const { kind } = track;
    if (this.#tracks[kind] !== track) return;
    this.#tracks[kind] = null;
    this.#on[kind] = false;
    this.#problem(`Your ${kind === "audio" ? "microphone" : "camera"} was disconnected.`);
    this.#changed();
  }

  #release(kind) {
    const track = this.#tracks[kind];
    this.#tracks[kind] = null;
    track?.stop();
  }

  async #refresh() {
    if (!navigator.mediaDevices) return;
    this.#devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    this.#changed();
  }

  #remember() {
    const { audio, video } = this.#chosen;
    const saved = { audio, video, audioOn: this.#on.audio, videoOn: this.#on.video };
    try {
      localStorage.setItem(STORE, JSON.stringify(saved));
    } catch (error) {
      console.debug("devices not remembered:", error.name);
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #problem(sentence) {
    this.dispatchEvent(new CustomEvent("problem", { detail: sentence }));
  }
}

/** After a refusal of both: is one of them allowed? (Asking for it alone must not prompt again.) */
async function anyGranted() {
  const states = await Promise.all(
    ["microphone", "camera"].map((name) =>
      navigator.permissions?.query({ name }).then(
        (status) => status.state,
        () => "unknown",
      ),
    ),
  );
  return states.includes("granted");
}

/** Fill a `<select>` with devices, keeping it disabled while there is nothing to choose. */
export function fillSelect(select, devices, current, none) {
  const label = (device, at) => device.label || `Device ${at + 1}`;
  const options = devices.map((device, at) => new Option(label(device, at), device.deviceId));
  if (options.length === 0) options.push(new Option(none, ""));
  const now = [...select.options];
  const same =
    options.length === now.length &&
    options.every(({ value, text }, at) => value === now[at].value && text === now[at].text);
  if (!same) select.replaceChildren(...options);
  select.disabled = devices.length === 0;
  if (devices.some((device) => device.deviceId === current)) select.value = current;
}
