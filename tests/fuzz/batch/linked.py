"""Calls of kernels as they were compiled for the plane; a stage, which has no machine code of its own, gets some.

What calls a kernel in the usual way is compiled together with all that the kernel calls. For the packet path that would
take as long as compiling the plane; so the loops know it by the address of its machine code.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from numba import typeof
from numba.core import cgutils

from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.modes import LINKED


class Linked:
    """A kernel's machine code under a name that compiled loops refer to."""

    def __init__(self, function: Any) -> None:
        self.kernel = kernel(function.py_func) if LINKED and function.kind == "stage" else function
        self.symbol = f"sfu_fuzz_{function.py_func.__name__}"
        self.signature: Any = None

    def link(self, *arguments: Any) -> None:
        """Compile it for arguments such as these, or take it from the cache; before a loop that calls it runs."""
        types = tuple(typeof(argument) for argument in arguments)
        self.kernel.compile(types)
        compiled = self.kernel.overloads[types]
        self.signature = compiled.signature
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        assert address, f"{self.kernel.py_func.__name__} has no machine code of its own"
        llvmlite.binding.add_symbol(self.symbol, address)

    def generate(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """The code of the call, for an intrinsic; what the kernel raises, the caller raises."""
        convention = context.call_conv
        shape = convention.get_function_type(signature.return_type, signature.args)
        callee = cgutils.get_or_insert_function(builder.module, shape, self.symbol)
        status, result = convention.call_function(builder, callee, signature.return_type, signature.args, arguments)
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result
