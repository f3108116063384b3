"""What a signer signs for others, and what not."""

from __future__ import annotations

import json
import random

import pytest

from sfu.recording.folder import MANIFEST
from sfu.recording.signable import MAX_BYTES, UnsignableError, check_signable
from sfu.recording.signing import SigningKey, build_head_statement
from tests.recording_samples import build_record

KEY = SigningKey.generate()
HEAD = build_head_statement("5" * 32, 7, 1_000_000, "2026-01-31T09:00:00.250000Z", "a" * 64)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (build_record(tmp_path_factory.mktemp("signable") / "record", KEY).folder / MANIFEST).read_bytes()


def test_heads_and_manifests_are_signed(manifest: bytes) -> None:
    assert check_signable(HEAD, KEY.key_id) == "head"
    assert check_signable(manifest, KEY.key_id) == "manifest"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"anything else",
        HEAD[:-1],
        HEAD + b"\n",
        HEAD + HEAD,
        HEAD.replace(b"v1", b"v2"),
        HEAD.replace(b"\n7\n", b"\n07\n"),
        HEAD.replace(b"\n7\n", b"\n-7\n"),
        HEAD.replace(b"09:00", b"25:00"),
        HEAD.replace(b"a", b"A"),
        HEAD.replace(b"\n", b"\r\n"),
        b"\x30\x82" + HEAD,
        b"{}\n",
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_nothing_else_is(data: bytes) -> None:
    with pytest.raises(UnsignableError):
        check_signable(data, KEY.key_id)


def test_no_manifest_with_anything_more_or_less_or_of_another_key_is(manifest: bytes) -> None:
    fields = json.loads(manifest)
    for key in fields:
        less = {name: value for name, value in fields.items() if name != key}
        for changed in (less, fields | {key: None}, fields | {key: {"pay": "me"}}, less | {key: fields[key]}):
            if list(changed.items()) == list(fields.items()):
                continue
            data = json.dumps(changed, separators=(",", ":")).encode() + b"\n"
            with pytest.raises(UnsignableError):
                check_signable(data, KEY.key_id)
    with pytest.raises(UnsignableError, match="another key"):
        check_signable(manifest, SigningKey.generate().key_id)
    for path in (b"../etc/passwd", b"manifest.json", b"note.txt"):
        with pytest.raises(UnsignableError, match="none of a record"):
            check_signable(manifest.replace(b"ledger.jsonl", path), KEY.key_id)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_a_bit_off_is_refused_or_is_a_head_or_manifest_in_every_byte(seed: int, manifest: bytes) -> None:
    dice = random.Random(seed)
    for _ in range(2000):
        data = bytearray(dice.choice([HEAD, manifest]))
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.5:
            del data[dice.randrange(len(data)) :]
        try:
            kind = check_signable(bytes(data), KEY.key_id)
        except UnsignableError:
            continue
        assert data.startswith(b"sfu-record-head-v1\n" if kind == "head" else b'{"format":"sfu-record-manifest",')
