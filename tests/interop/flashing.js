/**
 * A canvas that flashes and an oscillator that beeps once a second, at the same moments, published with several codecs.
 * Evaluated as an expression, it installs `window.flashing`.
 */
(window.flashing = {
  connections: [],

  /** Begin; both follow the clock of the audio. */
  async start() {
    const audio = new AudioContext();
    await audio.resume();
    const destination = audio.createMediaStreamDestination();
    const gain = new GainNode(audio, { gain: 0 });
    const tone = new OscillatorNode(audio, { frequency: 1000 });
    tone.connect(gain).connect(destination);
    tone.start();
    const begin = audio.currentTime + 1;
    for (let beat = 0; beat < 120; beat += 1) {
      gain.gain.setValueAtTime(0.5, begin + beat);
      gain.gain.setValueAtTime(0, begin + beat + 0.2);
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: 256, height: 192 });
    const context = canvas.getContext("2d");
    const video = canvas.captureStream(30).getVideoTracks()[0];
    let drawn = 0;
    const draw = () => {
      const beat = audio.currentTime - begin;
      context.fillStyle = beat >= 0 && beat % 1 < 0.2 ? "white" : "rgb(24 24 24)";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = "rgb(128 128 128)"; // something moves
      context.fillRect((drawn * 5) % canvas.width, 0, 8, 8);
      drawn += 1;
    };
    setInterval(draw, 1000 / 60);
    flashing.media = [destination.stream.getAudioTracks()[0], video];
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
