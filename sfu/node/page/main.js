/** From the invitation to the lobby, into the room and out again. */
import { Call } from "./call.js";
import { LocalMedia } from "./devices.js";
import { peerName, readInvitation, shownName } from "./invitation.js";
import { Lobby } from "./lobby.js";
import { explain } from "./problem.js";

const $ = (id) => document.getElementById(id);

/**
 * Milliseconds that `auto=1` waits for camera and microphone before it joins without; they follow when they
 * come.
 */
const DEVICES = 5000;
const NAME = "sfu.name";

const invitation = readInvitation(location.hash);

function show(view) {
  document.body.dataset.view = view;
  for (const element of document.querySelectorAll(".view")) element.hidden = element.id !== `view-${view}`;
}

function savedName() {
  try {
    return localStorage.getItem(NAME) || "";
  } catch {
    return "";
  }
}

function saveName(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch (error) {
    console.debug("name not remembered:", error.name);
  }
}

function askInvitation() {
  show("invite");
  if (location.hash.length > 1) {
    $("invite-text").textContent =
      "This link is incomplete: it must name a room and carry a token. Paste the whole link.";
  }
  $("invite-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("invite-link").value.trim();
    const at = text.indexOf("#");
    const fragment = at < 0 ? `#token=${encodeURIComponent(text)}` : text.slice(at);
    const found = readInvitation(fragment);
    $("invite-error").hidden = found !== null;
    $("invite-error").textContent = found ? "" : "This is no invitation: it names no room or has no token.";
    if (found) location.hash = fragment;
  });
}

function start() {
  const media = new LocalMedia();
  const lobby = new Lobby({
    invitation,
    media,
    onJoin: async (name) => {
      await enter(name);
      // The lobby's focus went with it: keyboards go on at the first button.
      $(invitation.publish ? "toggle-mic" : "leave").focus();
    },
  });

  async function enter(name) {
    saveName(name);
    const peer = invitation.peer || (await peerName(name, invitation.room));
    const call = new Call({ invitation, peer, media, onEnd: ended });
    await call.enter();
    lobby.close();
    document.title = `${invitation.room} · Meet`;
    show("room");
  }

  function ended(why) {
    media.close();
    const elsewhere = why === "elsewhere";
    $("left-title").textContent = elsewhere ? "You joined from another window" : "You left the room";
    $("left-text").textContent = elsewhere
      ? "The same name can be in the room once. You can come back here; the other window then leaves."
      : `You can join “${invitation.room}” again at any time.`;
    $("rejoin").textContent = elsewhere ? "Use this window" : "Join again";
    document.title = "Meet";
    show("left");
    $("left-title").focus();
  }

  function openLobby() {
    show("lobby");
    lobby.open(invitation.name || savedName());
  }

  async function joinAtOnce() {
    const ready = invitation.publish ? media.open() : Promise.resolve();
    await Promise.race([ready, new Promise((resolve) => setTimeout(resolve, DEVICES))]);
    try {
      await enter(invitation.name || shownName(invitation.peer) || savedName() || "Guest");
    } catch (error) {
      openLobby();
      lobby.problem = explain(error);
    }
  }

  $("rejoin").addEventListener("click", openLobby);
  if (invitation.auto) joinAtOnce();
  else openLobby();
}

// Another invitation in the same tab, or a page brought back from the cache with dead connections: begin
// again.
addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

if (invitation) start();
else askInvitation();
