/** The room's buttons, shortcuts and device dialog. */
import { fillSelect } from "./devices.js";
import { invitationLink } from "./invitation.js";
import { showSwitch, toast } from "./toast.js";

const $ = (id) => document.getElementById(id);

const SWITCHES = [
  ["audio", "toggle-mic", "KeyD"],
  ["video", "toggle-camera", "KeyE"],
];
const SELECTS = [
  ["audio", "room-microphone", "No microphone"],
  ["video", "room-camera", "No camera"],
  ["speaker", "room-speaker", "System default"],
];

export class Controls {
  #media;
  #done = new AbortController();
  #speaker = "";

  /**
   * @param {object} options
   * @param {object} options.invitation @param {import("./devices.js").LocalMedia} options.media
   * @param {() => void} options.onLeave @param {(deviceId: string) => void} options.onSpeaker
   */
  constructor({ invitation, media, onLeave, onSpeaker }) {
    this.#media = media;
    const on = (target, type, action) => target.addEventListener(type, action, { signal: this.#done.signal });
    for (const [kind, id] of SWITCHES) {
      $(id).hidden = !invitation.publish;
      on($(id), "click", () => this.#turn(kind));
    }
    on($("flip-camera"), "click", () => media.flip());
    on($("leave"), "click", onLeave);
    on($("open-settings"), "click", () => $("settings").showModal());
    on($("settings"), "click", (event) => {
      if (event.target === $("settings")) $("settings").close();
    });
    on($("room-microphone"), "change", (event) => media.choose("audio", event.target.value));
    on($("room-camera"), "change", (event) => media.choose("video", event.target.value));
    on($("room-speaker"), "change", (event) => {
      this.#speaker = event.target.value;
      onSpeaker(this.#speaker);
    });
    // A personal invitation names its peer: whoever else used it would replace this person.
    $("copy-link").hidden = Boolean(invitation.peer);
    on($("copy-link"), "click", () => copy(invitationLink(invitation)));
    on(document, "keydown", (event) => this.#key(event));
    on(media, "change", () => this.#show());
    on(media, "problem", (event) => toast(event.detail, "error"));
    this.#show();
  }

  close() {
    this.#done.abort();
    $("settings").close();
  }

  #turn(kind) {
    if ($(kind === "audio" ? "toggle-mic" : "toggle-camera").hidden) return;
    this.#media.turn(kind, !this.#media.isOn(kind));
  }

  #key(event) {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || event.repeat) return;
    const found = SWITCHES.find(([, , code]) => code === event.code);
    if (!found) return;
    event.preventDefault();
    this.#turn(found[0]);
  }

  #show() {
    const media = this.#media;
    for (const [kind, id] of SWITCHES) {
      showSwitch($(id), kind, media.isOn(kind), media.wants(kind) && !media.isOn(kind));
    }
    for (const [kind, id, none] of SELECTS) {
      fillSelect($(id), media.list(kind), kind === "speaker" ? this.#speaker : media.current(kind), none);
    }
    if (!("setSinkId" in HTMLMediaElement.prototype)) $("room-speaker").disabled = true;
    const handheld = matchMedia("(pointer: coarse)").matches;
    $("flip-camera").hidden = !(handheld && media.isOn("video") && media.list("video").length > 1);
  }
}

async function copy(link) {
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied. Whoever has it can join.");
  } catch {
    toast(`The browser does not let the page copy. The link is ${link}`, "error");
  }
}
