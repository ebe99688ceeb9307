"""``network-prune find`` as people run it."""

import json

import pytest

from network_prune.deploy.find import probes
from network_prune.results.records import FILE

OPTIONS = ("find", "--limit", 64, "--method", "weights", "--step", 0.2)


def test_it_shows_what_it_measures_and_what_it_finds(run, tmp_path):
    plot = tmp_path / "curve.svg"
    found = run(
        *OPTIONS, "--method", "connections", "--max-drop", 10, "--out", tmp_path, "--plot", plot
    )
    assert found.code == 0, found
    rows = [line for line in found.out.splitlines() if line.startswith("| digits |")]
    records = (tmp_path / FILE).read_bytes().count(b"\n")
    assert len(rows) == records + 2
    assert "found: within 10 points of the dense network's Acc@1" in found.out
    assert "digits: weights at p_prune" in found.out
    assert plot.read_text().startswith("<?xml")
    again = run(*OPTIONS, "--max-drop", 10, "--out", tmp_path)
    assert again.out.count("| digits |") == 1
    assert (tmp_path / FILE).read_bytes().count(b"\n") == records


def test_interrupted_it_says_where_it_goes_on(run, tmp_path, monkeypatch):
    sweep_over = probes.sweep_over
    plans = []

    def interrupted(inputs, plan, **options):
        plans.append(plan)
        if len(plans) == 2:
            raise KeyboardInterrupt
        return sweep_over(inputs, plan, **options)

    monkeypatch.setattr(probes, "sweep_over", interrupted)
    found = run(*OPTIONS, "--out", tmp_path)
    assert found.code == 130
    assert f"what is finished is in {tmp_path}; the same command goes on from there" in found.err
    assert (tmp_path / FILE).read_bytes().count(b"\n") == 2


def test_json_alone_is_on_stdout(run, tmp_path):
    found = run(*OPTIONS, "--params", "50%", "--json", "--save", tmp_path / "saved")
    (limit,) = json.loads(found.out)
    assert limit["parameters_left"] <= 0.5
    assert limit["p_prune"] in limit["measured"]
    assert "| digits | dense |" in found.err
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {
        "weights.safetensors",
        "network.safetensors",
        "draw.safetensors",
        "found.json",
    }


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--max-drop", 1, "--macs", "50%"), "exclude each other"),
        (("--max-drop", "nan"), "max_drop=nan is no loss"),
        (("--plot", "curve.gif"), "curve.gif"),
        (("--scope", "alone"), "scope=alone"),
    ],
)
def test_what_is_not_allowed_is_one_line(refused, more, text):
    assert text in refused(*OPTIONS, *more)


def test_what_to_know_of_the_figures_is_below_as_in_every_table(run):
    found = run("find", "--limit", 32, "--step", 0.5, "--score", "taylor", "--recalibrate", 16)
    assert "the score was computed on images of the evaluation data" in found.out
    assert "BatchNorms were recalibrated on 16 images of the evaluation data" in found.out
