"""Guesses on what network and data are reach the head, the foot and the JSON of a run."""

import json
import math

import pytest
import torch
from PIL import Image

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, x):
        colours = self.conv(x).mean(dim=(2, 3))
        return torch.cat([colours, torch.full_like(colours, 9.0)], dim=1)

def make():
    return Net()

def named():
    net = Net()
    net.preprocessing = {"resize": 16, "crop": 16, "mean": [0.5] * 3, "std": [0.5] * 3}
    net.class_names = ["red", "green", "blue", "x", "y", "z"]
    return net
"""
COLOURS = {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250)}


@pytest.fixture
def colours(tmp_path):
    """A folder of one picture a colour, and a network that knows them among other classes."""
    (tmp_path / "net.py").write_text(NET)
    for name, pixel in COLOURS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16), pixel).save(tmp_path / "data" / name / "x.png")
    return ("--data", tmp_path / "data", "--p-prune", 0, "--workers", 0), tmp_path / "net.py"


def test_only_the_datas_classes_are_in_the_running_if_asked(run, colours):
    options, file = colours
    plain = json.loads(run("eval", "--arch", f"{file}:named", *options, "--json").out)
    only = ("--only-data-classes", "--json")
    judged = json.loads(run("eval", "--arch", f"{file}:named", *options, *only).out)
    assert plain[0]["data"]["classes_by"] == judged[0]["data"]["classes_by"] == "name"
    assert (plain[0]["metrics"]["acc1"], judged[0]["metrics"]["acc1"]) == (0, 100)
    assert judged[0]["metrics"]["non_finite"] == 0
    assert judged[0]["key"] != plain[0]["key"]
    mean, std = 0.5, 0.5
    own, other = ((value / 255 - mean) / std for value in (250, 9))
    expected = math.log(1 + 2 * math.exp(other - own))
    assert judged[0]["metrics"]["loss"] == pytest.approx(expected, abs=1e-6)


def test_python_judges_alike(colours):
    import network_prune as npr

    _, file = colours
    network = npr.load_network(f"{file}:named")
    data = npr.load_data(
        str(file.parent / "data"),
        transform=network.preprocessing.transform(),
        classes=network.class_names,
        only_data_classes=True,
    )
    assert data.outputs == (0, 1, 2)
    assert npr.evaluate(network.model, data).acc1 == 100
    with torch.device("meta"):
        assert npr.evaluate(network.model, data).acc1 == 100
    logits = torch.full((1, 6), math.nan)
    logits[0, :3] = torch.tensor([3.0, 1.0, 2.0])
    model = torch.nn.Module()
    model.forward = lambda images: logits.expand(len(images), 6)
    assert npr.evaluate(model, data).non_finite == 0


def test_what_is_guessed_stands_in_head_foot_and_json(run, tmp_path, colours):
    options, file = colours
    (tmp_path / "m.csv").write_text("image,label\ndata/red/x.png,0\ndata/blue/x.png,2\n")
    arguments = ("eval", "--arch", f"{file}:make", *options[2:], "--data", tmp_path / "m.csv")
    shown = run(*arguments)
    head, _, foot = shown.out.partition("| network |")
    note = "doesn't say all of its preprocessing, so ImageNet's usual one is taken (resize 256"
    small = "all pictures looked at are smaller than the crop of 224 (16 pixels at most)"
    for text in (note, small):
        assert text in head
        assert text in foot
    *_, record = json.loads(run(*arguments, "--json").out)
    assert [text in said for text, said in zip((note, small), record["notes"], strict=True)] == [
        True,
        True,
    ]
    said = run(*arguments, "--crop", 16, "--mean", "0,0,0", "--std", "1,1,1")
    assert "warning" not in said.out
    assert "resize 16 bilinear, centre crop 16" in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "--seed", 1, "--seed", 2),
        ("eval", "--amp", "--amp"),
        ("eval", "--fold", "--no-fold"),
        ("inspect", "--method", "weights", "--method", "neurons"),
        ("records", "--json", "--json"),
    ],
)
def test_what_takes_one_value_is_refused_twice(refused, arguments):
    name = arguments[1]
    assert f"{name} is given more than once; it takes one value here" in refused(*arguments)


def test_what_takes_several_values_spans_them(run):
    shown = json.loads(run("eval", "--p-prune", 0.1, "--p-prune", 0.3, "--limit", 8, "--json").out)
    assert [record["variant"]["p_prune"] for record in shown[1:]] == [0.1, 0.3]


def test_eval_may_be_told_to_leave_the_dense_network_out(run):
    shown = json.loads(run("eval", "--no-dense", "--limit", 8, "--json").out)
    assert [record["variant"]["method"] for record in shown] == ["connections"]
