"""How the compiler takes a bundle: as a pointer to its parts (`bundle.py`)."""

from __future__ import annotations

import hashlib
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)


class BundleType(types.Type):
    """The type of a bundle; as an argument it is known by a digest of its parts' types."""

    def __init__(self, parts: types.NamedTuple) -> None:
        self.parts = parts
        digest = hashlib.sha256(str(parts).encode()).hexdigest()[:16]
        super().__init__(f"{parts.instance_class.__name__}.{digest}")


@register_model(BundleType)
class _BundleModel(models.PrimitiveModel):
    def __init__(self, manager: Any, bundle_type: BundleType) -> None:
        super().__init__(manager, bundle_type, ir.IntType(8).as_pointer())


@infer_getattr
class _BundleAttributes(AttributeTemplate):
    key = BundleType

    def generic_resolve(self, bundle_type: BundleType, name: str) -> Any:  # type: ignore[override]
        parts = bundle_type.parts
        return parts.types[parts.fields.index(name)] if name in parts.fields else None


@unbox(BundleType)
def _unbox_bundle(bundle_type: BundleType, value: Any, c: Any) -> Any:
    """Put the parts on the stack of the entry from Python, which lasts as long as the kernel runs."""
    unboxed = c.unbox(bundle_type.parts, value)
    place = cgutils.alloca_once_value(c.builder, unboxed.value)
    address = c.builder.bitcast(place, ir.IntType(8).as_pointer())
    return NativeValue(address, is_error=unboxed.is_error, cleanup=unboxed.cleanup)


@lower_getattr_generic(BundleType)
def _read_part(context: Any, builder: Any, bundle_type: BundleType, address: Any, name: str) -> Any:
    parts = bundle_type.parts
    index = parts.fields.index(name)
    place = builder.bitcast(address, context.get_value_type(parts).as_pointer())
    part = _load(builder, cgutils.gep_inbounds(builder, place, 0, index))
    return impl_ret_borrowed(context, builder, parts.types[index], part)


def _load(builder: Any, place: Any) -> Any:
    """Load what stands at `place`, each scalar by itself, so that LLVM drops what is not used."""
    shape = place.type.pointee
    if not isinstance(shape, ir.LiteralStructType | ir.ArrayType):
        loaded = builder.load(place)
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded
    whole = ir.Constant(shape, ir.Undefined)
    for index in range(len(shape)):
        whole = builder.insert_value(whole, _load(builder, cgutils.gep_inbounds(builder, place, 0, index)), index)
    return whole


def register(cls: type) -> None:
    """Give values of this class the type of a bundle."""

    @typeof_impl.register(cls)
    def type_of(value: Any, context: Any) -> BundleType:
        return BundleType(types.NamedTuple([typeof_impl(part, context) for part in value], cls))
