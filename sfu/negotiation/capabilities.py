"""What the server can forward: codecs in their order of preference, feedback and header extensions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sfu.wire.extensions import Extension

from .profiles import H264_PROFILES, h264_profile
from .sdp import MediaDescription, parse_number
from .types import Codec, Kind

__all__ = [
    "DEFAULT_PREFERENCES",
    "choose_codec",
    "codec_to_receive",
    "extensions_of",
    "kind_of",
    "list_offered",
    "read_codecs",
]

DEFAULT_PREFERENCES = ("opus", "VP8", "VP9", "H264", "AV1")

# name in lower case -> (kind, canonical name, clock rate in Hz, channels)
_CODECS: dict[str, tuple[Kind, str, int, int]] = {
    "opus": ("audio", "opus", 48000, 2),
    "vp8": ("video", "VP8", 90000, 0),
    "vp9": ("video", "VP9", 90000, 0),
    "h264": ("video", "H264", 90000, 0),
    "av1": ("video", "AV1", 90000, 0),
}

# What we ask of a publisher, in the configuration that every browser decodes.
_RECEIVE_PARAMETERS = {
    "opus": {"minptime": "10", "useinbandfec": "1"},
    "VP8": {},
    "VP9": {"profile-id": "0"},
    "H264": {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"},
    "AV1": {"level-idx": "5", "profile": "0", "tier": "0"},
}

_AUXILIARY = ("rtx", "red", "ulpfec", "flexfec-03", "flexfec", "telephone-event", "cn")
"""Names in `a=rtpmap` that accompany codecs and are none themselves."""

_NACK = "nack"
_VIDEO_FEEDBACK = (_NACK, "nack pli", "ccm fir")
_TRANSPORT_CC = "transport-cc"
REMB = "goog-remb"
"""Receiver estimated maximum bit rate, for clients without transport-wide feedback."""

_AUDIO_EXTENSIONS = (Extension.MID, Extension.AUDIO_LEVEL, Extension.ABS_SEND_TIME)
_VIDEO_EXTENSIONS = (
    Extension.MID,
    Extension.RID,
    Extension.RRID,
    Extension.ABS_SEND_TIME,
    Extension.VIDEO_ORIENTATION,
    Extension.DEPENDENCY_DESCRIPTOR,
    Extension.PLAYOUT_DELAY,
    Extension.FRAME_MARKING,
)

_MAX_PARAMETERS = 32
_MAX_PARAMETER_LENGTH = 1400
"""Longest format parameter, in characters: H.264 parameter sets may be among them."""


def check_preferences(preferences: Sequence[str]) -> dict[str, int]:
    """Return each codec name's rank, 0 for the best, by canonical name. Raises `ValueError` for an unknown name."""
    ranks: dict[str, int] = {}
    for name in preferences:
        known = _CODECS.get(name.lower())
        if known is None:
            raise ValueError(f"unknown codec {name!r}; known are {', '.join(DEFAULT_PREFERENCES)}")
        ranks.setdefault(known[1], len(ranks))
    return ranks


def feedback_of(kind: Kind, *, transport_cc: bool) -> tuple[str, ...]:
    """Return the RTCP feedback that we understand for a kind of media (RFC 4585 section 4.2, RFC 5104 section 7.1)."""
    common = (_TRANSPORT_CC,) if transport_cc else ()
    if kind != "video":
        return (_NACK, *common)
    return (*_VIDEO_FEEDBACK, *common, REMB) if transport_cc else _VIDEO_FEEDBACK


def extensions_of(kind: Kind, *, transport_cc: bool) -> tuple[Extension, ...]:
    """Return the header extensions that we understand for a kind of media."""
    common = (Extension.TRANSPORT_SEQUENCE,) if transport_cc else ()
    return (*(_VIDEO_EXTENSIONS if kind == "video" else _AUDIO_EXTENSIONS), *common)


def codec_to_receive(name: str, *, transport_cc: bool) -> Codec:
    """Return the codec of this name as we would like a publisher to send it; its payload type is 0, to be set."""
    kind, canonical, clock_rate, channels = _CODECS[name.lower()]
    feedback = feedback_of(kind, transport_cc=transport_cc)
    return Codec(kind, canonical, clock_rate, channels, 0, dict(_RECEIVE_PARAMETERS[canonical]), feedback)


def kind_of(name: str) -> Kind:
    """The kind of a codec that we know."""
    return _CODECS[name.lower()][0]


