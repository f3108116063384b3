"""The node's store of records: its folders and its key, which are checked before they are used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import sfu
from sfu.node.config.folders import check_folder
from sfu.node.config.settings import Settings
from sfu.recording.folder import write_whole
from sfu.recording.journal import find_journal_beside
from sfu.signaling import RecordStore

_log = logging.getLogger("sfu.node")


def open_record_store(settings: Settings) -> RecordStore | None:
    """Return the store that `sfu serve` records with; None if it does not record. Raises sfu.ConfigError.

    Only in development is anything created: the records' folder, and beside it the key that signs them, with its public
    half. In service a missing folder more likely means a disk that is not mounted.
    """
    if not settings.record_dir:
        return None
    if settings.dev:
        _make_folder(settings.record_dir)
    folder = check_folder("record_dir", settings.record_dir)
    mirrors = tuple(check_folder("record_mirrors", mirror) for mirror in settings.record_mirrors)
    places = (folder, *mirrors)
    for index, mirror in enumerate(mirrors, 1):
        for other in places[:index]:
            if mirror.is_relative_to(other) or other.is_relative_to(mirror):
                raise sfu.ConfigError("record_mirrors", f"{mirror} and {other} must not lie within each other")
    key: sfu.Signer
    if settings.record_signer:
        key = _connect_signer(settings.record_signer)
    else:
        key = _load_key(Path(settings.record_key), places) if settings.record_key else _make_key(folder)
    return RecordStore(
        folder,
        key,
        mirrors,
        options=settings.build_recording_options(),
        most=settings.max_recordings,
        journal=_open_journal(settings.record_journal, folder, places),
    )


def _make_folder(path: str) -> None:
    try:
        Path(path).mkdir(exist_ok=True)
    except OSError as error:
        raise sfu.ConfigError("record_dir", f"the folder {path} cannot be made: {error.strerror}") from error


def _open_journal(setting: str, folder: Path, places: Sequence[Path]) -> sfu.Journal:
    """Return the journal of closed records, which must not be in a folder of records: who can write there could alter
    it.
    """
    path = Path(setting).resolve() if setting else find_journal_beside(folder)
    if any(path.is_relative_to(place) for place in places):
        raise sfu.ConfigError("record_journal", f"{path} stands among the records, which it is to protect")
    journal = sfu.Journal(path)
    try:
        journal.check()
    except sfu.RecordError as error:
        raise sfu.ConfigError("record_journal", f"{error}; name a file that this server can write") from error
    return journal


def _load_key(path: Path, places: Sequence[Path]) -> sfu.SigningKey:
    try:
        key = sfu.load_signing_key(path)
    except (sfu.RecordError, ValueError) as error:
        raise sfu.ConfigError("record_key", str(error)) from error
    if any(path.resolve().is_relative_to(place) for place in places):
        raise sfu.ConfigError(
            "record_key", f"{path} stands among the records, where their readers are; who has it could forge them"
        )
    _log.info("records are signed", extra={"key": key.key_id})
    return key


def _connect_signer(path: str) -> sfu.Signer:
    try:
        signer = sfu.RemoteSigner.connect(path)
    except sfu.RecordError as error:
        raise sfu.ConfigError("record_signer", str(error)) from error
    _log.info("records are signed by another process", extra={"key": signer.key_id, "socket": path})
    return signer


def _make_key(folder: Path) -> sfu.SigningKey:
    """Return the key beside the records' folder, made at the first start; for development."""
    private = folder.with_name(f"{folder.name}-key.pem")
    public = folder.with_name(f"{folder.name}-key.pub.pem")
    try:
        key, made = sfu.load_or_create_signing_key(private)
        write_whole(public, key.public.pem)
    except (sfu.RecordError, OSError) as error:
        raise sfu.ConfigError("record_key", str(error)) from error
    message = "made a key that signs records; verifiers pin its public half" if made else "records are signed"
    _log.info(message, extra={"key": key.key_id, "public_key": str(public)})
    return key
