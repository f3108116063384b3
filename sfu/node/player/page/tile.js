/**
 * A tile: one speaker's pictures and voice, or why there are none. Attributes are its state, and the style sheet's and
 * the tests' only handle: `data-picture` (on, off), `data-reason`, `data-mic` (on, off, none), `data-speaking`.
 */
import { hue, initials } from "./shared/invitation.js";
import { toast } from "./shared/toast.js";
import { covering, endOf, stateOf } from "./record.js";

const PICTURE = {
  before: "Not there yet",
  after: "Not there any more",
  mute: "Camera off",
  disconnect: "Connection lost",
  block: "Blocked by a moderator",
  stall: "No picture arrived",
  loss: "Picture lost on the network",
  key_frame: "Waiting for a whole picture",
  recorder_fault: "The recorder could not keep up",
  restart: "Not recorded: the server restarted",
  pause: "Off the record",
};

export class Tile {
  #group;
  #tracks;
  #parts;

  /** @param {object} group see `groupSources` @param {Map<number, import("./track.js").Track>} tracks */
  constructor(group, tracks) {
    this.#group = group;
    this.#tracks = tracks;
    const template = document.getElementById("tile-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    const title = group.label && group.label !== "camera" ? `${group.name} (${group.label})` : group.name;
    this.element.dataset.peer = group.peer;
    this.element.style.setProperty("--hue", hue(group.name));
    this.element.setAttribute("aria-label", group.role ? `${title}, ${group.role}` : title);
    part(".avatar").textContent = initials(group.name);
    part(".name").textContent = title;
    part(".role").textContent = group.role;
    part(".role").hidden = !group.role;
    this.#parts = { words: part(".reason"), mic: part(".mute"), problem: part(".tile-problem"), media: part(".media") };
    const media = [...group.video, ...group.audio].map(({ number }) => tracks.get(number).element);
    this.#parts.media.append(...media);
    this.#parts.problem.addEventListener("click", () => toast(this.#parts.problem.title, "error"));
    this.#buildVolume(part(".volume"), title);
  }

  /** Show what is at `time`; `pause` is the pause of the record that it lies in, `speakers` are peers. */
  show(time, pause, speakers) {
    const { dataset } = this.element;
    const picture = this.#pictureAt(time, pause);
    if (dataset.reason !== picture.reason || this.#parts.words.textContent !== picture.words) {
      dataset.reason = picture.reason;
      this.#parts.words.textContent = picture.words;
    }
    dataset.picture = picture.source === null ? "off" : "on";
    for (const { number } of this.#group.video) {
      this.#tracks.get(number).element.classList.toggle("shown", number === picture.source);
    }
    dataset.mic = pause ? "off" : this.#microphoneAt(time);
    const gone = picture.reason === "before" || picture.reason === "after";
    this.#parts.mic.toggleAttribute("hidden", dataset.mic === "on" || Boolean(pause) || gone);
    this.element.toggleAttribute("data-speaking", !pause && speakers.includes(this.#group.peer));
    this.#showProblem();
  }

  #pictureAt(time, pause) {
    if (pause) return { source: null, reason: "pause", words: PICTURE.pause };
    const { video, audio } = this.#group;
    const states = video.map((source) => ({ source, state: stateOf(source, time) }));
    const shown = states.find(({ state }) => state === "media");
    if (shown) {
      const track = this.#tracks.get(shown.source.number);
      if (track.state === "ready") return { source: shown.source.number, reason: "", words: "" };
      const words = track.state === "preparing" ? "Preparing…" : `Cannot be shown: ${track.problem}`;
      return { source: null, reason: track.state, words };
    }
    const heard = audio.some((source) => time >= (source.spans[0]?.begin ?? Infinity) && time < endOf(source));
    if (!video.length) {
      const gone = time < (audio[0]?.spans[0]?.begin ?? 0) ? "before" : "after";
      return heard ? { source: null, reason: "audio", words: "Audio only" } : { source: null, reason: gone, words: PICTURE[gone] };
    }
    // Of several files the one that was last in use says why; who is heard is there.
    const last = states.filter(({ state }) => state !== "before").at(-1) || states[0];
    const reason = heard && (last.state === "before" || last.state === "after") ? "mute" : last.state;
    return { source: null, reason, words: PICTURE[reason] || "No picture" };
  }

  #microphoneAt(time) {
    const { audio } = this.#group;
    if (!audio.length) return "none";
    return audio.some((source) => stateOf(source, time) === "media" && covering(source.spans, time)) ? "on" : "off";
  }

  #showProblem() {
    const broken = [...this.#group.audio, ...this.#group.video]
      .map((source) => this.#tracks.get(source.number))
      .filter(({ problem }) => problem)
      .map(({ source, problem }) => `${source.file}: ${problem}`);
    const { problem } = this.#parts;
    problem.hidden = !broken.length;
    if (problem.title !== broken.join("\n")) {
      problem.title = broken.join("\n");
      problem.setAttribute("aria-label", `Problems: ${broken.join("; ")}`);
    }
  }

  #buildVolume(box, title) {
    const elements = this.#group.audio.map(({ number }) => this.#tracks.get(number).element);
    box.hidden = !elements.length;
    const [button, range] = [box.querySelector("button"), box.querySelector("input")];
    range.setAttribute("aria-label", `Volume of ${title}`);
    const show = () => {
      const muted = elements.every((element) => element.muted);
      button.setAttribute("aria-pressed", String(muted));
      button.setAttribute("aria-label", `${muted ? "Unmute" : "Mute"} ${title}`);
      button.title = muted ? "Unmute" : "Mute";
      button.querySelector("use").setAttribute("href", muted ? "#i-speaker-off" : "#i-speaker");
      this.element.toggleAttribute("data-muted", muted);
    };
    button.addEventListener("click", () => {
      const muted = !elements.every((element) => element.muted);
      for (const element of elements) element.muted = muted;
      show();
    });
    range.addEventListener("input", () => {
      for (const element of elements) {
        element.volume = range.value / 100;
        element.muted = false;
      }
      show();
    });
    show();
  }
}
