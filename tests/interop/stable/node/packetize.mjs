// Frames into RTP payloads, for libraries that leave this to their users.

const MAX_PAYLOAD = 1150;
const SEQUENCE = 1; // types of OBUs
const DELIMITER = 2;

function split(frame, size) {
  const count = Math.ceil(frame.length / size);
  const each = Math.ceil(frame.length / count);
  return Array.from({ length: count }, (_, part) => frame.subarray(part * each, (part + 1) * each));
}

/** RFC 7741 section 4.2, with a picture id of 15 bits. */
function vp8(frame, number) {
  const picture = 0x8000 | (number & 0x7fff);
  return split(frame, MAX_PAYLOAD).map((part, at) =>
    Buffer.concat([Buffer.from([at === 0 ? 0x90 : 0x80, 0x80, picture >> 8, picture & 0xff]), part]),
  );
}

/** RFC 9628 section 4.2, one layer, no flexible mode. */
function vp9(frame, number) {
  const picture = 0x8000 | (number & 0x7fff);
  const inter = frame[0] & 0x04 ? 0x40 : 0; // the uncompressed header's frame_type, profile 0
  const parts = split(frame, MAX_PAYLOAD);
  return parts.map((part, at) => {
    const flags = 0x80 | inter | (at === 0 ? 0x08 : 0) | (at === parts.length - 1 ? 0x04 : 0);
    return Buffer.concat([Buffer.from([flags, picture >> 8, picture & 0xff]), part]);
  });
}

/** The NAL units between the start codes of Annex B. */
function* units(access) {
  let begin = -1;
  for (let at = 0; at + 2 < access.length; at += 1) {
    if (access[at] === 0 && access[at + 1] === 0 && access[at + 2] === 1) {
      if (begin >= 0) yield access.subarray(begin, access[at - 1] === 0 ? at - 1 : at);
      begin = at + 3;
      at += 2;
    }
  }
  if (begin >= 0) yield access.subarray(begin);
}

/** RFC 6184, packetization mode 1: a NAL unit is a packet, or fragments of it are (FU-A). */
function h264(access) {
  const payloads = [];
  for (const unit of units(access)) {
    if (unit.length <= MAX_PAYLOAD) {
      payloads.push(unit);
      continue;
    }
    const parts = split(unit.subarray(1), MAX_PAYLOAD);
    parts.forEach((part, at) => {
      const edge = (at === 0 ? 0x80 : 0) | (at === parts.length - 1 ? 0x40 : 0);
      payloads.push(Buffer.concat([Buffer.from([(unit[0] & 0xe0) | 28, edge | (unit[0] & 0x1f)]), part]));
    });
  }
  return payloads;
}

/** The OBUs of a temporal unit, without their sizes and without delimiters. */
function* obus(unit) {
  for (let at = 0; at < unit.length; ) {
    const head = unit.subarray(at, at + (unit[at] & 0x04 ? 2 : 1));
    at += head.length;
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7, at += 1) {
      size |= (unit[at] & 0x7f) << shift;
      more = (unit[at] & 0x80) !== 0;
    }
    const kind = (head[0] >> 3) & 0x0f;
    const plain = Buffer.from(head);
    plain[0] &= ~0x02;
    if (kind !== DELIMITER) yield { kind, data: Buffer.concat([plain, unit.subarray(at, at + size)]) };
    at += size;
  }
}

/** RTP Payload Format For AV1, section 4: one OBU element in a packet. */
function av1(unit) {
  const payloads = [];
  for (const { kind, data } of obus(unit)) {
    const parts = split(data, MAX_PAYLOAD);
    parts.forEach((part, at) => {
      const begins = kind === SEQUENCE && at === 0 ? 0x08 : 0; // N: a coded video sequence begins
      const flags = (at > 0 ? 0x80 : 0) | (at < parts.length - 1 ? 0x40 : 0) | 0x10 | begins;
      payloads.push(Buffer.concat([Buffer.from([flags]), part]));
    });
  }
  return payloads;
}

const formats = { vp8, vp9, h264, av1, opus: (frame) => [frame] };

/** Makes the RTP packets of a stream, frame by frame. */
export class Packetizer {
  constructor(codec, payloadType, ssrc, clockRate, rate) {
    this.codec = codec;
    this.head = { payloadType, ssrc };
    this.ticks = clockRate / rate;
    this.sequence = Math.floor(Math.random() * 0x8000);
    this.offset = Math.floor(Math.random() * 0x80000000);
  }

  /** The packets of the frame with this number. */
  packets(frame, number) {
    const payloads = formats[this.codec](frame, number);
    return payloads.map((payload, at) => {
      const head = Buffer.alloc(12);
      const marker = this.codec !== "opus" && at === payloads.length - 1;
      head[0] = 0x80;
      head[1] = (marker ? 0x80 : 0) | this.head.payloadType;
      head.writeUInt16BE(this.sequence, 2);
      head.writeUInt32BE((this.offset + number * this.ticks) >>> 0, 4);
      head.writeUInt32BE(this.head.ssrc, 8);
      this.sequence = (this.sequence + 1) & 0xffff;
      return Buffer.concat([head, payload]);
    });
  }
}