def list_offered(media: MediaDescription, ranks: Collection[str]) -> tuple[str, ...]:
    """Return the names of the media codecs that a section offers, known to us or not; the first eight, for messages.

    A codec that we take (in `ranks`) is listed with its configuration, since that may be why it was not taken.
    """
    maps = _by_payload_type(media.attributes.all("rtpmap"))
    formats = _by_payload_type(media.attributes.all("fmtp"))
    names: dict[str, None] = {}
    for text in dict.fromkeys(media.formats):
        name, _, rest = maps.get(text, [f"payload type {text}"])[0].partition("/")
        known = _CODECS.get(name.lower())
        if known is not None and known[1] in ranks:
            detail = " ".join([f"/{rest}", *formats.get(text, [])[:1]])
            name = f"{name[:32]}{detail[:80]}"
        if name.lower() not in _AUXILIARY and name.isprintable():
            names[name[:112]] = None
    return tuple(names)[:8]


def _by_payload_type(values: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in values:
        payload_type, _, rest = value.partition(" ")
        found.setdefault(payload_type, []).append(rest.strip())
    return found


def _read_feedback(values: Iterable[str]) -> dict[str, set[str]]:
    """Return the kinds of feedback of each payload type; "*" stands for all (RFC 4585 section 4.2)."""
    found: dict[str, set[str]] = {}
    for value in values:
        payload_type, *words = value.lower().split() or [""]
        found.setdefault(payload_type, set()).add(" ".join(words))
    return found


def _split_map(text: str) -> tuple[str, str, str]:
    """Split an `a=rtpmap` into name, clock rate and channels; "" for a part that is left out."""
    name, rate, channels = (*text.split("/", 2), "", "")[:3]
    return name.strip().lower(), rate.strip(), channels.strip()


def _read_parameters(lines: list[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for line in lines:
        for item in line.split(";", _MAX_PARAMETERS)[:_MAX_PARAMETERS]:
            name, _, value = map(str.strip, item.partition("="))
            if name and len(name) + len(value) <= _MAX_PARAMETER_LENGTH:
                parameters[name.lower()] = value
    return parameters


def read_codecs(media: MediaDescription, ranks: dict[str, int], *, transport_cc: bool) -> list[Codec]:
    """Return the codecs of a section that we know and want (`ranks`), in the section's order.

    A payload type outside the dynamic and static ranges, listed twice, or clashing with RTCP (64 to 95, RFC
    5761 section 4) is passed over, and so is an entry whose profile makes no sense: such a codec is not
    usable, the others may be. Opus may have its channels left out (RFC 7587 section 7 wants two): they say nothing.
    """
    maps = _by_payload_type(media.attributes.all("rtpmap"))
    formats = _by_payload_type(media.attributes.all("fmtp"))
    feedbacks = _read_feedback(media.attributes.all("rtcp-fb"))
    listed = tuple(dict.fromkeys(media.formats))
    codecs: dict[int, Codec] = {}
    for text in listed:
        payload_type = parse_number(text, 127)
        mapped = maps.get(text)
        if payload_type is None or payload_type in codecs or 64 <= payload_type <= 95 or not mapped:
            continue
        name, rate, suffix = _split_map(mapped[0])
        known = _CODECS.get(name)
        if known is None or known[0] != media.kind or known[1] not in ranks:
            continue
        kind, canonical, clock_rate, most = known
        channels = min(parse_number(suffix, 2) or 0, most)
        if rate != str(clock_rate) or (kind == "audio" and suffix and not channels):
            continue
        parameters = _read_parameters(formats.get(text, []))
        offered = (feedbacks.get(text, ()), feedbacks.get("*", ()))
        mine = feedback_of(kind, transport_cc=transport_cc)
        feedback = tuple(item for item in mine if any(item in each for each in offered))
        if _TRANSPORT_CC in feedback:
            feedback = tuple(item for item in feedback if item != REMB)
        codec = Codec(kind, canonical, clock_rate, channels, payload_type, parameters, feedback)
        if _is_usable(codec):
            codecs[payload_type] = codec
    repairs = _read_repairs(listed, maps, formats)
    redundant = _read_redundant(listed, maps, formats)
    places = {payload_type: place for place, payload_type in enumerate(listed)}
    found = []
    for payload_type, codec in codecs.items():
        if codec.kind == "video":
            found.append(replace(codec, repair_type=repairs.get(payload_type, 0)))
        else:
            redundant_type = redundant.get(payload_type, 0)
            first = bool(redundant_type) and places[str(redundant_type)] < places[str(payload_type)]
            found.append(replace(codec, redundant_type=redundant_type, redundant_first=first))
    return found


def _is_free(text: str, maps: dict[str, list[str]]) -> int:
    """The payload type that `text` names, if it can be one of media (RFC 5761 section 4) and is mapped; else 0."""
    payload_type = parse_number(text, 127)
    return payload_type if payload_type and not 64 <= payload_type <= 95 and text in maps else 0


def _read_repairs(listed: Iterable[str], maps: dict[str, list[str]], formats: dict[str, list[str]]) -> dict[int, int]:
    """Map a codec's payload type to that of its retransmissions (RFC 4588 section 8.1); the first of several."""
    repairs: dict[int, int] = {}
    for text in listed:
        if _split_map(maps.get(text, [""])[0])[:2] != ("rtx", "90000") or not _is_free(text, maps):
            continue
        repaired = parse_number(_read_parameters(formats.get(text, [])).get("apt", ""), 127)
        if repaired is not None and _split_map(maps.get(str(repaired), ["rtx"])[0])[0] != "rtx":
            repairs.setdefault(repaired, int(text))
    return repairs


def _read_redundant(listed: Iterable[str], maps: dict[str, list[str]], formats: dict[str, list[str]]) -> dict[int, int]:
    """Map the payload type of each codec to that of the RED whose blocks all hold it (RFC 2198 section 5)."""
    redundant: dict[int, int] = {}
    for text in listed:
        name, rate, channels = _split_map(maps.get(text, [""])[0])
        if (name, rate) != ("red", "48000") or channels not in ("", "2") or not _is_free(text, maps):
            continue
        blocks = set((formats.get(text) or [""])[0].split(";")[0].strip().split("/"))
        carried = parse_number(blocks.pop(), 127) if len(blocks) == 1 else None
        if carried is not None and str(carried) != text:
            redundant.setdefault(carried, int(text))
    return redundant


def _is_usable(codec: Codec) -> bool:
    """Whether the profile exists, and H.264 is not interleaved (packetization mode 2, which nobody speaks)."""
    if codec.name == "H264":
        mode, profile = codec.configuration
        return mode in ("0", "1") and profile in H264_PROFILES
    return all(profile in ("0", "1", "2", "3") for profile in codec.configuration)


def _quality(codec: Codec) -> tuple[int, ...]:
    if codec.name == "H264":
        mode, profile = codec.configuration
        return (mode != "1", profile != "constrained-baseline")
    return (codec.configuration not in ((), ("0",)),)


def choose_codec(codecs: Sequence[Codec], preferred: str = "") -> Codec | None:
    """Choose the codec to receive of `codecs`: `preferred` if it is there, else by the client's order; among variants
    of one, what most receivers decode. With `red` that of RED is chosen, and RED before it.

    The client's order counts (RFC 3264 section 6.1): some send their first whatever the answer says. H.264 is wanted
    with packetization mode 1 and constrained baseline, VP9 and AV1 with profile 0.
    """
    wanted = preferred.casefold()
    if wanted == "red":
        redundant = [codec for codec in codecs if codec.redundant_type]
        codecs = [replace(codec, redundant_first=True) for codec in redundant] or codecs
    codecs = [codec for codec in codecs if codec.name.casefold() == wanted] or codecs
    first = [codec for codec in codecs if codec.name == codecs[0].name]
    return min(first, key=_quality, default=None)


def answer_parameters(codec: Codec) -> dict[str, str]:
    """Return the format parameters to answer with for a codec that the client sends.

    They are the client's own, so what it would like to send (`stereo`, `usedtx`) is granted; only parameter sets are
    left out, which describe what the answerer would send (RFC 6184 section 8.2.2). For Opus we ask for in-band FEC (RFC
    7587 section 6.1), which costs little and serves every subscriber.
    """
    parameters = dict(codec.parameters)
    if codec.name == "opus":
        parameters["useinbandfec"] = "1"
    elif codec.name == "H264":
        parameters = {name: value for name, value in parameters.items() if not name.startswith("sprop-")}
    return parameters


def forwarded_parameters(codec: Codec) -> dict[str, str]:
    """Return the format parameters under which a Track's codec is described to its subscribers.

    Built anew from checked values: what one client wrote does not reach another client as text. Raises
    `ValueError` (the caller's fault) for a codec that no negotiation of ours has yielded.
    """
    if codec.name not in _RECEIVE_PARAMETERS or not _is_usable(codec):
        raise ValueError(f"{codec.name} {codec.configuration} is no codec that the server forwards")
    parameters = dict(_RECEIVE_PARAMETERS[codec.name])
    if codec.name == "opus":
        if "1" in (codec.parameters.get("stereo"), codec.parameters.get("sprop-stereo")):
            parameters |= {"stereo": "1", "sprop-stereo": "1"}
        if codec.parameters.get("usedtx") == "1":
            parameters["usedtx"] = "1"
    elif codec.name == "H264":
        mode = codec.parameters.get("packetization-mode")
        parameters["packetization-mode"] = "1" if mode == "1" else "0"
        profile = codec.parameters.get("profile-level-id")
        if profile is not None and h264_profile(profile) is not None:
            parameters["profile-level-id"] = profile.lower()[:4] + "1f"
    elif codec.name == "VP9":
        parameters["profile-id"] = codec.configuration[0]
    elif codec.name == "AV1":
        parameters["profile"] = codec.configuration[0]
    return parameters
