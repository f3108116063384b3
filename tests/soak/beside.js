/**
 * Pages that send video to one another or to a node, and receive it. Evaluated as an expression, it installs
 * `window.beside`.
 */
(window.beside = {
  /** A track of moving shapes under noise, which takes whatever rate the coder is given; it begins after `phase` ms. */
  picture({ width, height, fps, noise, phase = 0 }) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    const grain = new OffscreenCanvas(width + 64, height + 64);
    const grainContext = grain.getContext("2d");
    const pixels = grainContext.createImageData(grain.width, grain.height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      pixels.data.fill(Math.random() * 256, at, at + 3);
      pixels.data[at + 3] = 255;
    }
    grainContext.putImageData(pixels, 0, 0);
    const [track] = canvas.captureStream(0).getVideoTracks();
    let drawn = 0;
    const draw = () => {
      drawn += 1;
      context.globalAlpha = 1;
      context.fillStyle = "hsl(210 40% 40%)";
      context.fillRect(0, 0, width, height);
      for (let shape = 0; shape < 5; shape += 1) {
        context.fillStyle = `hsl(${shape * 72} 60% 60%)`;
        const [x, y] = [drawn * (3 + shape) + shape * 97, drawn * (2 + shape) + shape * 61];
        context.fillRect(x % width, y % height, width / 5, height / 5);
      }
      context.globalAlpha = noise;
      context.drawImage(grain, -Math.floor(Math.random() * 64), -Math.floor(Math.random() * 64));
      track.requestFrame();
    };
    setTimeout(() => setInterval(draw, 1000 / fps), phase);
    return track;
  },

  /** Offer these pictures, each with its `encodings`; the description has all candidates. */
  async offer(pictures) {
    const pc = (beside.pc = new RTCPeerConnection());
    const all = RTCRtpSender.getCapabilities("video").codecs;
    const taken = all.filter(({ mimeType }) => ["video/VP8", "video/rtx"].includes(mimeType));
    for (const picture of pictures) {
      const track = beside.picture(picture);
      const init = { direction: "sendonly", streams: [new MediaStream([track])], sendEncodings: picture.encodings };
      pc.addTransceiver(track, init).setCodecPreferences(taken);
    }
    await pc.setLocalDescription();
    return beside.described();
  },

  /** Take the answer to our offer; a slow machine or network does not lower the pictures' size. */
  async take(answer) {
    await beside.pc.setRemoteDescription({ type: "answer", sdp: answer });
    for (const sender of beside.pc.getSenders()) {
      await sender.setParameters({ ...sender.getParameters(), degradationPreference: "maintain-resolution" });
    }
  },

  /** Answer an offer of video. */
  async answer(offer) {
    // Only pages that may use a camera tell their own addresses.
    (await navigator.mediaDevices.getUserMedia({ video: true })).getTracks().forEach((track) => track.stop());
    const pc = (beside.pc = new RTCPeerConnection());
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    await pc.setLocalDescription();
    return beside.described();
  },

  /** Our description, once all candidates are in it. */
  async described() {
    const { pc } = beside;
    while (pc.iceGatheringState !== "complete") {
      await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", resolve, { once: true }));
    }
    return pc.localDescription.sdp;
  },

  /** The statistics of each video sent or received. */
  async stats() {
    const all = [...(await beside.pc.getStats()).values()];
    return all.filter(({ type, kind }) => ["inbound-rtp", "outbound-rtp"].includes(type) && kind === "video");
  },
}) && true
