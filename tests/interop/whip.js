/**
 * A publisher and a viewer as small as WHIP (RFC 9725) and WHEP allow, apart from the page's own code.
 * Evaluated as an expression, it installs `window.whip`.
 */
(window.whip = {
  async post(url, token, body = "") {
    const headers = { Authorization: `Bearer ${token}` };
    if (body) headers["Content-Type"] = "application/sdp";
    const response = await fetch(url, { method: "POST", headers, body });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`POST ${url}: ${response.status} ${text}`);
    return { sdp: text, resource: response.headers.get("Location") };
  },

  /** Publish camera and microphone with one video codec; false if this browser cannot send it. */
  async publish(url, token, codec, sendEncodings = []) {
    const pc = new RTCPeerConnection();
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } });
    pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendonly", streams: [media] });
    const about = { direction: "sendonly", streams: [media], sendEncodings };
    const video = pc.addTransceiver(media.getVideoTracks()[0], about);
    const able = RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === `video/${codec}`);
    if (able.length === 0) return false;
    video.setCodecPreferences(able);
    await pc.setLocalDescription();
    const { sdp, resource } = await whip.post(url, token, pc.localDescription.sdp);
    await pc.setRemoteDescription({ type: "answer", sdp });
    Object.assign(whip, { pc, resource });
    return true;
  },

  /** A connection whose tracks are shown. */
  receiver() {
    const pc = new RTCPeerConnection();
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { id: "watched", autoplay: true, playsInline: true, srcObject: new MediaStream() });
    pc.ontrack = ({ track }) => { video.srcObject.addTrack(track); };
    return pc;
  },

  /** Watch by an offer of one's own, as WHEP players do. */
  async view(url, token) {
    const pc = whip.receiver();
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
    await pc.setLocalDescription();
    const { sdp, resource } = await whip.post(url, token, pc.localDescription.sdp);
    await pc.setRemoteDescription({ type: "answer", sdp });
    Object.assign(whip, { pc, resource });
  },

  /** Whether the node still knows the session: the status of its resource. */
  async session(token) {
    return (await fetch(whip.resource, { headers: { Authorization: `Bearer ${token}` } })).status;
  },

  /** Watch by answering the node's offer; the stream comes when it connects. */
  async watch(url, token) {
    const pc = whip.receiver();
    const { sdp, resource } = await whip.post(url, token);
    await pc.setRemoteDescription({ type: "offer", sdp });
    await pc.setLocalDescription();
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
    const response = await fetch(resource, { method: "PATCH", headers, body: pc.localDescription.sdp });
    if (response.status !== 204) throw new Error(`PATCH ${resource}: ${response.status} ${await response.text()}`);
    Object.assign(whip, { pc, resource });
  },

  async leave(token) {
    const headers = { Authorization: `Bearer ${token}` };
    const { status } = await fetch(whip.resource, { method: "DELETE", headers });
    whip.pc.close();
    return status;
  },

  /** The codec of the video that flows, as `video/VP8`. */
  async codec() {
    const stats = await whip.pc.getStats();
    for (const one of stats.values()) {
      if (one.type.endsWith("bound-rtp") && one.kind === "video" && one.codecId) return stats.get(one.codecId)?.mimeType;
    }
    return null;
  },
}) && true
