/**
 * A menu of choices that belongs to a button (WAI-ARIA menu button pattern). The page has one, in the
 * browser's top layer, so that no tile crops it.
 */

const EDGE = 8;

const box = () => document.getElementById("menu");

let owner = null;

/** False in a browser that has no popovers: then there are no menus. */
export const menusWork = () => typeof HTMLElement.prototype.showPopover === "function";

/**
 * Open the menu at a button, or close it when it is open there.
 * @param {HTMLElement} button
 * @param {object} menu
 * @param {string} menu.label what it is about
 * @param {() => {id: string, kind: "radio"|"check", label: string, detail?: string, checked: boolean,
 *   apart?: boolean, pick: () => void}[]} menu.items read again by `update`
 * @param {() => void} [menu.onClose]
 */
export function openMenu(button, { label, items, onClose = () => {} }) {
  if (owner?.button === button) {
    closeMenu(button);
    return;
  }
  closeMenu();
  const done = new AbortController();
  const on = (target, type, action) => target.addEventListener(type, action, { signal: done.signal });
  owner = { button, items, onClose, done };
  box().setAttribute("aria-label", label);
  fill(items());
  on(box(), "keydown", key);
  on(box(), "click", ({ target }) => pick(target.closest("[role^=menuitem]")));
  on(document, "pointerdown", ({ target }) => {
    if (!box().contains(target) && !button.contains(target)) closeMenu();
  });
  on(window, "resize", () => closeMenu());
  box().showPopover();
  place(button);
  button.setAttribute("aria-expanded", "true");
  (entries().find((entry) => entry.getAttribute("aria-checked") === "true") || entries()[0]).focus();
}

/** Close the menu; with a button, only if it is that one's. The focus returns to the button. */
export function closeMenu(button = owner?.button) {
  if (!owner || owner.button !== button) return;
  const held = box().contains(document.activeElement);
  const { onClose, done } = owner;
  owner = null;
  done.abort();
  box().hidePopover();
  button.setAttribute("aria-expanded", "false");
  if (held) button.focus();
  onClose();
}

/** The button's items changed. */
export function updateMenu(button) {
  if (owner?.button !== button) return;
  const held = box().contains(document.activeElement);
  const focused = document.activeElement?.dataset.id;
  fill(owner.items());
  place(button);
  if (held) (entries().find(({ dataset }) => dataset.id === focused) || entries()[0]).focus();
}

const entries = () => [...box().querySelectorAll("[role^=menuitem]")];

function fill(items) {
  const made = items.map(({ id, kind, label, detail, checked, apart }) => {
    const entry = document.createElement("button");
    entry.type = "button";
    entry.tabIndex = -1;
    entry.dataset.id = id;
    entry.setAttribute("role", kind === "radio" ? "menuitemradio" : "menuitemcheckbox");
    entry.setAttribute("aria-checked", String(checked));
    entry.classList.toggle("apart", Boolean(apart));
    const name = document.createElement("span");
    name.textContent = label;
    const more = document.createElement("small");
    more.textContent = detail || "";
    entry.append(name, more);
    return entry;
  });
  box().replaceChildren(...made);
}

function pick(entry) {
  const item = entry && owner?.items().find(({ id }) => id === entry.dataset.id);
  if (!item) return;
  closeMenu();
  item.pick();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const all = entries();
  const at = all.indexOf(document.activeElement);
  const go = (to) => all[(to + all.length) % all.length].focus();
  if (event.key === "ArrowDown") go(at + 1);
  else if (event.key === "ArrowUp") go(at - 1);
  else if (event.key === "Home" || event.key === "PageUp") go(0);
  else if (event.key === "End" || event.key === "PageDown") go(-1);
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else if (/^\p{L}$/u.test(event.key)) {
    const starts = (entry) => entry.textContent.toLowerCase().startsWith(event.key.toLowerCase());
    [...all.slice(at + 1), ...all.slice(0, at + 1)].find(starts)?.focus();
  } else return;
  // Letters are no shortcuts while a menu is open, and Tab leads back to the button.
  event.stopPropagation();
  event.preventDefault();
}

/** Above the button where there is room, else below, and never outside the window. */
function place(button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth, offsetHeight, style } = box();
  const inside = (value, size, most) => Math.max(EDGE, Math.min(value, most - size - EDGE));
  const above = at.top - offsetHeight - EDGE;
  const top = above >= EDGE ? above : at.bottom + EDGE;
  style.left = `${inside(at.right - offsetWidth, offsetWidth, innerWidth)}px`;
  style.top = `${inside(top, offsetHeight, innerHeight)}px`;
}
