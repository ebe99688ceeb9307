"""``network-prune list`` shows what ``--arch`` and ``--weights`` take."""

import json
import re

import pytest

from network_prune.cli.commands import listing


def row(out, name):
    return next(line.split(maxsplit=2) for line in out.splitlines() if line.split()[0] == name)


def test_all_networks_are_listed_without_counting_timms(run):
    outcome = run("list")
    assert outcome.code == 0
    assert outcome.err == ""
    assert row(outcome.out, "resnet50") == [
        "resnet50",
        "25,557,032",
        "IMAGENET1K_V1, IMAGENET1K_V2",
    ]
    assert row(outcome.out, "digits")[2] == "default"
    assert row(outcome.out, "timm:resnet10t") == ["timm:resnet10t", "–", "c3_in1k"]
    assert outcome.out.splitlines()[-1].startswith("Parameters of more than 30 timm networks")
    assert "--parameters" in outcome.out.splitlines()[-1]


def test_a_few_timm_networks_are_counted(run):
    outcome = run("list", "timm:resnet10t")
    assert row(outcome.out, "timm:resnet10t") == ["timm:resnet10t", "5,435,488", "c3_in1k"]
    assert "--parameters" not in outcome.out


def test_more_are_counted_when_asked_for(run, monkeypatch):
    monkeypatch.setattr(listing, "FEW", 0)
    options = ("list", "timm:resnet1[048]t")
    assert row(run(*options).out, "timm:resnet10t")[1] == "–"
    outcome = run(*options, "--parameters")
    assert row(outcome.out, "timm:resnet10t")[1] == "5,435,488"
    assert "--parameters" not in outcome.out


def test_json_has_the_same(run):
    record = json.loads(run("list", "timm:resnet10t", "--json").out)
    assert record == {
        "networks": [{"name": "timm:resnet10t", "parameters": 5435488, "weights": ["c3_in1k"]}]
    }
    (first, *_) = json.loads(run("list", "--json").out)["networks"]
    assert first["name"] == "digits"


def test_networks_without_published_weights_say_none(run):
    import timm

    name = next(n for n in timm.list_models() if not timm.models.is_model_pretrained(n))
    assert row(run("list", f"timm:{name}").out, f"timm:{name}")[2] == "none"


@pytest.mark.parametrize("pattern", ["resnit50", "timm:resnit5?"])
def test_an_unknown_pattern_is_one_line_with_the_nearest_names(refused, pattern):
    line = refused("list", pattern)
    assert re.search(r"unknown network or pattern '.*'; did you mean (timm:)?resnet\d+", line)
