/**
 * A publisher of several encodings or layers whose every frame carries its number as a picture, and a viewer that
 * writes down each frame it shows. Evaluated as an expression, it installs `window.layers`.
 */
(window.layers = {
  /**
   * Black and white blocks along the upper edge: a frame's number in Gray code, the highest bit first, and its check.
   * A coder at a low rate skips blocks that changed: with plain binary numbers, 16 after 15 could read as 23.
   */
  NUMBER_BITS: 13,
  CHECK_BITS: 3,
  BITS: 16,
  /** The part of the picture's height that the blocks take. */
  STRIP: 1 / 6,

  /** A moving picture; each frame is drawn, numbered and captured at once. */
  picture(width, height, fps) {
    const { BITS, STRIP } = layers;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    // Where frames are captured on request none is lost between drawing and capturing; Firefox then sends just one.
    const asked = !navigator.userAgent.includes("Firefox");
    const stream = canvas.captureStream(asked ? 0 : fps);
    const [track] = stream.getVideoTracks();
    layers.drawn = 0;
    layers.drawnAt = [];
    const draw = () => {
      layers.drawn += 1;
      layers.drawnAt.push([layers.drawn, layers.now()]);
      context.fillStyle = `hsl(${layers.drawn % 360} 40% 50%)`;
      context.fillRect(0, 0, width, height);
      context.fillStyle = "white";
      const [x, y] = [(layers.drawn * 7) % width, height / 4 + ((layers.drawn * 3) % (height / 2))];
      context.fillRect(x, y, width / 8, height / 8);
      const shown = layers.coded(layers.drawn);
      for (let bit = 0; bit < BITS; bit += 1) {
        context.fillStyle = (shown >> (BITS - 1 - bit)) & 1 ? "white" : "black";
        context.fillRect((bit * width) / BITS, 0, Math.ceil(width / BITS), height * STRIP);
      }
      if (asked) track.requestFrame();
    };
    const start = performance.now();
    setInterval(() => {
      // As many as are due, at most one: a page that was held up does not make up for it.
      if ((performance.now() - start) * fps >= 1000 * layers.ticks) {
        layers.ticks = Math.floor(((performance.now() - start) * fps) / 1000) + 1;
        draw();
      }
    }, 4);
    layers.ticks = 0;
    return stream;
  },

  /** What the blocks of this number show. The check changes with every number, so that a part of a picture is found. */
  coded(number) {
    const { NUMBER_BITS, CHECK_BITS } = layers;
    const low = number & ((1 << NUMBER_BITS) - 1);
    const check = (low * 5) & ((1 << CHECK_BITS) - 1);
    return ((low ^ (low >> 1)) << CHECK_BITS) | check;
  },

  /** The number whose blocks these are; null if they are not those of one number. */
  decoded(shown) {
    let number = shown >> layers.CHECK_BITS;
    for (let shift = 1; shift < layers.NUMBER_BITS; shift *= 2) number ^= number >> shift;
    return layers.coded(number) === shown ? number : null;
  },

  /** The number in a frame; null where it cannot be read: at a low rate some pictures are a blur, or partly old. */
  number(image, width, height) {
    const { BITS, STRIP } = layers;
    layers.canvas ??= new OffscreenCanvas(BITS * 4, 4);
    layers.context ??= layers.canvas.getContext("2d", { willReadFrequently: true });
    layers.context.drawImage(image, 0, 0, width, height * STRIP, 0, 0, BITS * 4, 4);
    const { data } = layers.context.getImageData(0, 2, BITS * 4, 1);
    let shown = 0;
    for (let bit = 0; bit < BITS; bit += 1) {
      const at = 4 * (bit * 4 + 2);
      const light = data[at] + data[at + 1] + data[at + 2];
      if (light > 3 * 85 && light < 3 * 170) return null;
      shown = shown * 2 + (light > 3 * 128 ? 1 : 0);
    }
    return layers.decoded(shown);
  },

  /** Write a frame down, unless it cannot be read. */
  note(image, width, height) {
    const number = layers.number(image, width, height);
    if (number !== null) layers.log.push([layers.now(), width, height, number]);
  },

  /** Prepare to publish; the offer, or null if this browser cannot send the codec. */
  async offer({ codec, encodings, width, height, fps }) {
    const pc = new RTCPeerConnection();
    const all = RTCRtpSender.getCapabilities("video").codecs;
    const mine = all.filter((one) => one.mimeType.toLowerCase() === `video/${codec}`.toLowerCase());
    if (mine.length === 0) return null;
    const stream = layers.picture(width, height, fps);
    const init = { direction: "sendonly", streams: [stream], sendEncodings: encodings };
    const transceiver = pc.addTransceiver(stream.getTracks()[0], init);
    transceiver.setCodecPreferences([...mine, ...all.filter((one) => one.mimeType === "video/rtx")]);
    layers.pc = pc;
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  },

  /** Take the answer to our offer, and do not let a slow machine lower the picture's size. */
  async answer(sdp) {
    await layers.pc.setRemoteDescription({ type: "answer", sdp });
    const [sender] = layers.pc.getSenders();
    const parameters = { ...sender.getParameters(), degradationPreference: "maintain-resolution" };
    await sender.setParameters(parameters);
    return layers.modes();
  },

  /** What each encoding is sent with: `{rid: scalability mode}`. */
  modes() {
    const { encodings } = layers.pc.getSenders()[0].getParameters();
    return Object.fromEntries(encodings.map(({ rid, scalabilityMode }) => [rid || "", scalabilityMode || ""]));
  },

  /** Switch encodings on or off: `{rid: boolean}`. */
  async activate(wanted) {
    const [sender] = layers.pc.getSenders();
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) {
      if (encoding.rid in wanted) encoding.active = wanted[encoding.rid];
    }
    await sender.setParameters(parameters);
  },

  /** A connection for video that writes down from now on what comes. */
  receiver() {
    const pc = new RTCPeerConnection();
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { id: "watched", autoplay: true, muted: true, playsInline: true });
    Object.assign(layers, { pc, video, log: [] });
    pc.ontrack = ({ track, transceiver }) => {
      if (track.kind !== "video") return;
      layers.mid = transceiver.mid;
      video.srcObject = new MediaStream([track]);
      layers.write(track);
    };
    return pc;
  },

  /** Answer an offer of video. */
  async watch(offer) {
    const pc = layers.receiver();
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  },

  /** Offer to receive video. As plain players do it, Chromium's offer knows no dependency descriptor. */
  async view() {
    const pc = layers.receiver();
    pc.addTransceiver("video", { direction: "recvonly" });
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  },

  /** Watch as the page does. */
  async viewByPage(url, token) {
    const { Watch } = await import("/whep.js");
    const track = await new Promise((resolve, reject) => {
      const options = { url: new URL(url), token, onState: () => {}, onError: reject };
      const watch = new Watch({ ...options, onChange: () => watch.media.forEach(take) });
      const take = ({ receiver }) => {
        if (receiver?.track.kind !== "video") return;
        layers.pc = watch.link.session.pc;
        resolve(receiver.track);
      };
      watch.follow();
    });
    layers.log = [];
    layers.write(track);
    return true;
  },

  /** Take the answer to `view`. */
  async viewed(sdp) {
    await layers.pc.setRemoteDescription({ type: "answer", sdp });
    return true;
  },

  /** Write down each frame: all that are decoded where the browser gives them away, else those on the screen. */
  async write(track) {
    if (window.MediaStreamTrackProcessor) {
      const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 60 });
      for await (const frame of readable) {
        const { displayWidth: width, displayHeight: height } = frame;
        layers.note(frame, width, height);
        frame.close();
      }
      return;
    }
    const { video } = layers;
    const write = (_, { width, height }) => {
      layers.note(video, width, height);
      video.requestVideoFrameCallback(write);
    };
    video.requestVideoFrameCallback(write);
  },

  /** The frames since the last call: [time in ms, width, height, number]. */
  frames() {
    return layers.log.splice(0);
  },

  /** Milliseconds on a clock that all pages of one machine share. */
  now() {
    return performance.timeOrigin + performance.now();
  },

  /** The frames drawn since the last call: [number, time in ms]. */
  drawings() {
    return layers.drawnAt.splice(0);
  },

  /** The statistics of what video is received, or of each encoding sent. */
  async stats() {
    const all = [...(await layers.pc.getStats()).values()];
    return all.filter(({ type, kind }) => ["inbound-rtp", "outbound-rtp"].includes(type) && kind === "video");
  },

  /** Ask for a layer; when that was, and the answer. */
  async choose(url, token, body) {
    const at = layers.now();
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const wanted = JSON.stringify({ mediaId: layers.mid, ...body });
    const response = await fetch(url, { method: "POST", headers, body: wanted });
    return { at, answered: layers.now(), status: response.status, text: await response.text() };
  },
}) && true
