"""Janus' configuration for a run: its best for this load, and nothing that is not needed."""

from __future__ import annotations

from pathlib import Path

FIRST_ROOM = 1234
WEBSOCKET_PORT = 8188
_LIBRARY = "/usr/lib/x86_64-linux-gnu/janus"


def write_config(directory: Path, host: str, rooms: int) -> None:
    """Write janus.jcfg, the WebSocket transport's and the configuration of so many video rooms into `directory`.

    One event loop serves all handles: with the server on one core that is Janus' best. ICE-lite, no event
    handlers, no other plugin or transport, logging of warnings only; no REMB cap (bitrate 0), no
    periodic FIR. Transport-wide feedback and audio levels are on, as they are by default.
    """
    (directory / "janus.jcfg").write_text(
        f"""general: {{
  configs_folder = "{directory}"
  plugins_folder = "{_LIBRARY}/plugins"
  transports_folder = "{_LIBRARY}/transports"
  events_folder = "{_LIBRARY}/events"
  loggers_folder = "{_LIBRARY}/loggers"
  debug_level = 2
  event_loops = 1
  protected_folders = []
}}
media: {{ ipv6 = false }}
nat: {{ nice_debug = false, ice_lite = true }}
plugins: {{ disable = "{_others("plugins", "videoroom")}" }}
transports: {{ disable = "{_others("transports", "websockets")}" }}
events: {{ broadcast = false }}
""",
        encoding="ascii",
    )
    (directory / "janus.transport.websockets.jcfg").write_text(
        f"""general: {{ json = "compact", ws = true, ws_port = {WEBSOCKET_PORT}, ws_ip = "{host}", wss = false }}
admin: {{ admin_ws = false, admin_wss = false }}
""",
        encoding="ascii",
    )
    written = "".join(_room(FIRST_ROOM + index) for index in range(rooms))
    (directory / "janus.plugin.videoroom.jcfg").write_text(
        f"general: {{ events = false }}\n{written}", encoding="ascii"
    )


def _room(number: int) -> str:
    return f"""room-{number}: {{
  description = "bench"
  publishers = 1000
  bitrate = 0
  fir_freq = 0
  audiocodec = "opus"
  videocodec = "vp8"
  record = false
  transport_wide_cc_ext = true
  audiolevel_ext = true
  videoorient_ext = false
  playoutdelay_ext = false
  notify_joining = false
}}
"""


def _others(folder: str, wanted: str) -> str:
    """The plugins or transports in `folder` but the wanted one, as Janus' `disable` wants them."""
    return ",".join(sorted(path.name for path in Path(_LIBRARY, folder).glob("*.so") if wanted not in path.name))
