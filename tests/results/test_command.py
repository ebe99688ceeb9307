"""The commands that records say they come from make the same records."""

import shlex

import pytest

from network_prune import sweep
from network_prune.results.command import commands
from network_prune.results.study import load_study
from tests.made_studies import random_study, variant

SMALL = {"limit": 8, "batch_size": 8, "workers": 0}


@pytest.mark.parametrize(
    ("plan", "count"),
    [
        ({"method": ["weights", "neurons"], "p_prune": [0.1, 0.3], "with_norm": True}, 2),
        ({"p_prune": [0.1, 0.2], "p_bern": [1.0, 0.5], "draws": 2, "index": 3, "seed": 9}, 2),
        ({"p_prune": 0.0, "resize": 40, "mean": [0.25], "fold": False}, 1),
        ({"scope": "alone", "include": "layer4.*", "dense": False}, 3),
        ({"score": ["taylor", "mean-l1"], "score_images": 6, "exclude": ["conv1.0"]}, 2),
        ({"p_prune": [0.1, {"layer4.*": 0.5, "*": 0.2}, {"*": 0.1}], "floor": 0.05}, 3),
        ({"amp": True, "layers": "conv2d,linear", "p_prune": 1 / 3}, 1),
    ],
)
def test_they_make_the_same_records(run, tmp_path, plan, count):
    study = sweep({**SMALL, **plan})
    found = commands(study)
    assert len(found) == count
    for command in found:
        program, name, *arguments = shlex.split(command)
        assert (program, name) == ("network-prune", "sweep")
        options = ("--workers", 0, "--out", tmp_path / "again")
        assert run(name, *arguments, *options).code == 0
    keys = {record["key"]: record["metrics"]["loss_sum"] for record in study}
    again = load_study(tmp_path / "again")
    assert keys.items() <= {r["key"]: r["metrics"]["loss_sum"] for r in again}.items()
    assert len(again) - len(keys) in (0, 1)


def test_a_full_grid_is_one_command_and_gaps_cut_it(tmp_path):
    grid = [variant(p_prune=p, p_bern=b) for p in (0.1, 0.2) for b in (0.25, 0.5)]
    (whole,) = commands(random_study(tmp_path / "whole", grid))
    assert whole == (
        "network-prune sweep --data digits --device cpu --p-bern 0.25 --p-bern 0.5 "
        "--method weights --p-prune 0.1 --p-prune 0.2"
    )
    cut = commands(random_study(tmp_path / "gap", grid[:3]))
    assert [command.partition("--p-bern")[2] for command in cut] == [
        " 0.25 --method weights --p-prune 0.1 --p-prune 0.2",
        " 0.5 --method weights --p-prune 0.1",
    ]


def test_what_a_shell_would_obey_is_quoted(tmp_path):
    study = random_study(tmp_path, [variant()], network="a'; rm -rf $HOME #", data="my data")
    (command,) = commands(study)
    words = shlex.split(command)
    assert words[words.index("--arch") + 1] == "a'; rm -rf $HOME #"
    assert words[words.index("--data") + 1] == "my data"


def test_records_that_are_there_twice_make_the_command_once(tmp_path):
    study = random_study(tmp_path / "s", [variant(), variant(index=1), variant(p_prune=0.4)])
    assert commands([*study, *study]) == commands(study)
