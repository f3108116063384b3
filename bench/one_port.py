"""What the TCP port costs: so many participants by ICE-TCP over TLS, and a shard that sends and receives their packets.

Run `python -m bench.one_port`. The figure that counts is the CPU time of the pump's thread for a packet, and for all
participants; the clients and the shard here are processes of their own. A participant takes three cameras of 500 kbit/s
(30 pictures a second, of two packets each) and three microphones, and sends one of each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import select
import socket
import ssl
import struct
import tempfile
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

from aioice.stun import Class, Message, Method

from sfu.tcp.mux import TcpMux
from sfu.tcp.tls import Certificate
from sfu.tcp.ways import TcpLimits, Ways
from tests.unit.tcp.certificates import make_certificate

AUDIO, VIDEO = 120, 1050
TICK_S = 1 / 150
"""Each participant gets one of three microphones' packets at each tick, and each fifth of them one camera's picture."""
STAMP = struct.Struct("!d")


def run_shard(port: Connection, told: Connection, participants: int, seconds: float) -> None:
    """Send to each who has checked in, and count what comes."""
    shard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    shard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    shard.bind(("127.0.0.1", 0))
    port.send(shard.getsockname()[1])
    known: dict[tuple[str, int], None] = {}
    while len(known) < participants:
        known[shard.recvfrom(2048)[1]] = None
    told.send(None)
    shard.setblocking(False)
    addresses = list(known)
    sent = received = tick = 0
    audio, video = bytes(AUDIO - STAMP.size), bytes(VIDEO - STAMP.size)
    began = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        stamp = STAMP.pack(now)
        for k, address in enumerate(addresses):
            shard.sendto(stamp + audio, address)
            sent += 1
            if (tick + k) % 5 < 3:
                shard.sendto(stamp + video, address)
                shard.sendto(stamp + video, address)
                sent += 2
        tick += 1
        try:
            while True:
                shard.recv(2048)
                received += 1
        except BlockingIOError:
            pass
        time.sleep(max(0.0, began + tick * TICK_S - time.monotonic()))
    told.send((sent, received, time.monotonic() - began))


def run_clients(port: int, told: Connection, participants: int) -> None:
    """Check in, send, read all that comes, and take the delay of what one of them gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    clients: dict[int, ssl.SSLSocket] = {}
    poller = select.epoll()
    check = bytes(Message(Method.BINDING, Class.REQUEST, bytes(12), {"USERNAME": "bench:bench"}))
    for _ in range(participants):
        client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
        client.sendall(struct.pack("!H", len(check)) + check)
        client.setblocking(False)
        clients[client.fileno()] = client
        poller.register(client.fileno(), select.EPOLLIN)
    watched = next(iter(clients))
    stream, delays, octets = b"", deque[float](), 0
    packet = struct.pack("!H", VIDEO) + bytes(VIDEO)
    turns = deque(clients.values())
    due = time.monotonic()
    while not told.poll():
        for descriptor, _ in poller.poll(0.01, 64):
            data = b""
            try:
                while more := clients[descriptor].recv(65536):
                    data += more
            except ssl.SSLWantReadError:
                pass
            octets += len(data)
            if descriptor == watched:
                stream += data
                while len(stream) >= 2 and len(stream) >= (size := 2 + struct.unpack_from("!H", stream)[0]):
                    delays.append(time.monotonic() - STAMP.unpack_from(stream, 2)[0])
                    stream = stream[size:]
        while due < time.monotonic():  # a hundred packets a second of each
            due += 0.01 / participants
            turns[0].send(packet)
            turns.rotate()
    ordered = sorted(delays)
    told.send((octets, [ordered[int(len(ordered) * part)] for part in (0.5, 0.99)]))


async def measure(participants: int, seconds: float, stack: contextlib.ExitStack) -> None:
    """Run them all, and print what the pump took."""
    spawn = multiprocessing.get_context("spawn")
    near, far = spawn.Pipe()
    shard_near, shard_far = spawn.Pipe()
    shard = spawn.Process(target=run_shard, args=(far, shard_far, participants, seconds), daemon=True)
    shard.start()
    udp_port = await asyncio.to_thread(near.recv)
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    certificate = Certificate(*make_certificate(Path(folder)))
    ways = Ways(
        find_port=lambda check: udp_port,
        set_origin=lambda address, origin, tcp: None,
        media_host="127.0.0.1",
        enter=lambda host: True,
        left=lambda host: None,
    )
    mux = TcpMux(ways, turn=None, certificate=certificate, limits=TcpLimits(connections=participants + 1))
    await mux.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    asyncio.get_running_loop().add_reader(listener, lambda: mux.take(*listener.accept()))
    clients_near, clients_far = spawn.Pipe()
    clients = spawn.Process(
        target=run_clients, args=(listener.getsockname()[1], clients_far, participants), daemon=True
    )
    clients.start()
    await asyncio.to_thread(shard_near.recv)
    before, packets = mux.cpu_s or 0.0, mux.counters()
    sent, received, took = await asyncio.to_thread(shard_near.recv)
    used = (mux.cpu_s or 0.0) - before
    clients_near.send(None)
    _, (median, late) = await asyncio.to_thread(clients_near.recv)
    counted = {name: count - packets[name] for name, count in mux.counters().items()}
    await mux.close()
    moved = counted["packets_out"] + counted["packets_in"]
    print(f"{participants} participants for {took:.1f} s: {sent / took:.0f} packets/s out, {received / took:.0f} in")
    print(f"pump: {used / took:.2f} of a core, {used / moved * 1e6:.1f} us a packet; {counted}")
    print(
        f"delay from shard to client, the generator's own included: median {median * 1e3:.1f} ms, p99 {late * 1e3:.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        asyncio.run(measure(chosen.participants, chosen.seconds, stack))
