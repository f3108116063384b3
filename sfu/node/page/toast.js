/** Messages that come and go. The same sentence twice is one message. */

const LIFE = { info: 4000, error: 10000 };
const MOST = 4;

const box = () => document.getElementById("toasts");

/** @param {string} text @param {"info"|"error"} [kind] errors interrupt a screen reader, others wait */
export function toast(text, kind = "info") {
  for (const shown of box().children) if (shown.dataset.text === text) shown.remove();
  const element = document.createElement("div");
  element.className = `toast ${kind}`;
  element.dataset.text = text;
  element.setAttribute("role", kind === "error" ? "alert" : "status");
  const sentence = document.createElement("span");
  sentence.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast-close";
  close.setAttribute("aria-label", "Dismiss");
  close.append(icon("i-close"));
  close.addEventListener("click", () => element.remove());
  element.append(sentence, close);
  box().append(element);
  while (box().children.length > MOST) box().firstElementChild.remove();
  setTimeout(() => element.remove(), LIFE[kind]);
}

/** An icon of the page's sprite. */
export function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

/** Give a toggle button its icon, pressed state and words. */
export function showSwitch(button, kind, on, busy = false) {
  const device = kind === "audio" ? "microphone" : "camera";
  const id = `#i-${kind === "audio" ? "mic" : "camera"}${on ? "" : "-off"}`;
  const label = `Turn ${device} ${on ? "off" : "on"}`;
  const use = button.querySelector("use");
  if (use.getAttribute("href") !== id) use.setAttribute("href", id);
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-busy", String(busy));
  button.setAttribute("aria-label", label);
  button.title = label;
}
