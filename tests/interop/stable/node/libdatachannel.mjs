// Publishes or watches with libdatachannel, as tests/interop/stable/client.py asks for it.
//
// It publishes as OBS does: one encoding, key frames when it likes, a NACK responder that sends the same packets again,
// and no RTX. As a viewer it has what the library brings: reports and key-frame requests, no NACK.

import {
  AV1RtpPacketizer,
  Audio,
  H264RtpPacketizer,
  PeerConnection,
  RtcpNackResponder,
  RtcpReceivingSession,
  RtcpSrReporter,
  RtpPacketizationConfig,
  RtpPacketizer,
  Video,
} from "node-datachannel";
import { PacketFile, Player, readClip, run, say } from "./client.mjs";
import { Packetizer } from "./packetize.mjs";

const VIDEO = 96;
const AUDIO = 111;
const KEPT_PACKETS = 4000;
const names = { vp8: "VP8", h264: "H264", vp9: "VP9", av1: "AV1" };

function connect(state) {
  const connection = new PeerConnection("stable", { iceServers: [], disableAutoNegotiation: true });
  connection.onStateChange(state);
  return {
    connection,
    offer: () =>
      new Promise((done) => {
        connection.onGatheringStateChange((gathering) => {
          if (gathering === "complete") done(connection.localDescription().sdp);
        });
        connection.setLocalDescription("offer");
      }),
    answer: (sdp) => connection.setRemoteDescription(sdp, "answer"),
    async close() {
      connection.close();
    },
  };
}

function addCodec(video, name, payloadType) {
  ({ vp8: () => video.addVP8Codec(payloadType), h264: () => video.addH264Codec(payloadType),
    vp9: () => video.addVP9Codec(payloadType), av1: () => video.addAV1Codec(payloadType) })[name]();
}

const randomSsrc = () => 1 + Math.floor(Math.random() * 0xfffffffe);

function publish(options, state) {
  const client = connect(state);
  const add = (media, codec, payloadType, path, clockRate) => {
    const ssrc = randomSsrc();
    media.addSSRC(ssrc, "stable", "stable", media.mid());
    const track = client.connection.addTrack(media);
    const { rate } = readClip(path);
    const config = new RtpPacketizationConfig(ssrc, "stable", payloadType, clockRate);
    const packetizers = {
      h264: () => new H264RtpPacketizer("StartSequence", config, 1150),
      av1: () => new AV1RtpPacketizer("TemporalUnit", config, 1150),
      opus: () => new RtpPacketizer(config),
    };
    const chain = [new RtcpSrReporter(config), new RtcpNackResponder(KEPT_PACKETS)];
    const offset = config.timestamp;
    let send;
    if (codec in packetizers) {
      chain.unshift(packetizers[codec]());
      send = (frame, number) => {
        config.timestamp = (offset + (number * clockRate) / rate) >>> 0;
        track.sendMessageBinary(frame);
      };
    } else {
      const own = new Packetizer(codec, payloadType, ssrc, clockRate, rate);
      send = (frame, number) => {
        for (const packet of own.packets(frame, number)) track.sendMessageBinary(packet);
      };
    }
    for (const handler of chain.slice(1)) chain[0].addToChain(handler);
    track.setMediaHandler(chain[0]);
    return new Player(path, (frame, number) => track.isOpen() && send(frame, number));
  };
  const picture = new Video("video", "SendOnly");
  addCodec(picture, options.codec, VIDEO);
  const video = add(picture, options.codec, VIDEO, options.videos[0], 90000);
  const players = [video];
  if (options.audio) {
    const sound = new Audio("audio", "SendOnly");
    sound.addOpusCodec(AUDIO);
    players.push(add(sound, "opus", AUDIO, options.audio, 48000));
  }
  return {
    ...client,
    start() {
      for (const player of players) player.start();
      setInterval(() => say("sending", { frames: video.sent }), 1000);
    },
    report() {
      for (const player of players) player.stop();
      say("sent", { frames: video.sent });
    },
  };
}

function watch(options, state) {
  const client = connect(state);
  const file = new PacketFile(options.packets);
  const codecs = { [AUDIO]: "opus" };
  const picture = new Video("video", "RecvOnly");
  for (const [at, name] of Object.keys(names).entries()) {
    addCodec(picture, name, VIDEO + at);
    codecs[VIDEO + at] = names[name];
  }
  const sound = new Audio("audio", "RecvOnly");
  sound.addOpusCodec(AUDIO);
  const tracks = [picture, sound].map((media) => {
    const track = client.connection.addTrack(media);
    track.setMediaHandler(new RtcpReceivingSession());
    const heard = new Set();
    track.onMessage((packet) => {
      const payloadType = packet[1] & 0x7f;
      if (packet.length < 12 || !(payloadType in codecs)) return;
      if (!heard.has(payloadType)) {
        heard.add(payloadType);
        say("track", { payload_type: payloadType, ssrc: packet.readUInt32BE(8), codec: codecs[payloadType] });
        if (payloadType !== AUDIO) track.requestKeyframe();
      }
      file.add(packet);
    });
    return track;
  });
  return {
    ...client,
    tracks, // the library forgets a track that nobody holds
    start: () => setInterval(() => say("receiving", { packets: file.count }), 1000),
    report() {
      say("received", { packets: file.count });
      file.close();
      file.add = () => {};
    },
  };
}

await run((options, state) => (options.role === "publish" ? publish(options, state) : watch(options, state)));
