"""The rooms: imports run downwards only and in no circle, and no room is crowded."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "network_prune"
# From the top down; rooms on one floor don't import each other.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("reports",),
    ("deploy", "transfer"),
    ("study",),
    ("results",),
    ("evaluation",),
    ("pruning", "sources"),
    ("core",),
    ("display",),
    ("extras", "options", "plain_file", "process_wide", "whole_file"),
    ("by_layer", "option_checks"),
    ("errors", "version"),
    ("plain_numbers", "plain_text"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MOST_FILES = 14


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield ".".join(parts), path


NAMES = {name for name, _ in modules()}


def imports(path):
    """The modules of the package that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            if name == "network_prune" or name.startswith("network_prune."):
                inner = name.removeprefix("network_prune").lstrip(".")
                yield inner if inner in NAMES else inner.rpartition(".")[0]


ARROWS = {name: set(imports(path)) for name, path in modules()}


def test_arrows_are_found():
    assert "evaluation.one_pass" in ARROWS["study.running.pass_run"]
    assert "pruning.ranking.rank" in ARROWS["evaluation.variant"]  # inside a function
    assert sum(map(len, ARROWS.values())) > 300


@pytest.mark.parametrize("name", sorted(ARROWS))
def test_imports_run_downwards(name):
    room = name.partition(".")[0]
    for other in ARROWS[name]:
        target = other.partition(".")[0]
        assert target, f"{name} imports the package itself, which is above it"
        assert target == room or FLOOR[target] > FLOOR[room], f"{name} imports {other}, upwards"


def test_no_imports_go_in_a_circle():
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, " → ".join([*under_way, name])
        if name not in done:
            under_way.append(name)
            for other in sorted(ARROWS.get(name, ())):
                visit(other)
            done.add(under_way.pop())

    for name in sorted(ARROWS):
        visit(name)


def test_no_room_is_crowded():
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    counts = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    assert {str(f): n for f, n in counts.items() if n > MOST_FILES} == {}


def test_the_public_face_is_declared_once_and_whole():
    import network_prune

    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    declared = {
        alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(network_prune.__all__) == declared
    for name in declared:
        assert getattr(network_prune, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'prune_all'"):
        network_prune.prune_all  # noqa: B018
