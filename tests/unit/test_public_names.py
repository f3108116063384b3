from __future__ import annotations

import subprocess
import sys

import pytest

import sfu


def test_each_public_name_is_found_where_it_is_defined() -> None:
    assert set(sfu._HOMES) == set(sfu.__all__)
    for name in sfu.__all__:
        found = getattr(sfu, name)
        if hasattr(found, "__qualname__"):  # neither a module nor a constant
            assert (found.__module__, found.__qualname__) == (sfu._HOMES[name], name)
    assert sfu.events is sys.modules["sfu.events"]
    assert set(sfu.__all__) <= set(dir(sfu))


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sfu' has no attribute 'Sever'"):
        _ = sfu.Sever  # type: ignore[attr-defined]


def test_the_package_alone_loads_no_compiler() -> None:
    code = "import sys, sfu; print('numba' in sys.modules); sfu.Config; print('sfu.config' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]


def test_a_node_loads_the_livekit_protocol_only_where_it_speaks_it() -> None:
    code = "import sys, sfu.node.serve; print({'livekit.protocol', 'google.protobuf', 'httpx'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["set()"]
