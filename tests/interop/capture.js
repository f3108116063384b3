/**
 * A picture and a tone of our own, published as a capture wants them.
 * Evaluated as an expression, it installs `window.capture`.
 */
(window.capture = {
  /** A canvas on which everything moves, so that no frame is empty. */
  picture(width, height, fps) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    let count = 0;
    setInterval(() => {
      count += 1;
      context.fillStyle = `hsl(${(count * 3) % 360} 60% 50%)`;
      context.fillRect(0, 0, width, height);
      context.fillStyle = "white";
      context.fillRect((count * 7) % width, (count * 3) % height, width / 8, height / 8);
      context.font = `${Math.round(height / 6)}px sans-serif`;
      context.fillText(String(count), width / 3, height / 2);
    }, 1000 / fps);
    return canvas.captureStream(fps);
  },

  /** A tone that is off half of each second. */
  tone() {
    const context = new AudioContext();
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    const destination = context.createMediaStreamDestination();
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    setInterval(() => { gain.gain.value = gain.gain.value ? 0 : 0.5; }, 500);
    return destination.stream;
  },

  async offer({ codec, encodings, width, height, fps, red }) {
    const pc = new RTCPeerConnection();
    const kind = codec === "opus" ? "audio" : "video";
    const stream = kind === "audio" ? capture.tone() : capture.picture(width, height, fps);
    const init = { direction: "sendonly", streams: [stream] };
    if (encodings) init.sendEncodings = encodings;
    const transceiver = pc.addTransceiver(stream.getTracks()[0], init);
    const all = RTCRtpSender.getCapabilities(kind).codecs;
    const repair = all.filter((one) => /\/(rtx|red)$/.test(one.mimeType));
    const mine = all.filter((one) => one.mimeType.toLowerCase() === `${kind}/${codec}`.toLowerCase());
    if (mine.length === 0) return null;
    const others = repair.filter((one) => !one.mimeType.endsWith("red"));
    transceiver.setCodecPreferences(red ? [...repair, ...mine] : [...mine, ...others]);
    await pc.setLocalDescription();
    capture.pc = pc;
    return pc.localDescription.sdp;
  },

  async answer(sdp) {
    await capture.pc.setRemoteDescription({ type: "answer", sdp });
    const [sender] = capture.pc.getSenders();
    if (sender.track.kind === "video") {
      await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
    }
    return sender.getParameters();
  },

  /** What the sender says that it sent. */
  async stats() {
    const stats = [...(await capture.pc.getStats()).values()];
    return stats.filter((one) => one.type === "outbound-rtp").map((one) => Object.fromEntries(
      ["rid", "ssrc", "rtxSsrc", "mid", "active", "framesEncoded", "keyFramesEncoded", "frameWidth", "frameHeight",
        "framesPerSecond", "scalabilityMode", "packetsSent", "retransmittedPacketsSent", "nackCount", "pliCount",
        "qualityLimitationReason", "targetBitrate"].filter((key) => key in one).map((key) => [key, one[key]])));
  },
}) && true
