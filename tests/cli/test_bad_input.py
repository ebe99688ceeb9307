"""Each wrong call ends in one line that says what is wrong and what to do."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.made_studies import random_study, variant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--p-prune", "1.3"], "p_prune=1.3 is outside [0, 1]; pass a fraction, e.g. 0.7 for 70%"),
        (["--p-prune", "-0.1"], "p_prune=-0.1 is outside [0, 1]"),
        (["--p-prune", "nan"], "p_prune=nan is outside [0, 1]"),
        (["--p-bern", "2"], "p_bern=2.0 is outside [0, 1]"),
        (["--p-prune", "many"], "p_prune='many' is no number; pass numbers with commas"),
        (["--method", "conections"], "unknown method 'conections'; did you mean connections"),
        (["--score", "l3"], "unknown score 'l3'; did you mean"),
        (["--scope", "world"], "unknown scope 'world'; pass one of global, layer, alone"),
        (["--layers", "conv2"], "unknown layer type 'conv2'; did you mean conv2d"),
        (["--include", "layr1.*"], "unknown layer or pattern 'layr1.*'"),
        (["--arch", "resnet19", "--data", "fake:2"], "did you mean"),
        (["--arch", "timm:resnet19", "--data", "fake:2"], "did you mean"),
        (["--seed", "-1"], "seed=-1 is too small; pass 0 or more"),
        (
            ["--index", "18446744073709551616"],
            "18446744073709551616 is too large; pass at most",
        ),
        (["--draws", "0"], "draws=0 is too small"),
        (["--batch-size", "0"], "batch_size=0 is too small"),
        (["--workers", "-2"], "workers=-2 is too small; pass 0 or more"),
        (["--amp", "--amp-dtype", "int8"], "unknown amp_dtype 'int8'"),
        (["--device", "abacus"], "device='abacus' isn't available here"),
        (["--mean", "a,b"], "mean='a,b' isn't numbers"),
        (["--with-norm"], "with_norm goes with method neurons, not connections"),
        (["--arch", "resnet18"], "resnet18 needs labelled images: pass --data"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--weights", "no-such-file.safetensors"], "no-such-file.safetensors"),
        (["--no-such-option"], "No such option"),
        (["--interpolation", "bicubik"], "did you mean bicubic"),
        (["--limit", "0"], "limit=0"),
        (
            ["--score-data", "digits"],
            "--score-data digits goes with --score taylor or gradient, not",
        ),
        (
            ["--score-images", "9", "--score", "lamp"],
            "--score-images 9 goes with --score taylor or",
        ),
        (
            ["--score", "taylor", "--score-images", "0"],
            "score_images=0 is too small; pass 1 or more",
        ),
        (["--score", "taylor", "--score-data", "fake:x"], "'fake:x' says no number of pictures"),
        (["--score", "taylor", "--score-data", "no/where"], "data 'no/where' doesn't exist"),
    ],
)
def test_wrong_option_of_eval(refused, arguments, text):
    assert text in refused("eval", *arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("evil",), "No such command 'evil'. Did you mean 'eval'"),
        (("eval", "-arch", "resnet18"), "-arch starts with one dash; pass --arch with two"),
        (("eval", "-no-fold"), "-no-fold starts with one dash; pass --no-fold with two"),
        (("sweep", "--p_prune=0.2", "-p_bern=1"), "-p_bern=1 starts with one dash; pass --p-bern"),
        (("export", "--to", "onx", "--out", "a.onnx"), "unknown format 'onx'; did you mean onnx"),
        (("sweep", "--engine", "rai"), "unknown engine 'rai'; did you mean ray?; pass one of ray"),
        (("sweep", "--preset", "publised"), "unknown preset 'publised'; did you mean published?"),
        (("eval", "--preset", "published", "plan.yaml"), "--preset published and the plan plan.y"),
    ],
)
def test_what_is_unknown_is_answered_with_the_nearest(refused, arguments, text):
    assert text in refused(*arguments)


def test_an_unknown_option_is_answered_with_the_nearest(refused):
    line = refused("eval", "--p_prun", "0.2")
    assert "No such option" in line
    assert "--p-prune" in line


def test_nothing_at_all_is_answered_with_the_help(run):
    outcome = run()
    assert (outcome.code, outcome.err) == (2, "")
    assert "Usage: network-prune" in outcome.out


@pytest.fixture
def network_file(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "import torch, timm\n"
        "from torch import nn\n"
        "def plain(): return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))\n"
        "def sick():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    net[0].weight.data[0] = float('nan')\n"
        "    return net\n"
        "def standardised():\n"
        "    layer = timm.layers.StdConv2d(3, 10, 3)\n"
        "    return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def parametrized():\n"
        "    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 10, 3))\n"
        "    return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def pruned():\n"
        "    layer = nn.utils.prune.l1_unstructured(nn.Conv2d(3, 10, 3), 'weight', 0.5)\n"
        "    return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "Sequential has no Conv2d layer to rank; it has Linear"),
        ("sick", "layer '0' has NaN or infinite weights"),
        ("standardised", "layer '0' (StdConv2d) transforms its weight"),
        ("parametrized", "layer '0' computes its weight from other tensors"),
        ("pruned", "layer '0' is pruned already"),
    ],
)
def test_networks_that_cannot_be_pruned(refused, network_file, name, text):
    options = ("--resize", 32, "--crop", 32, "--data", "fake:2")
    assert text in refused("eval", "--arch", f"{network_file}:{name}", *options)


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/network-prune-was-here",)


def test_pickle_that_wants_code_is_refused(refused, tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Command()}, path)
    assert "evil.pth" in refused("eval", "--weights", path)


def test_weights_of_another_network_are_listed(refused, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"conv9.weight": torch.zeros(2)}, path)
    line = refused("eval", "--weights", path)
    assert "missing" in line
    assert "conv9.weight" in line


def test_corrupt_image_is_named_or_skipped(run, refused, tmp_path):
    for label in range(10):
        folder = tmp_path / "data" / str(label)
        folder.mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 20 * label, np.uint8)).save(folder / "good.png")
    bad = tmp_path / "data" / "3" / "bad.png"
    bad.write_bytes((tmp_path / "data" / "3" / "good.png").read_bytes()[:40])
    options = ("eval", "--data", tmp_path / "data")
    assert "3/bad.png" in refused(*options, "--workers", 1)
    outcome = run(*options, "--skip-unreadable", "--workers", 0)
    assert outcome.code == 0
    assert "warning: 1 unreadable images were left out" in outcome.out


def test_labels_outside_the_outputs_are_refused(refused, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("image,label\na.png,10\n")
    assert "10" in refused("eval", "--data", tmp_path / "list.csv")


def test_empty_data_is_refused(refused, tmp_path):
    (tmp_path / "list.csv").write_text("image,label\n")
    assert "list.csv" in refused("eval", "--data", tmp_path / "list.csv")


def test_unwritable_output_is_found_before_the_run(refused, tmp_path):
    line = refused("eval", "--output", tmp_path / "nowhere" / "x.json", code=1)
    assert "nowhere/x.json" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_one_line(tmp_path):
    random_study(tmp_path, [variant()], n=20)
    with open("/dev/full", "w") as full:
        done = command("records", str(tmp_path), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "network-prune: error: cannot write the output: No space left on device\n"


def test_real_ctrl_c_ends_a_running_evaluation():
    options = ["eval", "--data", "fake:4000", "--draws", "40"]
    process = subprocess.Popen(
        [sys.executable, "-m", "network_prune", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("| network"):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("network-prune: error: interrupted")
    assert "Traceback" not in err


def test_the_users_script_answers_as_the_command_does():
    call = [sys.executable, ROOT / "eval.py", "--p_prune=1.2"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("network-prune: error: ")
    assert done.stderr.count("\n") == 1


def test_the_users_script_takes_the_options_of_the_command(monkeypatch, capsys):
    script = str(ROOT / "eval.py")
    arguments = ["--arch=resnet18", "--p_prune=0.2", "--p_bern=1"]
    monkeypatch.setattr("sys.argv", [script, *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(script, run_name="__main__")
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("network-prune: error: resnet18 needs labelled images: pass --data")
    assert told.count("\n") == 1


def command(*arguments: str, **streams) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "network_prune", *arguments]
    return subprocess.run(call, text=True, check=False, **streams)
