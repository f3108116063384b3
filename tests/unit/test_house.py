"""Rules of the house that no other tool checks: no circles of imports; modules and classes of a bounded size; tests
that stand by themselves and wait for what they want to see.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
COURT = ROOT / "examples" / "cloud_court"
MADE = COURT / "court" / "database" / "migrations" / "versions"  # by Alembic
MODULES = sorted(
    [
        *(ROOT / "sfu").rglob("*.py"),
        *(path for path in (COURT / "court").rglob("*.py") if path.parent != MADE),
    ]
)
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(COURT / "tests").rglob("*.py")])
TEST_MODULES = {path.stem for path in TESTS if path.stem.startswith("test_")}

MOST_LINES, MOST_KERNEL_LINES = 400, 250

MOST_METHODS = 25
"""Public ones of a class; properties do not count."""

MOST_SLEEP_S = 0.2
"""Enough between two looks at what one waits for."""
_STAYS = "somebody stays in a room for a while"
LONGER_SLEEPS = {
    "tests/fuzz/__main__.py:run_all": "no test: the bar of `make fuzz` moves twice a second",
    "tests/interop/layered.py:_post": "as long as the node tells a client to wait before it asks again",
    "tests/interop/layered.py:look": "the pictures of so many seconds are what a test asks for",
    "tests/interop/sample_record.py:_hold_hearing": "no test: the sample's phases and its pause have a length",
    "tests/interop/stable/gstreamer/client.py:_notice_pauses": "no test, a client: how far its own clock stands still",
    "tests/interop/stable/gstreamer/client.py:_negotiate": "no test, a client: between two tries",
    "tests/interop/stable/scene.py:watch": "a viewer watches for the seconds that its plan says",
    "tests/reference/picture.py:main": "no test: until people in a picture have each other's best layer",
    "tests/soak/crowd.py:_come_in": "a client waits between two attempts, as the SDKs do",
    "tests/soak/test_churn_of_a_node.py:_leave": _STAYS,
    "tests/soak/test_churn_of_a_node.py:_hang_up": _STAYS,
    "tests/soak/test_churn_of_a_node.py:_offer_and_delete": _STAYS,
    "tests/soak/test_attacker.py:_move": "the bar moves each second",
    "tests/integration/test_livekit_egress.py:test_a_participant_is_recorded_alone_with_what_he_publishes_later": (
        "so much media is what the record has to hold"
    ),
    "tests/interop/livekit/server_api/test_services.py:"
    "test_egress_makes_a_file_of_a_room_with_a_signed_record_under_it": "so much media is what the film has to show",
    "tests/interop/livekit/server_api/test_node_sdk.py:test_several_egresses_of_a_room_each_with_its_record": (
        "so much media is what the films have to show"
    ),
    "tests/interop/livekit/test_broken_path.py:test_media_go_on_after_five_seconds_without_a_path": (
        "for so long the path carries nothing"
    ),
    "tests/unit/node/http/test_websocket.py:test_a_websocket_is_one_connection_from_first_to_last": (
        "longer than what bounds a request"
    ),
    "tests/unit/signaling/livekit/webhooks/test_webhooks.py:play": "in virtual time",
    "tests/unit/node/http/test_protocol.py:test_a_slow_body_is_not_a_slow_head": "a multiple of a short time-out",
}
"""Functions of tests that sleep for longer, or for what is not written there, and why they must."""


def test_no_module_imports_itself_by_way_of_others_not_even_for_types() -> None:
    graph = grimp.build_graph("sfu", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' > '.join(error.args[1])}")


def test_the_architecture_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page))
    there = [f"/{path.relative_to(ROOT)}" for top in ("sfu", "bench", "tests") for path in (ROOT / top).rglob("*.py")]
    assert len(named) > 50
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_modules_are_of_a_bounded_length() -> None:
    longer = {}
    for path in [*MODULES, *TESTS]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > (MOST_KERNEL_LINES if "kernels" in path.parts else MOST_LINES):
            longer[str(path.relative_to(ROOT))] = lines
    assert longer == {}


def test_classes_have_a_bounded_number_of_public_methods() -> None:
    more = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and (methods := count_methods(node)) > MOST_METHODS:
                more[f"{path.relative_to(ROOT)}:{node.name}"] = methods
    assert more == {}


def test_no_test_imports_another_one() -> None:
    """What tests share stands in a module that says what it is, or in a conftest."""
    found = {
        (str(path.relative_to(ROOT)), module)
        for path in TESTS
        if TEST_MODULES & set(re.findall(r"\btest_\w+", text := path.read_text(encoding="utf-8")))
        for module in list_imports(ast.parse(text))
        if any(part.startswith("test_") for part in module.split("."))
    }
    assert found == set()


def list_imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is named, and whatever is taken from one, which may be a module, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            # a function may begin so, too
            yield from (each.name for each in node.names if each.name in TEST_MODULES)


def test_no_test_sleeps_for_a_fixed_time_that_counts() -> None:
    """It waits for an event, a count, a line, up to a deadline; a clock that it reads is the test's own."""
    found = set[str]()
    for path in TESTS:
        if "sleep(" not in (text := path.read_text(encoding="utf-8")):
            continue
        tree = ast.parse(text)
        known = find_constants(tree)
        for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
            if any(sleep_of(call, known) > MOST_SLEEP_S for call in list_own(function)):
                found.add(f"{path.relative_to(ROOT)}:{function.name}")
    assert found - LONGER_SLEEPS.keys() == set()
    assert LONGER_SLEEPS.keys() - found == set(), "they sleep no more, take them off the list"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("time.sleep(1)", 1.0),
        ("asyncio.sleep(POLL_S)", 0.1),
        ("asyncio.sleep(2 * POLL_S)", math.inf),
        ("asyncio.sleep(unknown)", math.inf),
        ("time.sleep(min(left, 0.1))", 0.1),
        ("asyncio.sleep(max(0.0, begin - now()))", 0.0),
        ("time.monotonic()", 0.0),
    ],
)
def test_sleeps_are_told_from_looks(said: str, seconds: float) -> None:
    assert sleep_of(ast.parse(said, mode="eval").body, {"POLL_S": 0.1}) == seconds


def list_own(function: ast.AST) -> Iterator[ast.AST]:
    """All within a function but what is within another function there."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from list_own(child)


def find_constants(tree: ast.Module) -> dict[str, float]:
    """Numbers that a module gives a name."""
    pairs = [(target, node.value) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {
        target.id: value.value
        for target, value in pairs
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, int | float)
    }


def sleep_of(node: ast.AST, known: dict[str, float]) -> float:
    """How long a node sleeps: 0 where it does not, and for ever where it cannot be told.

    What is written as a distance to a deadline, `max(0.0, ...)`, is a clock and no fixed time.
    """
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("asyncio.sleep", "time.sleep", "sleep"):
        return 0.0
    match node.args[0]:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return known.get(name, math.inf)
        case ast.Call(func=ast.Name(id="max"), args=[ast.Constant(value=0.0), _]):
            return 0.0
        case ast.Call(func=ast.Name(id="min"), args=bounds):
            return min(each.value if isinstance(each, ast.Constant) else math.inf for each in bounds)
    return math.inf


def count_methods(node: ast.ClassDef) -> int:
    """Public ones of its own, without properties."""
    return sum(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and not each.name.startswith("_")
        and not any(ast.unparse(one).endswith(("property", ".setter")) for one in each.decorator_list)
        for each in node.body
    )
