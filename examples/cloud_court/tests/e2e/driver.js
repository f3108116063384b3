/**
 * What a person does on a page, in each browser alike: find a control by its visible name, and use it.
 * Evaluated as an expression, it installs `window.person`. Each function says false while the thing is not there.
 */
(window.person ??= {
  /** Shown, and not behind an open dialog. */
  shown(element) {
    const modal = [...document.querySelectorAll('[aria-modal="true"]')].filter((each) => each.getClientRects().length).pop();
    return element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden" && (!modal || modal.contains(element));
  },

  nameOf(element) {
    return (element.getAttribute("aria-label") || element.innerText || element.textContent || "").replace(/\s+/g, " ").trim();
  },

  /** The innermost elements whose text contains this; an empty text is the whole page. */
  places(text) {
    if (!text) return [document.body];
    const all = [...document.querySelectorAll("li, tr, article, section, form, dialog, [role=dialog], .card, .person, .tile")];
    const fit = all.filter((each) => person.shown(each) && each.innerText.includes(text));
    return fit.filter((each) => !fit.some((other) => other !== each && each.contains(other)));
  },

  /** Press the control of this name: the exact one before one whose name begins with it or contains it. */
  press(name, within = "") {
    const controls = "button, a, summary, label, [role=button], [role=tab], [role=menuitem], [role=radio], [role=checkbox]";
    const can = person
      .places(within)
      .flatMap((place) => [...place.querySelectorAll(controls)])
      .filter((each) => person.shown(each) && !each.disabled && each.getAttribute("aria-disabled") !== "true");
    const fits = [(own) => own === name, (own) => own.startsWith(name), (own) => own.includes(name)];
    for (const fit of fits) {
      const found = can.find((each) => fit(person.nameOf(each)));
      if (found) {
        found.scrollIntoView({ block: "center" });
        found.click();
        return true;
      }
    }
    return false;
  },

  field(label, within = "") {
    for (const place of person.places(within)) {
      for (const each of place.querySelectorAll("input, textarea, select")) {
        const labels = [...(each.labels ?? [])].map((one) => one.innerText).join(" ");
        const name = [each.getAttribute("aria-label"), labels, each.placeholder, each.title].join(" ");
        if ((person.shown(each) || each.type === "file") && name.includes(label)) return each;
      }
    }
    return null;
  },

  fill(label, value, within = "") {
    const field = person.field(label, within);
    if (!field || field.disabled || field.readOnly) return false;
    const kind = { INPUT: HTMLInputElement, TEXTAREA: HTMLTextAreaElement, SELECT: HTMLSelectElement }[field.tagName];
    if (field.tagName === "SELECT") {
      const option = [...field.options].find((each) => each.value === value || each.text.includes(value));
      if (!option) return false;
      value = option.value;
    }
    field.focus();
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  },

  check(label, within = "") {
    const field = person.field(label, within);
    if (!field || field.disabled) return false;
    if (!field.checked) field.click();
    return true;
  },

  /** Hand files to the picker that accepts them. `files`: [name, base64] or [name, length of zeroes after a head in base64]. */
  attach(files, selector = "input[type=file]") {
    const input = document.querySelector(selector);
    if (!input) return false;
    const held = new DataTransfer();
    for (const [name, head, length] of files) {
      const bytes = Uint8Array.from(atob(head), (each) => each.charCodeAt(0));
      const parts = length ? [bytes, new Uint8Array(length - bytes.length)] : [bytes];
      held.items.add(new File(parts, name));
    }
    input.files = held.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  },

  reads(pattern) {
    return document.body.innerText.match(new RegExp(pattern))?.at(-1) ?? null;
  },

  sees(text) {
    return document.body.innerText.includes(text);
  },

  /** From now on `window.peers` has each connection that is made. */
  listConnections() {
    if (window.peers) return true;
    const made = (window.peers = []);
    const Own = RTCPeerConnection;
    window.RTCPeerConnection = class extends Own {
      constructor(...given) {
        super(...given);
        made.push(this);
      }
    };
    return true;
  },

  /** Ask the court's API as this person. */
  async api(method, path, body) {
    const base = location.pathname;
    const me = await (await fetch(`${base}api/me`)).json();
    const headers = { "X-CSRF": me.csrf ?? "", ...(body ? { "Content-Type": "application/json" } : {}) };
    const answer = await fetch(base + path, { method, headers, body: body ? JSON.stringify(body) : undefined });
    const text = await answer.text();
    let said = text;
    try { said = JSON.parse(text); } catch { /* it is no JSON */ }
    return { status: answer.status, body: said };
  },

  /** The videos that show something: name of the tile, width, and whether pictures came since the last look. */
  watched() {
    const counts = (person.counts ??= new WeakMap());
    return [...document.querySelectorAll(".tile")].map((tile) => {
      const video = tile.querySelector("video");
      if (video && !counts.has(video)) {
        const count = { now: 0, seen: 0 };
        const next = () => ((count.now += 1), video.requestVideoFrameCallback(next));
        video.requestVideoFrameCallback(next);
        counts.set(video, count);
      }
      const count = counts.get(video);
      const moved = Boolean(count && count.now > count.seen);
      if (count) count.seen = count.now;
      return { text: tile.innerText, width: video?.videoWidth ?? 0, moved };
    });
  },
})
