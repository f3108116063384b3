// What the clients that run in Node have in common: their command line, events, clips, and WHIP and WHEP.

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

const CONNECT_MS = 30_000;
const RETRY_MS = 500;
const RETRY_WITHIN_MS = 10_000;

const now = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Print an event. */
export function say(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, at_us: Number(now()), ...fields })}\n`);
}

function parse([role, url, ...rest]) {
  const options = { role, url, videos: [] };
  while (rest.length > 0) {
    const [name, value] = rest.splice(0, 2);
    if (name === "--video") options.videos.push(value);
    else options[name.slice(2)] = value;
  }
  return options;
}

/** The frames of a clip as clips.py makes it, and how many of them a second has. */
export function readClip(path) {
  const data = readFileSync(path);
  if (data.toString("latin1", 0, 4) !== "DKIF") throw new Error(`${path} is no IVF file`);
  const frames = [];
  for (let at = 32; at + 12 <= data.length; ) {
    const size = data.readUInt32LE(at);
    frames.push(data.subarray(at + 12, at + 12 + size));
    at += 12 + size;
  }
  return { frames, rate: data.readUInt32LE(16) };
}

/** Sends a clip over and over through `send(frame, number)`, from its beginning on where a key frame is asked for. */
export class Player {
  constructor(path, send) {
    Object.assign(this, readClip(path));
    this.send = send;
    this.sent = 0;
    this.asked = 0;
    this.at = 0;
  }

  restart() {
    this.asked += 1;
    this.at = 0;
  }

  start() {
    const began = performance.now();
    this.timer = setInterval(() => {
      // what a slow tick left behind is sent at once
      while (this.sent < ((performance.now() - began) * this.rate) / 1000) {
        this.send(this.frames[this.at], this.sent);
        this.sent += 1;
        this.at = (this.at + 1) % this.frames.length;
      }
    }, 4);
  }

  stop() {
    clearInterval(this.timer);
  }
}

/** Keeps packets in a file: the time in microseconds (8 octets), the length (2 octets), the RTP packet. */
export class PacketFile {
  constructor(path) {
    this.file = openSync(path, "w");
    this.count = 0;
  }

  add(packet) {
    const head = Buffer.alloc(10);
    head.writeBigUInt64BE(now(), 0);
    head.writeUInt16BE(packet.length, 8);
    writeSync(this.file, Buffer.concat([head, packet]));
    this.count += 1;
  }

  close() {
    closeSync(this.file);
  }
}

/** Post an offer until it is answered; null if it was refused. While there is nothing to watch, it is tried again. */
async function negotiate(options, sdp) {
  say("offer", { sdp });
  const headers = { Authorization: `Bearer ${options.token}`, "Content-Type": "application/sdp" };
  const until = Date.now() + RETRY_WITHIN_MS;
  for (;;) {
    const response = await fetch(options.url, { method: "POST", headers, body: sdp });
    const body = await response.text();
    if (response.status === 201) {
      say("answer", { status: response.status, sdp: body });
      return { sdp: body, session: new URL(response.headers.get("location"), options.url) };
    }
    if (!response.headers.has("retry-after") || Date.now() > until) {
      say("refused", { status: response.status, body });
      return null;
    }
    await pause(RETRY_MS);
  }
}

/**
 * Run a client. `open(options, state)` makes the connection and tells of its states; it returns `offer()`,
 * `answer(sdp)`, `start()`, `report()` and `close()`.
 */
export async function run(open) {
  const options = parse(process.argv.slice(2));
  const left = new Promise((done) => process.stdin.resume().on("end", () => done("left")));
  let connected, ended;
  const connecting = new Promise((done) => (connected = done));
  const ending = new Promise((done) => (ended = done));
  const client = await open(options, (state) => {
    say("state", { state });
    if (state === "connected") connected("connected");
    if (state === "failed" || state === "closed") ended(state);
  });
  const answered = await negotiate(options, await client.offer());
  if (answered === null) process.exit(0);
  await client.answer(answered.sdp);
  const first = await Promise.race([connecting, ending, left, pause(CONNECT_MS)]);
  if (first === "connected") {
    say("connected");
    client.start();
    const last = await Promise.race([ending, left]);
    client.report();
    if (last !== "left") say("failed", { why: `the connection is ${last}` });
  } else if (first !== "left") {
    say("failed", { why: first === undefined ? `not connected within ${CONNECT_MS} ms` : `the connection is ${first}` });
  }
  const headers = { Authorization: `Bearer ${options.token}` };
  await fetch(answered.session, { method: "DELETE", headers, signal: AbortSignal.timeout(5_000) }).catch(() => {});
  await Promise.race([client.close(), pause(1_000)]);
  process.exit(0);
}
