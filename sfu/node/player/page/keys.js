/** The keyboard: space or K, J and L, arrows, Home and End, numbers, M, comma and full stop. */

/** @param {Record<string, (event: KeyboardEvent) => void>} actions */
export function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    // A range takes its own arrows, a button its own space; letters are nobody's but ours.
    if (target.closest?.("dialog, select, textarea, input:not([type=range]):not([type=checkbox])")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (target.matches?.("input[type=range]") && /^(Arrow|Home|End|Page)/.test(key)) return;
    if (key === " " && target.closest?.("button, input, summary")) return;
    const action = /^[0-9]$/.test(key) ? actions.digit : actions[key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
