"""``network-prune retrain`` as people run it."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import network_prune as npr
from network_prune.deploy.retraining import course
from network_prune.deploy.retraining.inputs import Augmented
from network_prune.sources.preprocessing import Preprocessing

FEW = ("retrain", "--limit", 128, "--epochs", 2, "--p-prune", 0.8)


def rows(text, name):
    return [line for line in text.splitlines() if line.startswith(f"| {name}")]


def test_what_is_told_is_what_eval_says_of_the_saved_weights(run, tmp_path):
    out, plot = tmp_path / "out", tmp_path / "curve.svg"
    found = run(*FEW, "--out", out, "--plot", plot)
    assert found.code == 0, found
    assert {path.name for path in out.iterdir()} == {
        "checkpoint",
        "draw.safetensors",
        "history.csv",
        "retrained.json",
        "network.safetensors",
        "weights.safetensors",
    }
    (retrained,) = rows(found.out, "retrained")
    (dense,) = rows(found.out, "dense")
    (pruned,) = rows(found.out, "pruned, not retrained")
    figures = r"Loss \S+  Acc@1 \S+  Acc@5 \S+"
    assert "| 1 | 2 | 0.8 | 80.00% |" in found.out
    again = run("eval", "--weights", out / "weights.safetensors", "--p-prune", 0)
    assert re.search(figures, retrained)[0] in again.out
    packed = f"packed:{out / 'network.safetensors'}"
    again = run("eval", "--arch", packed, "--data", "digits", "--p-prune", 0)
    assert re.search(figures, retrained)[0] in again.out
    usual = run("eval", "--method", "weights", "--p-prune", 0.8)
    assert re.search(figures, dense)[0] in usual.out
    wanted = next(line for line in usual.out.splitlines() if line.startswith("| digits | weights"))
    assert pruned.split("|")[-2] == wanted.split("|")[-2]
    assert re.search(figures, pruned)[0] in wanted
    with (out / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2"]
    told = json.loads((out / "retrained.json").read_text())
    assert told["figures"]["retrained"]["metrics"]["n"] == 500
    assert plot.read_text().startswith("<?xml")
    weights = load_file(out / "weights.safetensors")
    draw = npr.Draw.load(out / "draw.safetensors")
    assert draw.sha256 == told["draw_sha256"]
    for layer in draw.layers:
        assert not weights[f"{layer.name}.weight"][~draw.mask(layer.name)].any()


def test_a_finished_run_is_shown_again_at_once(run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = run(*FEW, "--out", out)
    other = shutil.copytree(out, tmp_path / "other")
    monkeypatch.setattr(course.Course, "_train", lambda _: pytest.fail("it was finished"))
    again = run(*FEW, "--out", out)
    assert again.code == 0, again
    assert rows(again.out, "retrained") == rows(first.out, "retrained")
    check_same(out, other)


def test_interrupted_it_says_how_to_go_on(run, tmp_path, monkeypatch):
    end = course.Course._end_epoch

    def interrupted(self):
        end(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(course.Course, "_end_epoch", interrupted)
    found = run(*FEW, "--out", tmp_path)
    assert found.code == 130
    assert f"what is finished is in {tmp_path}; the same command goes on from there" in found.err
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    monkeypatch.undo()
    assert run(*FEW, "--out", tmp_path).code == 0


SLOW = ("--limit", 112, "--schedule", "cubic", "--rounds", 2, "--epochs", 1, "--distill")


def test_killed_within_an_epoch_it_ends_at_the_same_bits(run, tmp_path):
    options = (*SLOW, "--checkpoint-steps", 1, "--batch-size", 16)
    whole = tmp_path / "whole"
    assert run("retrain", *options, "--out", whole).code == 0
    out = tmp_path / "out"
    for kind, ending in ((signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        process = command(*options, "--out", out)
        changes(out / "checkpoint", 2)
        process.send_signal(kind)
        _, err = process.communicate()
        assert process.returncode == ending
        said = f"what is finished is in {out}; the same command goes on from there"
        assert (said in err) == (kind is signal.SIGTERM)
        assert [path.name for path in out.iterdir() if path.name[0] != "."] == ["checkpoint"]
    assert run("retrain", *options, "--out", out).code == 0
    check_same(out, whole)


def check_same(folder, other):
    for name in ("weights.safetensors", "history.csv", "retrained.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()
    # safetensors writes what it knows of a file in any order.
    draws = [npr.Draw.load(each / "draw.safetensors") for each in (folder, other)]
    assert draws[0] == draws[1]


def command(*options):
    return subprocess.Popen(
        [sys.executable, "-m", "network_prune", "retrain", *map(str, options)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def changes(path: Path, times):
    """Wait until a file was written so often."""
    seen = set()
    first = path.stat().st_ino if path.exists() else None
    end = time.monotonic() + 60
    while len(seen) < times and time.monotonic() < end:
        if path.exists() and path.stat().st_ino != first:
            seen.add(path.stat().st_mtime_ns)
        time.sleep(0.005)
    assert len(seen) == times


def test_json_alone_is_on_stdout(run, tmp_path):
    found = run(*FEW, "--json", "--output", tmp_path / "told.json", "--method", "connections")
    told = json.loads(found.out)
    assert told == json.loads((tmp_path / "told.json").read_text())
    assert told["p_prune"] == 0.8
    assert len(told["history"]) == 2
    assert "| 1 | 2 | 0.8 |" in found.err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--data", "digits"), "which training must not see; pass digits:train"),
        (("--validation", "digits:train"), "are the images that are trained on"),
        (("--test", "digits:train"), "are the images that are trained on"),
        (("--val-split", 0.001), "val_split=0.001 of 128 images keeps 0 for validation"),
        (("--val-split", 1), "val_split=1.0 splits nothing"),
        (("--schedule", "cubic", "--rounds", 0), "rounds=0 is too small"),
        (("--optimizer", "adamw", "--momentum", 0.5), "--momentum goes with --optimizer sgd"),
        (("--temperature", 2), "--temperature goes with --distill"),
        (("--val-split", 0.2, "--validation", "digits"), "--validation exclude each other"),
        (("--rounds", 3), "rounds=3 goes with schedule linear or cubic"),
        (("--plot", "curve.gif"), "curve.gif"),
        (("--scope", "alone"), "scope=alone"),
        (("--score", "taylor"), "--score taylor is computed on images"),
        (("--arch", "resnet18", "--weights", "none"), "resnet18 needs labelled images"),
        (("--method", "weights", "--with-norm"), "with_norm=True goes with neurons"),
    ],
)
def test_what_is_not_allowed_is_one_line(refused, more, text):
    assert text in refused(*FEW, *more)


def test_a_folder_of_something_else_is_left_alone(refused, tmp_path):
    (tmp_path / "mine").write_text("")
    assert "holds no retraining; pass a new folder" in refused(*FEW, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert "cannot write" in refused(*FEW, "--out", tmp_path / "mine" / "out", code=1)


def test_a_run_that_comes_to_nothing_is_one_line(run, tmp_path):
    options = ("retrain", "--limit", 64, "--epochs", 1, "--out", tmp_path / "out")
    # A draft that a killed run left behind is no other's.
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".checkpoint.1234").write_text("")
    found = run(*options, "--lr", 1e29, "--weight-decay", 1e20)
    assert found.code == 1
    assert "at a learning rate of 1e+29; pass a lower lr" in found.err
    assert "Traceback" not in found.err


def test_a_checkpoint_of_another_command_is_refused(run, refused, tmp_path):
    run(*FEW, "--out", tmp_path)
    line = refused("retrain", "--limit", 128, "--epochs", 2, "--p-prune", 0.7, "--out", tmp_path)
    assert "its p_prune is 0.8, here it is 0.7" in line


def test_validation_is_kept_out_of_training_and_figures_of_neither():
    from network_prune.deploy.retraining.inputs import load_inputs
    from network_prune.deploy.retraining.options import RETRAINING
    from network_prune.options import defaults

    loaded = load_inputs(defaults(RETRAINING))
    parts = [set(data.pictures.positions.tolist()) for data in (loaded.data, loaded.validation)]
    assert parts[0].isdisjoint(parts[1])
    assert parts[0] | parts[1] == set(range(1297))
    assert loaded.test.name == "digits"
    assert loaded.test.n == 500
    assert not loaded.augmented
    assert loaded.data.identity != loaded.validation.identity


@pytest.fixture
def photographs(tmp_path):
    """Options that name a small network and twelve pictures of two classes."""
    noise = np.random.default_rng(0)
    for label in range(2):
        folder = tmp_path / "data" / str(label)
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = noise.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    code = tmp_path / "net.py"
    code.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),\n"
        "                        nn.Flatten(), nn.Linear(8, 2))\n"
        "    net.preprocessing = {'resize': 16, 'crop': 16, 'mean': [0.5] * 3, 'std': [0.5] * 3}\n"
        "    return net\n"
    )
    options = ("--arch", f"{code}:make", "--data", tmp_path / "data")
    return ("retrain", *options, "--val-split", 0.3, "--epochs", 1, "--batch-size", 4)


def test_photographs_are_cut_and_mirrored_at_random(run, photographs):
    found = run(*photographs)
    assert found.code == 0, found
    assert "9 images, cut and mirrored at random; learns labels" in found.out
    assert "the epoch was chosen by the images that these figures are of" in found.out
    plain = run(*photographs, "--augment", "none")
    assert "9 images; learns labels" in plain.out
    transform = Augmented(Preprocessing(resize=16, crop=8, mean=(0.5,) * 3, std=(0.5,) * 3))
    noise = np.random.default_rng(1)
    picture = Image.fromarray(noise.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        several = [transform(picture) for _ in range(4)]
    assert all(each.shape == (3, 8, 8) for each in several)
    assert not any(torch.equal(several[0], each) for each in several[1:])


def test_unreadable_pictures_are_refused_or_left_out(run, refused, photographs, tmp_path):
    (tmp_path / "data" / "1" / "3.png").write_bytes(b"no picture")
    assert "3.png: empty or no picture; remove it or pass" in refused(*photographs)
    assert run(*photographs, "--skip-unreadable").code == 0


def test_workers_and_random_pictures_give_the_same_bits(run, photographs, tmp_path):
    for workers in (0, 2):
        found = run(*photographs, "--out", tmp_path / str(workers), "--workers", workers)
        assert found.code == 0, found
    check_same(tmp_path / "0", tmp_path / "2")
