"""The example with a network and images of one's own, in Python and on the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_network.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the script prints, and the folder where it leaves weights and pictures."""
    folder = tmp_path_factory.mktemp("own")
    command = [sys.executable, "-W", "error", str(EXAMPLE), "shapes"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, folder / "shapes"


def figures(text, name):
    found = re.search(rf"^{name} +(Loss .*)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_it_learns_is_pruned_and_comes_back(told):
    printed, _ = told
    dense, first, second = (figures(printed, name) for name in ("dense", "draw 0", "draw 1"))
    assert figures(printed, "restored") == dense
    assert len({dense, first, second}) == 3
    acc1, low, high = map(float, re.search(r"Acc@1 (\S+) .*\[(\S+), (\S+)\]", dense).groups())
    assert low < acc1 < high
    assert acc1 > 90
    assert re.search(r"^total +2576 +1545 +\d+ ", printed, re.MULTILINE)


def test_the_command_in_its_head_gives_the_same(told, run, monkeypatch):
    printed, folder = told
    monkeypatch.chdir(folder.parent)
    command = re.search(r"network-prune (eval .*?)\n\"\"\"", EXAMPLE.read_text("utf-8"), re.DOTALL)
    arguments = command[1].replace("\\\n", " ").split()
    arguments[arguments.index("examples/own_network.py:Net")] = f"{EXAMPLE}:Net"
    outcome = run(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    records = json.loads(outcome.out)
    assert [each["data"]["classes_by"] for each in records] == ["name", "name"]
    for record, name in zip(records, ("dense", "draw 0"), strict=True):
        metrics = record["metrics"]
        said = f"Loss {metrics['loss']:.3f}  Acc@1 {metrics['acc1']:.3f}"
        assert figures(printed, name).startswith(said)
