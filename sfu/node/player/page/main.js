/** Loads the record, joins the parts, and draws what holds at the clock's time. */
import { Grid } from "./shared/grid.js";
import { toast } from "./shared/toast.js";
import { Badge } from "./badge.js";
import { Clock } from "./clock.js";
import { Ensemble } from "./ensemble.js";
import { listenToKeys } from "./keys.js";
import { Lanes } from "./lanes.js";
import { EventList } from "./list.js";
import { covering, groupSources, latest, listEvents } from "./record.js";
import { Tile } from "./tile.js";
import { Track } from "./track.js";
import { showClock, showDay, showDuration, showTime } from "./words.js";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
const STEP = 5000;
const FINE = 1000;
const LEAP = 10000;
/** Of a picture, at the usual 25 a second. */
const FRAME = 40;
/** How many sources are asked for at a time: a browser has six connections to a host. */
const LOADING = 3;

const $ = (id) => document.getElementById(id);

async function start() {
  let record;
  try {
    const response = await fetch("record.json");
    if (!response.ok) throw new Error(`the player answered ${response.status}`);
    record = await response.json();
  } catch (error) {
    $("problem").textContent = `The record could not be loaded: ${error.message}. Is “sfu play” still running?`;
    $("problem").hidden = false;
    return;
  }
  new Room(record).run();
}

class Room {
  #record;
  #clock;
  #tracks;
  #tiles;
  #lanes;
  #list;
  #begun;
  #shown = {};

