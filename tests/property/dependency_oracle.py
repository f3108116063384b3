"""The dependency descriptor in slow, plain Python, written from the specification's Appendix A, not from kernels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field


@dataclass
class Template:
    spatial: int
    temporal: int
    dtis: str  # a symbol of table A.1 for each decode target: - D S R
    fdiffs: list[int] = field(default_factory=list)
    chains: list[int] = field(default_factory=list)


@dataclass
class Structure:
    offset: int
    templates: list[Template]
    protected_by: list[int] = field(default_factory=list)
    resolutions: list[tuple[int, int]] | None = None

    @property
    def targets(self) -> int:
        return len(self.templates[0].dtis)

    @property
    def chains(self) -> int:
        return len(self.templates[0].chains)

    def ids(self, target: int) -> tuple[int, int]:
        """`decode_target_layers()`."""
        inside = [t for t in self.templates if t.dtis[target] != "-"]
        return max([t.spatial for t in inside], default=0), max([t.temporal for t in inside], default=0)


@dataclass
class Descriptor:
    start: int
    end: int
    template: int
    number: int
    structure: Structure | None = None
    active: int | None = None
    dtis: str | None = None
    fdiffs: list[int] | None = None
    chains: list[int] | None = None


class Bits:
    """A string of "0" and "1" that is read from its front."""

    def __init__(self, data: bytes) -> None:
        self.rest = "".join(f"{octet:08b}" for octet in data)

    def f(self, count: int) -> int:
        if count > len(self.rest):
            raise ValueError("cut off")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return int(taken or "0", 2)

    def ns(self, count: int) -> int:
        width, x = 0, count
        while x:
            x >>= 1
            width += 1
        shorter = (1 << width) - count
        value = self.f(width - 1)
        return value if value < shorter else (value << 1) - shorter + self.f(1)


def f(value: int, count: int) -> str:
    assert 0 <= value < 1 << count
    return f"{value:0{count}b}" if count else ""


def ns(value: int, count: int) -> str:
    if count == 1:
        return ""
    width = count.bit_length()
    shorter = (1 << width) - count
    return f(value, width - 1) if value < shorter else f(value + shorter, width)


def dti_bits(symbols: str) -> str:
    return "".join(f("-DSR".index(symbol), 2) for symbol in symbols)


def _read_dtis(bits: Bits, targets: int) -> str:
    return "".join("-DSR"[bits.f(2)] for _ in range(targets))


def write_structure(structure: Structure) -> str:
    templates, targets, chains = structure.templates, structure.targets, structure.chains
    text = f(structure.offset, 6) + f(targets - 1, 5)
    for this, after in itertools.pairwise(templates):
        if (after.spatial, after.temporal) == (this.spatial, this.temporal):
            text += f(0, 2)
        elif (after.spatial, after.temporal) == (this.spatial, this.temporal + 1):
            text += f(1, 2)
        else:
            assert (after.spatial, after.temporal) == (this.spatial + 1, 0)
            text += f(2, 2)
    text += f(3, 2) + "".join(dti_bits(t.dtis) for t in templates)
    for t in templates:
        text += "".join("1" + f(d - 1, 4) for d in t.fdiffs) + "0"
    text += ns(chains, targets + 1)
    if chains:
        text += "".join(ns(chain, chains) for chain in structure.protected_by)
        text += "".join(f(d, 4) for t in templates for d in t.chains)
    if structure.resolutions is None:
        return text + "0"
    return text + "1" + "".join(f(w - 1, 16) + f(h - 1, 16) for w, h in structure.resolutions)


def read_structure(bits: Bits) -> Structure:
    offset, targets = bits.f(6), bits.f(5) + 1
    templates, spatial, temporal = [], 0, 0
    while True:
        templates.append(Template(spatial, temporal, ""))
        step = bits.f(2)
        if step == 3:
            break
        if step == 1:
            temporal += 1
        elif step == 2:
            spatial, temporal = spatial + 1, 0
        if spatial > 3 or temporal > 7 or len(templates) == 64:  # AV1 has two and three bits, template ids six
            raise ValueError("impossible")
    for t in templates:
        t.dtis = _read_dtis(bits, targets)
    for t in templates:
        while bits.f(1):
            t.fdiffs.append(bits.f(4) + 1)
    chains = bits.ns(targets + 1)
    structure = Structure(offset, templates)
    if chains:
        structure.protected_by = [bits.ns(chains) for _ in range(targets)]
        for t in templates:
            t.chains = [bits.f(4) for _ in range(chains)]
    if bits.f(1):
        structure.resolutions = [(bits.f(16) + 1, bits.f(16) + 1) for _ in range(spatial + 1)]
    return structure


def write_descriptor(descriptor: Descriptor, targets: int = 0, *, padding: int = 0) -> bytes:
    """`targets`: the number of decode targets where the descriptor carries no structure but a mask."""
    d = descriptor
    text = f(d.start, 1) + f(d.end, 1) + f(d.template, 6) + f(d.number, 16)
    extended = (d.structure, d.active, d.dtis, d.fdiffs, d.chains)
    if any(part is not None for part in extended):
        text += "".join("0" if part is None else "1" for part in extended)
    if d.structure is not None:
        text += write_structure(d.structure)
        targets = d.structure.targets
    if d.active is not None:
        text += f(d.active, targets)
    if d.dtis is not None:
        text += dti_bits(d.dtis)
    if d.fdiffs is not None:
        for diff in d.fdiffs:
            size = max(1, -(-(diff - 1).bit_length() // 4))
            text += f(size, 2) + f(diff - 1, 4 * size)
        text += f(0, 2)
    if d.chains is not None:
        text += "".join(f(diff, 8) for diff in d.chains)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8) + bytes(padding)


class UnknownTemplateError(Exception):
    """A template that the structure has not."""


def read_descriptor(data: bytes, known: Structure | None) -> Descriptor:
    """ValueError: broken. UnknownTemplateError: refers to what is not there."""
    bits = Bits(data)
    d = Descriptor(bits.f(1), bits.f(1), bits.f(6), bits.f(16))
    flags = [bits.f(1) for _ in range(5)] if len(data) > 3 else [0] * 5
    if flags[0]:
        d.structure = read_structure(bits)
    structure = d.structure or known
    if structure is None or (d.template - structure.offset) % 64 >= len(structure.templates):
        raise ValueError("its own structure has not its template") if flags[0] else UnknownTemplateError
    if flags[1]:
        d.active = bits.f(structure.targets)
    if flags[2]:
        d.dtis = _read_dtis(bits, structure.targets)
    if flags[3]:
        d.fdiffs = []
        while size := bits.f(2):
            d.fdiffs.append(bits.f(4 * size) + 1)
    if flags[4]:
        d.chains = [bits.f(8) for _ in range(structure.chains)]
    return d


@dataclass
class Meaning:
    """What a frame is for each of the 32 Layers, as the packet record has it."""

    spatial: int
    temporal: int
    present: int = 0
    switch: int = 0
    discardable: int = 0


LAYERS = list(itertools.product(range(4), range(8)))


class Reader:
    """One encoding's structure and active decode targets, as its descriptors come in order."""

    def __init__(self) -> None:
        self.structure: Structure | None = None
        self.active: set[int] = set()
        self.server: dict[tuple[int, int], int | None] = {}

    def take(self, data: bytes) -> tuple[Descriptor, Meaning]:
        d = read_descriptor(data, self.structure)
        new = d.structure is not None and d.structure != self.structure
        if d.structure is not None:
            self.structure, self.active = d.structure, set(range(d.structure.targets))
        assert self.structure is not None
        if d.active is not None:
            self.active = {target for target in range(self.structure.targets) if d.active >> target & 1}
        template = self.structure.templates[(d.template - self.structure.offset) % 64]
        if new or (d.structure is not None and not (template.fdiffs if d.fdiffs is None else d.fdiffs)):
            self.enter()
        meaning = Meaning(template.spatial, template.temporal)
        for layer in LAYERS:
            self._describe(layer, d.dtis or template.dtis, meaning)
        return d, meaning

    def _describe(self, layer: tuple[int, int], dtis: str, meaning: Meaning) -> None:
        server, bit = self.server[layer], 1 << (8 * layer[0] + layer[1])
        if server is None:
            return
        meaning.present |= bit if dtis[server] != "-" else 0
        meaning.discardable |= bit if dtis[server] == "D" else 0
        substitute = self.highest(layer, self.active)
        if server in self.active or substitute is None or not self.includes(server, substitute):
            substitute = server
        meaning.switch |= bit if "S" in (dtis[server], dtis[substitute]) else 0

    def enter(self) -> None:
        """At a key frame: which decode target serves each Layer."""
        assert self.structure is not None
        for layer in LAYERS:
            wanted = self.highest(layer, set(range(self.structure.targets)))
            present = self.highest(layer, self.active)
            lost = wanted not in self.active and wanted is not None and present is not None
            self.server[layer] = present if lost and not self.includes(wanted, present) else wanted

    def stranded(self) -> int:
        """The Layers of which nothing comes though something could, as a mask."""
        mask = 0
        for layer, server in self.server.items():
            could = self.highest(layer, self.active)
            if server is not None and could is not None and server not in self.active:
                mask |= 0 if self.includes(server, could) else 1 << (8 * layer[0] + layer[1])
        return mask

    def highest(self, layer: tuple[int, int], among: set[int]) -> int | None:
        """The best decode target for a Layer."""
        assert self.structure is not None
        fitting = [(self.structure.ids(target), -target) for target in among]
        fitting = [(ids, order) for ids, order in fitting if ids[0] <= layer[0] and ids[1] <= layer[1]]
        return -max(fitting)[1] if fitting else None

    def includes(self, target: int, other: int) -> bool:
        """Whether all frames of the one are frames of the other."""
        assert self.structure is not None
        return all(t.dtis[target] != "-" or t.dtis[other] == "-" for t in self.structure.templates)

    def complete(self, layer: tuple[int, int]) -> int:
        """The active decode targets, as a mask, of which a subscriber of a Layer gets all frames."""
        server = self.server[layer]
        found = {k for k in self.active if server is None or self.includes(server, k)}
        return sum(1 << k for k in found or self.active)
