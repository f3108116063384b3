"""A time stamping authority of our own: `openssl ts` behind a loopback HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[stamping]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa-key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """Its certificates and what it answers."""

    def __init__(self, folder: Path, name: str = "test") -> None:
        folder.mkdir()
        self.folder = folder
        self.ca = folder / "ca.pem"
        config = folder / "openssl.cnf"
        config.write_text(CONFIG.format(folder=folder, name=name))
        (folder / "serial").write_text("01\n")
        new = ["req", "-config", config, "-newkey", "rsa:2048", "-nodes", "-sha256"]
        self._run(*new, "-x509", "-days", "2", "-extensions", "ca", "-keyout", folder / "ca-key.pem", "-out", self.ca)
        self._run(*new, "-subj", f"/CN={name} stamps", "-keyout", folder / "tsa-key.pem", "-out", folder / "tsa.csr")
        self._run(
            "x509", "-req", "-in", folder / "tsa.csr", "-CA", self.ca, "-CAkey", folder / "ca-key.pem", "-days", "2",
            "-extfile", config, "-extensions", "tsa", "-set_serial", "2", "-sha256", "-out", folder / "tsa.pem",
        )  # fmt: skip

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)

    def reply(self, query: bytes) -> bytes:
        asked, answered = self.folder / "query.tsq", self.folder / "reply.tsr"
        asked.write_bytes(query)
        self._run("ts", "-reply", "-config", self.folder / "openssl.cnf", "-section", "stamping", "-queryfile", asked,
                  "-out", answered)  # fmt: skip
        return answered.read_bytes()

    def stamp(self, data: bytes) -> bytes:
        """What it answers when asked to stamp data, by openssl's own client."""
        (self.folder / "data").write_bytes(data)
        query = self.folder / "own.tsq"
        self._run("ts", "-query", "-data", self.folder / "data", "-sha256", "-cert", "-out", query)
        return self.reply(query.read_bytes())


@contextmanager
def serving(answer: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a loopback HTTP server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler_of(authority: Authority) -> type[BaseHTTPRequestHandler]:
    """Answers POST as RFC 3161 section 3.4 says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.headers["Content-Type"] != "application/timestamp-query":
                self.send_error(415)
                return
            answer = authority.reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
