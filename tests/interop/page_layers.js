// What the tests of the page's layers need: a node that is not there, and small views into a tile.
window.fake = {
  LAYER: "urn:ietf:params:whep:ext:core:layer",
  EVENTS: "urn:ietf:params:whep:ext:core:server-sent-events",
  asked: [],
  refuse: 0,
  streams: 0,
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),

  /** Wait until `look` returns something true. */
  async until(look) {
    for (let left = 500; left > 0; left -= 1) {
      const found = await look();
      if (found) return found;
      await this.wait(20);
    }
    throw new Error(`never: ${look}`);
  },

  layers: {
    0: [],
    1: {
      active: [{ id: "q", bitrate: 1 }],
      inactive: [],
      layers: [
        { encodingId: "f", simulcastIdx: 2, width: 1280, height: 720, bitrate: 1500000 },
        { encodingId: "h", simulcastIdx: 1, width: 640, height: 360, bitrate: 500000 },
        { encodingId: "q", simulcastIdx: 0, width: 320, height: 180, bitrate: 150000 },
      ],
    },
  },

  /** Answer requests as a node would; what was asked is kept as `METHOD path body`. */
  serve() {
    window.fetch = async (input, { method = "GET", body = "", signal } = {}) => {
      const { pathname } = new URL(input, location.href);
      this.asked.push(`${method} ${pathname}${body ? ` ${body}` : ""}`);
      await this.wait(5);
      if (pathname.endsWith("/layer")) {
        const status = this.refuse;
        if (!status) return new Response(null, { status: 200 });
        const problem = JSON.stringify({ title: "No such layer", status });
        return new Response(problem, { status, headers: { "Content-Type": "application/problem+json" } });
      }
      if (method === "POST") return new Response(null, { status: 201, headers: { Location: `${pathname}/1` } });
      if (method === "DELETE") return new Response(null, { status: 200 });
      const text = `event: layers\ndata: ${JSON.stringify(this.layers)}\n\n`;
      const stream = new ReadableStream({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode(text));
          this.streams += 1;
          this.tell = (layers) =>
            controller.enqueue(new TextEncoder().encode(`event: layers\ndata: ${JSON.stringify(layers)}\n\n`));
          signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
        },
      });
      return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
    };
  },

  /** The bodies of the layer requests so far. */
  get wishes() {
    return this.asked.flatMap((line) => (line.startsWith("POST /s/layer ") ? [JSON.parse(line.slice(14))] : []));
  },

  /** A tile of this size in the room, with the choice of quality. */
  async tile(width, height) {
    const { Tile } = await import("/tile.js");
    const { Quality } = await import("/quality.js");
    const { Picker } = await import("/picker.js");
    document.querySelectorAll(".view").forEach((view) => (view.hidden = view.id !== "view-room"));
    const tile = new Tile({ peer: "ann", name: "Ann" });
    tile.state = "connected";
    tile.element.style.cssText = `width: ${width}px; height: ${height}px`;
    document.getElementById("grid").append(tile.element);
    const errors = [];
    const quality = new Quality({ ...tile, onError: (error) => errors.push(error.message) });
    const picker = new Picker({ button: tile.qualityButton, name: "Ann", quality });
    const url = (path) => new URL(path, location.href);
    const session = { token: "t", links: { [this.LAYER]: url("/s/layer"), [this.EVENTS]: url("/s/sse") } };
    return { tile, quality, picker, session, errors, button: tile.qualityButton };
  },

  press(key) {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  },

  /** What the open menu shows: `[words, checked, focused]` of each entry. */
  menu() {
    return [...document.querySelectorAll("#menu:popover-open [role^=menuitem]")].map((entry) => [
      entry.querySelector("span").textContent,
      entry.getAttribute("aria-checked") === "true",
      entry === document.activeElement,
    ]);
  },

  /** Answer an offer as a node that takes simulcast: a browser alone would decline it. */
  async answer(offer, simulcast) {
    const pc = new RTCPeerConnection();
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    await pc.setLocalDescription();
    const sdp = pc.localDescription.sdp.replace(/^a=(rid|simulcast):.*\r\n/gm, "");
    this.pc = pc;
    if (!simulcast) return sdp;
    const rids = [...offer.matchAll(/^a=rid:(\S+) send/gm)].map(([, rid]) => rid);
    return `${sdp}${rids.map((rid) => `a=rid:${rid} recv\r\n`).join("")}a=simulcast:recv ${rids.join(";")}\r\n`;
  },
};
