"""Signatures as a page makes them."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


class Pen:
    """A signer's key, as WebCrypto has it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, statement: str, sha256: str, of: str = "transcript") -> dict[str, str]:
        r, s = decode_dss_signature(self.key.sign(statement.encode(), ec.ECDSA(hashes.SHA256())))
        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return {
            "of": of,
            "sha256": sha256,
            "public_key": base64.b64encode(spki).decode(),
            "signature": base64.b64encode(raw).decode(),
        }


def state_explanation(hearing: str, recording: str, words: str) -> str:
    """What a judge signs who explains a fault of a recording; the hearing by its number, the recording by its id."""
    digest = hashlib.sha256(f"{recording}\n{words}\n".encode()).hexdigest()
    return f"court-signature-v1\n{hearing}\nexplanation\n0\n{digest}\n"


def explain(pen: Pen, statement: str) -> dict[str, str]:
    signed = pen.sign(statement, "")
    return {"public_key": signed["public_key"], "signature": signed["signature"]}
