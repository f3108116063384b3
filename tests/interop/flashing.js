/**
 * A picture that flashes and a tone that beeps once a second, at the same moments, published with several codecs.
 * Evaluated as an expression, it installs `window.flashing`.
 */
(window.flashing = {
  connections: [],

  /**
   * Begin. Each picture and each sound is made for the moment that its timestamp names, however late that is done: of a
   * canvas and an AudioContext a busy browser itself captures the one up to 0.2 s later than the other.
   */
  start() {
    const rate = 48000;
    const [video, audio] = ["video", "audio"].map((kind) => new MediaStreamTrackGenerator({ kind }));
    const [pictures, sounds] = [video, audio].map((track) => track.writable.getWriter());
    const canvas = new OffscreenCanvas(256, 192);
    const context = canvas.getContext("2d");
    const tone = Float32Array.from({ length: rate / 100 }, (_, index) => Math.sin((2 * Math.PI * index) / 48) / 2);
    const silence = new Float32Array(tone.length);
    const draw = (count) => {
      const at = count / 30;
      context.fillStyle = at % 1 < 0.2 ? "white" : "rgb(24 24 24)";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = "rgb(128 128 128)"; // something moves
      context.fillRect((count * 5) % canvas.width, 0, 8, 8);
      pictures.write(new VideoFrame(canvas, { timestamp: at * 1e6 }));
    };
    const play = (count) => {
      const data = count % 100 < 20 ? tone : silence;
      const about = { format: "f32-planar", sampleRate: rate, numberOfChannels: 1, numberOfFrames: data.length };
      sounds.write(new AudioData({ ...about, timestamp: count * 1e4, data }));
    };
    const begin = performance.now();
    let [drawn, played] = [0, 0];
    setInterval(() => {
      const now = (performance.now() - begin) / 1000;
      while (drawn <= now * 30) draw(drawn++);
      while (played <= now * 100) play(played++);
    }, 5);
    flashing.media = [audio, video];
  },

  /** Publish both with this video codec; false if the browser cannot send it. */
  async publish(url, token, codec) {
    const able = RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === `video/${codec}`);
    if (able.length === 0) return false;
    const pc = new RTCPeerConnection();
    const [audio, video] = flashing.media;
    pc.addTransceiver(audio, { direction: "sendonly" });
    pc.addTransceiver(video, { direction: "sendonly" }).setCodecPreferences(able);
    await pc.setLocalDescription();
    const { sdp } = await whip.post(url, token, pc.localDescription.sdp);
    await pc.setRemoteDescription({ type: "answer", sdp });
    flashing.connections.push(pc);
    return true;
  },
}) && true