  constructor(record) {
    this.#record = record;
    this.#begun = Date.parse(record.record.start);
    this.#clock = new Clock(record.duration);
    const events = listEvents(record);
    const groups = groupSources(record.sources);
    this.#tracks = new Map(record.sources.map((source) => [source.number, new Track(source)]));
    this.#tiles = groups.map((group) => new Tile(group, this.#tracks));
    const move = (time) => this.#move(time);
    this.#lanes = new Lanes({ record, groups, events, clock: this.#clock, onMove: move });
    this.#list = new EventList($("events"), events, move);
    $("no-events").hidden = events.length > 0;
    $("tiles").append(...this.#tiles.map(({ element }) => element));
    new Grid($("tiles"));
    this.#describe();
    this.#listen();
  }

  async run() {
    const badge = new Badge($("badge"), $("about"), this.#record.record);
    const draw = () => {
      this.#draw();
      requestAnimationFrame(draw);
    };
    draw();
    await this.#load();
    new Ensemble(this.#clock, [...this.#tracks.values()], (time) => this.#skip(time));
    document.body.dataset.state = "ready";
    $("play").disabled = false;
    $("state").textContent = "";
    this.#clock.seek(0);
    badge.run();
  }

  async #load() {
    const waiting = [...this.#tracks.values()];
    const all = waiting.length;
    let done = 0;
    const worker = async () => {
      for (let track = waiting.shift(); track; track = waiting.shift()) {
        await track.load();
        done += 1;
        $("state").textContent = `Preparing ${done} of ${all}…`;
      }
    };
    await Promise.all(Array.from({ length: LOADING }, worker));
    const broken = [...this.#tracks.values()].filter(({ problem }) => problem);
    for (const { source, problem } of broken) toast(`${source.file} (${source.name}): ${problem}.`, "error");
  }

  #describe() {
    const { room, folder, closed } = this.#record.record;
    const title = room || folder;
    document.title = `${title} – record`;
    $("room").textContent = title;
    $("day").textContent = showDay(new Date(this.#begun));
    $("unclosed").hidden = closed;
    $("duration").textContent = showTime(this.#record.duration);
    $("rate").append(...RATES.map((rate) => new Option(`${rate}×`, String(rate), rate === 1, rate === 1)));
  }

  #listen() {
    const clock = this.#clock;
    $("play").addEventListener("click", () => this.#toggle());
    $("back").addEventListener("click", () => this.#step(-LEAP));
    $("forward").addEventListener("click", () => this.#step(LEAP));
    $("rate").addEventListener("change", (event) => (clock.rate = Number(event.target.value)));
    $("mute").addEventListener("click", () => this.#muteAll());
    $("toggle-events").addEventListener("click", () => this.#showEvents(document.body.dataset.events === "off"));
    $("help-open").addEventListener("click", () => $("help").showModal());
    $("help").addEventListener("click", (event) => event.target === $("help") && $("help").close());
    clock.addEventListener("change", () => this.#showPlaying());
    this.#showPlaying();
    this.#showEvents(matchMedia("(min-width: 900px)").matches);
    listenToKeys({
      " ": () => this.#toggle(),
      k: () => this.#toggle(),
      j: () => this.#step(-LEAP),
      l: () => this.#step(LEAP),
      ArrowLeft: (event) => this.#step(event.shiftKey ? -FINE : -STEP),
      ArrowRight: (event) => this.#step(event.shiftKey ? FINE : STEP),
      ArrowUp: () => this.#changeRate(1),
      ArrowDown: () => this.#changeRate(-1),
      PageUp: () => this.#step(-60000),
      PageDown: () => this.#step(60000),
      Home: () => this.#move(0),
      End: () => this.#move(this.#record.duration),
      ",": () => this.#nudge(-FRAME),
      ".": () => this.#nudge(FRAME),
      m: () => this.#muteAll(),
      "?": () => $("help").showModal(),
      digit: ({ key }) => this.#move((this.#record.duration * Number(key)) / 10),
    });
  }

  #toggle() {
    if ($("play").disabled) return;
    if (this.#clock.playing) this.#clock.pause();
    else this.#clock.play();
  }

  #move(time) {
    this.#clock.seek(time);
  }

  #step(by) {
    this.#move(this.#clock.time + by);
  }

  #nudge(by) {
    this.#clock.pause();
    this.#step(by);
  }

  #changeRate(by) {
    const at = RATES.indexOf(this.#clock.rate) + by;
    if (at < 0 || at >= RATES.length) return;
    this.#clock.rate = RATES[at];
    $("rate").value = String(RATES[at]);
  }

  #muteAll() {
    const muted = $("mute").getAttribute("aria-pressed") !== "true";
    $("mute").setAttribute("aria-pressed", String(muted));
    $("mute").setAttribute("aria-label", muted ? "Unmute all" : "Mute all");
    $("mute").querySelector("use").setAttribute("href", muted ? "#i-speaker-off" : "#i-speaker");
    for (const button of document.querySelectorAll(".volume:not([hidden]) button")) {
      if ((button.getAttribute("aria-pressed") === "true") !== muted) button.click();
    }
  }

  #showEvents(on) {
    document.body.dataset.events = on ? "on" : "off";
    $("toggle-events").setAttribute("aria-expanded", String(on));
  }

  #showPlaying() {
    const { playing, held } = this.#clock;
    const words = playing ? "Pause" : "Play";
    $("play").setAttribute("aria-label", words);
    $("play").title = `${words} (space)`;
    $("play").querySelector("use").setAttribute("href", playing ? "#i-pause" : "#i-play");
    $("play").toggleAttribute("data-held", playing && held);
  }

  /** Where to go on from a time within a pause, if pauses are skipped. */
  #skip(time) {
    if (!$("skip").checked) return null;
    const pause = covering(this.#record.pauses, time);
    if (!pause || pause.end >= this.#record.duration) return null;
    toast(`Off the record for ${showDuration(pause.end - pause.begin)}: skipped.`);
    return pause.end;
  }

  #draw() {
    const time = this.#clock.time;
    const { pauses, phases, speakers } = this.#record;
    const pause = covering(pauses, time);
    const speaking = latest(speakers, time)?.names || [];
    for (const tile of this.#tiles) tile.show(time, pause, speaking);
    this.#lanes.show(time);
    this.#list.show(time);
    this.#say("elapsed", showTime(time));
    this.#say("wall", showClock(new Date(Math.round(this.#begun + time))));
    this.#say("phase", latest(phases, time)?.names[0] || "");
    $("off-record").hidden = !pause;
    if (pause) {
      const ground = [pause.ground, pause.authoriser && `authorised by ${pause.authoriser}`, pause.note];
      this.#say("off-record-why", ground.filter(Boolean).join(" · "));
    }
  }

  #say(id, text) {
    if (this.#shown[id] === text) return;
    this.#shown[id] = text;
    $(id).textContent = text;
  }
}

start();
