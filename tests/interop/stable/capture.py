"""Write down what each client of the stable offers: `python -m tests.interop.stable.capture DIRECTORY`.

The offers in tests/vectors/sdp/captured come from here. Whoever posts one is refused, so nothing else happens.
"""

from __future__ import annotations

import http.server
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.interop.stable.client import CLIENTS, CONNECT_S, Client
from tests.interop.stable.clips import SIMULCAST, Clips


class Refusal(http.server.BaseHTTPRequestHandler):
    """Keeps the body of a request."""

    bodies: list[bytes] = []  # noqa: RUF012  # a handler is made for each connection

    def do_POST(self) -> None:  # the base class says so
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the client tells what it made of it."""


def offer(client: Client, url: str, *arguments: str) -> bytes:
    """What a client posts with these arguments."""
    Refusal.bodies.clear()
    role, *rest = arguments
    command = [*client.command, role, url, "--token", "none", *rest]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **quiet) as process:
        process.wait(2 * CONNECT_S)  # refused, it ends by itself
    return Refusal.bodies[0]


def main(directory: Path) -> None:
    """Capture all that can run here."""
    directory.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, clips = f"http://127.0.0.1:{server.server_port}/", Clips(Path(scratch))
        for name, client in CLIENTS.items():
            if missing := client.missing():
                sys.stderr.write(f"{name} is left out: {missing}\n")
                continue
            for codec in {"vp8", "h264"} & set(client.publishes):
                clip = ["--codec", codec, "--video", str(clips.video(codec, SIMULCAST[0]))]
                sound = ["--audio", str(clips.audio())]
                (directory / f"{name}_publisher_{codec}.sdp").write_bytes(offer(client, url, "publish", *clip, *sound))
                if client.simulcast and codec == "vp8":
                    several = [*clip, *clip[2:], *clip[2:]]
                    (directory / f"{name}_simulcast.sdp").write_bytes(offer(client, url, "publish", *several))
            if client.watches:
                kept = ["--packets", f"{scratch}/packets"]
                (directory / f"{name}_subscriber.sdp").write_bytes(offer(client, url, "watch", *kept))
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
