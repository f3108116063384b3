// Publishes or watches with werift, as tests/interop/stable/client.py asks for it.

import {
  MediaStreamTrack,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  useAV1,
  useH264,
  useOPUS,
  useSdesMid,
  useTransportWideCC,
  useTWCC,
  useVP8,
  useVP9,
} from "werift";
import { PacketFile, Player, readClip, run, say } from "./client.mjs";
import { Packetizer } from "./packetize.mjs";

const makers = { vp8: useVP8, h264: useH264, vp9: useVP9, av1: useAV1 };

/** A codec and its RTX. */
function codec(name, payloadType) {
  const rtx = { mimeType: "video/rtx", clockRate: 90000, payloadType: payloadType + 1, parameters: `apt=${payloadType}` };
  const media = makers[name]({ payloadType });
  media.rtcpFeedback.push(useTWCC());
  return [media, new RTCRtpCodecParameters({ ...rtx, rtcpFeedback: [] })];
}

function connect(names, state) {
  const connection = new RTCPeerConnection({
    codecs: { video: names.flatMap((name, at) => codec(name, 96 + 2 * at)), audio: [useOPUS({ payloadType: 111 })] },
    headerExtensions: { video: [useSdesMid(), useTransportWideCC()], audio: [useSdesMid(), useTransportWideCC()] },
    iceServers: [],
    iceUseIpv6: false,
  });
  connection.connectionStateChange.subscribe(state);
  return {
    connection,
    async offer() {
      await connection.setLocalDescription(await connection.createOffer());
      return connection.localDescription.sdp;
    },
    answer: (sdp) => connection.setRemoteDescription({ type: "answer", sdp }),
    close: () => connection.close(),
  };
}

function publish(options, state) {
  const client = connect([options.codec], state);
  const add = (kind, name, path, clockRate) => {
    const track = new MediaStreamTrack({ kind });
    const { sender } = client.connection.addTransceiver(track, { direction: "sendonly" });
    // the sender puts its own payload type and SSRC in
    const packetizer = new Packetizer(name, kind === "video" ? 96 : 111, 1, clockRate, readClip(path).rate);
    const player = new Player(path, (frame, number) => {
      for (const packet of packetizer.packets(frame, number)) track.writeRtp(packet);
    });
    sender.onPictureLossIndication.subscribe(() => player.restart());
    return player;
  };
  const video = add("video", options.codec, options.videos[0], 90000);
  const players = [video];
  if (options.audio) players.push(add("audio", "opus", options.audio, 48000));
  return {
    ...client,
    start() {
      for (const player of players) player.start();
      setInterval(() => say("sending", { frames: video.sent }), 1000);
    },
    report() {
      for (const player of players) player.stop();
      say("sent", { frames: video.sent, key_frames_asked: video.asked });
    },
  };
}

/** Asks for a key frame where a packet stays away, as players do: werift itself gives up after ten NACKs in 50 ms. */
class Gaps {
  constructor(ask) {
    this.missing = new Map();
    setInterval(() => {
      const late = [...this.missing].filter(([, since]) => Date.now() - since > 200);
      for (const [sequence] of late) this.missing.delete(sequence);
      if (late.length > 0) ask();
    }, 50);
  }

  add(sequence) {
    this.missing.delete(sequence);
    const ahead = (sequence - (this.highest ?? sequence)) & 0xffff;
    if (ahead >= 0x8000) return;
    for (let k = 1; k < ahead; k++) this.missing.set((this.highest + k) & 0xffff, Date.now());
    this.highest = sequence;
  }
}

function watch(options, state) {
  const client = connect(Object.keys(makers), state);
  const file = new PacketFile(options.packets);
  const hear = (receiver) => (track) => {
    const heard = new Set();
    const gaps = new Gaps(() => track.kind === "video" && receiver.sendRtcpPLI(track.ssrc));
    track.onReceiveRtp.subscribe((packet) => {
      const { ssrc, payloadType, sequenceNumber } = packet.header;
      gaps.add(sequenceNumber);
      if (!heard.has(payloadType)) {
        heard.add(payloadType);
        say("track", { payload_type: payloadType, ssrc, codec: track.codec.mimeType });
        if (track.kind === "video") receiver.sendRtcpPLI(ssrc);
      }
      file.add(packet.serialize());
    });
  };
  for (const kind of ["video", "audio"]) {
    const transceiver = client.connection.addTransceiver(kind, { direction: "recvonly" });
    transceiver.onTrack.subscribe(hear(transceiver.receiver));
  }
  return {
    ...client,
    start: () => setInterval(() => say("receiving", { packets: file.count }), 1000),
    report() {
      say("received", { packets: file.count });
      file.close();
      file.add = () => {};
    },
  };
}

await run((options, state) => (options.role === "publish" ? publish(options, state) : watch(options, state)));
