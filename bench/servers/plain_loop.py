"""The plain Python reference: receive, decrypt, and for each subscriber rewrite, encrypt, send.

What one would write first, with nothing wasteful: no asyncio, no objects per packet, headers cut from bytes.
Run as `python -m bench.servers.plain_loop DIRECTORY`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

import pylibsrtp

from bench.client.connect import enlarge_receive_buffer
from bench.links import new_session
from bench.servers.static import AUDIO_TYPE, LIFETIME_S, READY, first_ssrc, open_control

_SEND_BUFFER_BYTES = 4 << 20


def main(directory: Path) -> None:
    """Forward the first publisher's media until the process is ended or its lifetime is over."""
    plan = json.loads((directory / "plan.json").read_text())
    profile = plan["profile"]
    inbound = new_session(profile, bytes.fromhex(plan["publishers"][0]["receive_key"]), outbound=False)
    publisher = tuple(plan["publishers"][0]["address"])
    subscribers = [
        (
            tuple(entry["address"]),
            new_session(profile, bytes.fromhex(entry["send_key"]), outbound=True),
            first_ssrc(index).to_bytes(4, "big"),
            (first_ssrc(index) + 1).to_bytes(4, "big"),
        )
        for index, entry in enumerate(plan["subscribers"])
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        enlarge_receive_buffer(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.settimeout(1.0)
        sock.bind(tuple(plan["listen"]))
        open_control(directory / "control")[READY] = 1
        deadline = time.monotonic() + LIFETIME_S
        while time.monotonic() < deadline:
            try:
                data, address = sock.recvfrom(2048)
            except TimeoutError:
                continue
            if address != publisher or 192 <= data[1] < 224:
                continue  # reports; a full server would read them
            try:
                packet = inbound.unprotect(data)
            except pylibsrtp.Error:
                continue
            head, tail = packet[:8], packet[12:]
            audio = packet[1] & 0x7F == AUDIO_TYPE
            for destination, session, video_ssrc, audio_ssrc in subscribers:
                sock.sendto(session.protect(head + (audio_ssrc if audio else video_ssrc) + tail), destination)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
