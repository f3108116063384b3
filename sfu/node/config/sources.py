"""Where settings come from: flags over environment (`SFU_...`) over a TOML file over defaults.

All problems are reported at once, each with the key and the place that its value came from.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

import sfu
from sfu.node.admission.quotas import EVERYBODY
from sfu.node.config.settings import ENV_PREFIX, Settings

CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
_OTHERS = {CONFIG_VARIABLE, ENV_PREFIX + "KERNEL_CACHE"}
"""Environment variables that look like settings and are read elsewhere."""


@dataclass(frozen=True)
class SettingProblem:
    """One wrong setting: `key` as in the file, what is wrong, and where the value came from."""

    key: str
    message: str
    origin: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message} (from {self.origin})"


class SettingsError(Exception):
    """The configuration cannot be used; `problems` says why, one by one."""

    def __init__(self, problems: list[SettingProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_settings(flags: Mapping[str, Any], file: Path | None, *, need_keys: bool = True) -> Settings:
    """Read and check all settings.

    `flags` holds values by key, None for a flag that was not given. The TOML `file` must exist. Raises SettingsError.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    table = _read_file(file) if file is not None else {}
    origins = _Origins(given, file, table)
    try:
        settings = _build(given, file)
    except ValidationError as error:
        raise SettingsError([_explain(dict(item), origins) for item in error.errors()]) from error
    _check_together(settings, origins, need_keys)
    return settings


def find_unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return environment variables that look like settings and are none: they are probably misspelt."""
    known = {ENV_PREFIX + key.upper() for key in Settings.model_fields} | _OTHERS
    return sorted(name for name in environ if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)


def _build(flags: dict[str, Any], file: Path | None) -> Settings:
    class FromSources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            if file is None:
                return init_settings, env_settings
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    return FromSources(**flags)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError([SettingProblem("config", f"cannot read it: {error.strerror}", str(file))]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([SettingProblem("config", f"is not TOML: {error}", str(file))]) from error


class _Origins:
    def __init__(self, flags: Mapping[str, Any], file: Path | None, table: Mapping[str, Any]) -> None:
        self._flags = flags
        self._file = file
        self._table = table
        self._variables = {name.upper(): name for name in os.environ}

    def find(self, key: str) -> str:
        if key in self._flags:
            return f"flag --{key.replace('_', '-')}"
        variable = self._variables.get(ENV_PREFIX + key.upper())
        if variable is not None:
            return f"environment variable {variable}"
        if key in self._table:
            return f"file {self._file}"
        return "default"


def _explain(item: dict[str, Any], origins: _Origins) -> SettingProblem:
    path = [str(part) for part in item["loc"]] or ["config"]
    origin = origins.find(path[0])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], Settings.model_fields, 1) if len(path) == 1 else []
        message = "is not a setting" + (f"; did you mean {near[0]}?" if near else "")
    else:
        message = str(item["msg"]).removeprefix("Value error, ")
    if path[0] == "port" and str(item.get("input", "")).startswith("tcp://"):
        message += "; Kubernetes sets this variable for a service called 'sfu': set enableServiceLinks to false"
    return SettingProblem(".".join(path), message, origin)


def _check_together(settings: Settings, origins: _Origins, need_keys: bool) -> None:
    problems = []
    try:
        settings.build_config()
    except sfu.ConfigError as error:
        key = "udp_host" if error.key == "host" and settings.udp_host else error.key
        message = str(error).removeprefix(f"{error.key}: ")
        problems.append(SettingProblem(key, message, origins.find(key)))
    try:
        settings.build_turn()
    except sfu.ConfigError as error:
        problems.append(SettingProblem(error.key, str(error).removeprefix(f"{error.key}: "), origins.find(error.key)))
    problems += _check_recording(settings, origins)
    problems += [SettingProblem(key, text, origins.find(key)) for key, text in settings.find_cluster_problems()]
    unknown = sorted(settings.quotas.keys() - {EVERYBODY, *settings.list_tenants()})
    if unknown and need_keys:
        message = f"{unknown[0][:64]!r} is the id of no key; quotas are for ids of keys and livekit_keys, or for '*'"
        problems.append(SettingProblem("quotas", message, origins.find("quotas")))
    if settings.dev and not settings.is_loopback():
        message = "development is for this machine, so dev listens on a loopback address only; set keys for others"
        problems.append(SettingProblem("host", message, origins.find("host")))
    if need_keys and not settings.dev and not settings.keys:
        message = "no key is set, so nobody could come in; set one (id = secret), or use dev to try things out"
        problems.append(SettingProblem("keys", message, origins.find("keys")))
    if problems:
        raise SettingsError(problems)


def _check_recording(settings: Settings, origins: _Origins) -> list[SettingProblem]:
    """Check what can be checked without the disks, which the node looks at when it starts."""
    found = {}
    try:
        settings.build_recording_options()
    except sfu.ConfigError as error:
        found[error.key] = str(error).removeprefix(f"{error.key}: ")
    if settings.record_dir and not (settings.record_key or settings.record_signer or settings.dev):
        found["record_key"] = (
            "records are signed, so record_dir needs a key; make one with: "
            "(umask 077; openssl genpkey -algorithm ed25519 -out record-key.pem)"
        )
    if settings.record_key and settings.record_signer:
        found["record_signer"] = "is set beside record_key: the key is either here or in the signer's process"
    if not settings.record_dir:
        for key in ("record_key", "record_signer", "record_mirrors", "record_journal"):
            if getattr(settings, key):
                found[key] = "is set without record_dir, so nothing would be recorded"
    return [SettingProblem(key, message, origins.find(key)) for key, message in found.items()]
