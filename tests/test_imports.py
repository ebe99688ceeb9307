"""What a call doesn't need, it doesn't import: a table takes a second, not what PyTorch takes."""

import json
import subprocess
import sys

import pytest

from network_prune.sources.digits.names import NAMES
from tests.made_studies import random_study, variant

HELP = ("eval", "export", "inspect", "list", "sensitivity", "diversity", "sweep", "records")
# One process, as each start costs; a step that needs more comes later.
CODE = """
import contextlib, io, json, sys

started, found = {*sys.modules}, {}

def note(step, *unwanted, code=0, shown=""):
    present = sorted({*unwanted} & ({*sys.modules} - started))
    found[step] = {"code": code, "imported": present, "shown": shown}
    found[step]["modules"] = len({*sys.modules} - started)

def run(*call, without=("torch",)):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(call)
    except SystemExit as end:
        note(" ".join(call), *without, code=end.code, shown=out.getvalue())

study, names, helps = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])

import network_prune
note("the package", "ast", "zipfile")

from network_prune.__main__ import main
run("--help", without=("torch", "numpy"))
for command in helps:
    run(command, "--help", without=("torch", "numpy"))
run("eval", "--p-prune", "7")
run("reproduce")
run("records", study)
run("compare", study)
run("report", study, "--out", "table.md")
run("report", study, "--out", "table.csv")

from network_prune.results.published.figures import published_plan
published_plan()
note("published figures", "torch")

for name in names:
    network_prune.load_network(name).preprocessing.transform()
note("embedded networks", "timm", "torchvision", "transformers")

run("eval", "--limit", "8", without=("timm", "torchvision", "sklearn", "pandas", "scipy.stats"))

import torch
model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.Flatten())
network_prune.prune_weights(model, p_prune=0.5)
network_prune.evaluate(model, [(torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64))])
note("a look at the first images", "torch._dynamo")

with open("found.json", "w") as file:
    json.dump(found, file)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that the process ran in, with what it found and the study that it showed."""
    folder = tmp_path_factory.mktemp("imports")
    random_study(folder / "study", [variant(p_prune=0.2), variant(p_prune=0.4)], n=20)
    call = [sys.executable, "-c", CODE, "study", json.dumps(NAMES), json.dumps(HELP)]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "found.json").read_text())


STEPS = {
    "the package": 0,
    "--help": 0,
    **{f"{name} --help": 0 for name in HELP},
    "eval --p-prune 7": 2,
    "reproduce": 2,
    "records study": 0,
    "compare study": 0,
    "report study --out table.md": 0,
    "report study --out table.csv": 0,
    "published figures": 0,
    "embedded networks": 0,
    "eval --limit 8": 0,
    "a look at the first images": 0,
}


def test_each_step_was_taken(found):
    assert list(found) == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_what_isnt_needed_isnt_imported(found, step):
    assert (found[step]["code"], found[step]["imported"]) == (STEPS[step], []), found[step]


# How many modules are imported up to a step, 15 % above what was counted: seconds depend on the
# machine, these on libraries' versions alone.
MOST = {"the package": 3, "--help": 430, "records study": 610, "eval --limit 8": 2240}


@pytest.mark.parametrize("step", MOST)
def test_a_start_keeps_its_budget_of_modules(found, step):
    assert found[step]["modules"] <= MOST[step]


def test_each_command_did_what_it_does(found, folder):
    assert all("Usage" in found[step]["shown"] for step in STEPS if step.endswith("--help"))
    assert found["eval --p-prune 7"]["shown"].count("\n") == 1
    for command in ("records", "compare"):
        assert found[f"{command} study"]["shown"].startswith("| network |")
    assert all((folder / f"table.{ending}").exists() for ending in ("md", "csv"))
