"""Numbers of NumPy, PyTorch and Python's own library are numbers everywhere, and bools nowhere."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

import network_prune
from network_prune import Diversified, Redrawer, evaluate, load_data, prune, rank
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import Variant
from network_prune.option_checks import number, whole
from network_prune.options import check_options
from network_prune.plain_numbers import plain_number
from network_prune.sources.preprocessing import Preprocessing
from network_prune.study.plan import make_plan
from network_prune.transfer.attack.settings import Attack
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.diversity import DrawsCompared

HALVES = (
    *(0.5, Fraction(1, 2), Decimal("0.5"), np.float32(0.5), np.float16(0.5), np.longdouble(0.5)),
    *(np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, dtype=torch.bfloat16)),
    torch.tensor(0.5, requires_grad=True),
)
THREES = (
    3,
    np.int8(3),
    np.uint64(3),
    np.array(3),
    torch.tensor(3),
    torch.tensor(3).to(torch.uint8),
)
NONE = (
    *(True, np.bool_(True), np.array(True), torch.tensor(True), None, 1j, np.complex64(1)),
    *(np.array([1]), torch.tensor([1]), torch.tensor(1, device="meta"), torch.Size()),
    *([1], np.datetime64("2020"), np.str_("1"), Decimal("sNaN"), Fraction(10**400)),
)


@pytest.mark.parametrize("value", HALVES, ids=lambda value: type(value).__name__)
def test_real_numbers_are_pythons_own(value):
    assert type(plain_number(value)) is float
    assert plain_number(value) == 0.5


@pytest.mark.parametrize("value", THREES, ids=lambda value: type(value).__name__)
def test_whole_numbers_are_pythons_own(value):
    assert type(plain_number(value)) is int
    assert plain_number(value) == 3


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_what_is_no_number_is_none(value):
    assert plain_number(value) is None


def test_a_number_has_the_value_that_it_has():
    assert plain_number(np.float32(0.1)) == 0.10000000149011612
    assert plain_number(np.uint64(2**64 - 1)) == 2**64 - 1
    assert plain_number(10**400) == 10**400


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()


def metadata(draw, folder):
    draw.save(folder / "draw")
    with safe_open(folder / "draw", framework="numpy") as file:
        return file.metadata()


@pytest.mark.parametrize("half", HALVES, ids=lambda value: type(value).__name__)
def test_draws_of_such_numbers_are_those_of_plain_ones(model, half, tmp_path):
    for three in THREES[1:4]:
        prunable = rank(model, p_prune=half, floor=half)
        draw = prunable.draw(p_bern=half, seed=three, index=three)
        expected = rank(model, p_prune=0.5, floor=0.5).draw(p_bern=0.5, seed=3, index=3)
        assert draw.sha256 == expected.sha256
        assert repr(draw) == repr(expected)
        assert metadata(draw, tmp_path) == metadata(expected, tmp_path)
    surrogate = Diversified(model, prunable, p_bern=half, seed=three, every=three, start=three)
    assert [type(each) for each in (surrogate.p_bern, surrogate.seed)] == [float, int]
    with Redrawer(model, prunable, p_bern=half, seed=three) as redrawer:
        redrawer.redraw(index=three)
    prune(model, prunable, p_bern=half, seed=three, index=three).restore()


@pytest.mark.parametrize("truth", [True, np.bool_(True), torch.tensor(True)], ids=repr)
def test_truth_values_are_no_numbers(model, truth):
    prunable = rank(model, p_prune=0.5)
    for call in (
        lambda: rank(model, p_prune=truth),
        lambda: rank(model, p_prune={"*": truth}),
        lambda: rank(model, p_prune=0.5, floor=truth),
        lambda: prunable.draw(p_bern=truth, seed=0),
        lambda: prunable.draw(p_bern=0.5, seed=truth),
        lambda: prunable.draw(p_bern=0.5, seed=0, index=truth),
        lambda: prune(model, prunable, p_bern=truth),
        lambda: Diversified(model, prunable, p_bern=0.5, every=truth),
        lambda: Redrawer(model, prunable, p_bern=truth, seed=0),
        lambda: evaluate(model, [], batch_size=truth),
        lambda: evaluate(model, [], workers=truth),
        lambda: load_data("digits", limit=truth),
        lambda: load_data("digits").batches(limit=truth),
        lambda: make_plan({"p_prune": truth}),
        lambda: make_plan({"draws": truth}),
        lambda: number("mean", truth),
        lambda: whole(0)("seed", truth),
        lambda: Preprocessing(32, truth),
        lambda: Preprocessing(32, 32, mean=truth, std=1.0),
        lambda: DrawsCompared(truth),
        lambda: Attack(diversity=truth),
        lambda: Attack(momentum=truth),
        lambda: Attack(diversity_scale=truth),
        lambda: Attack(translation=truth),
        lambda: Attack(scales=truth),
        lambda: Attack(epsilon=truth),
        lambda: Augmentation("scale", {"factor": truth}),
    ):
        with pytest.raises(ArgumentError, match=r"number|integer|size|decay|outside|side|share"):
            call()
    assert torch.nn.utils.prune.is_pruned(model) is False


def test_plans_and_records_of_such_numbers_are_those_of_plain_ones():
    values = {"method": "weights", "p_prune": [0.5, 0.25], "p_bern": 0.5, "seed": 3, "limit": 3}
    given = {
        **values,
        "p_prune": [np.float32(0.5), torch.tensor(0.25)],
        "p_bern": Fraction(1, 2),
        "seed": np.int64(3),
        "limit": torch.tensor(3),
    }
    (ours,), (plain,) = (make_plan(each).variants.values() for each in (given, values))
    assert json.dumps([each.to_dict() for each in ours]) == json.dumps(
        [each.to_dict() for each in plain]
    )
    assert all(isinstance(each, Variant) for each in ours)
    assert check_options(limit=np.int64(3), workers=None) == [3, None]


def test_evaluations_take_such_numbers(model):
    pictures = torch.utils.data.TensorDataset(torch.zeros(5, 1, 8, 8), torch.zeros(5).long())
    found = [
        evaluate(model, pictures, batch_size=n, workers=w)
        for n, w in ((3, 0), (THREES[1], torch.tensor(0)))
    ]
    assert found[0].to_dict() | {"seconds": 0} == found[1].to_dict() | {"seconds": 0}
    shape = Preprocessing(np.int64(8), torch.tensor(8), mean=np.float32(0.5), std=[Fraction(1, 2)])
    assert json.dumps(shape.to_dict()) == json.dumps(
        Preprocessing(8, 8, mean=0.5, std=0.5).to_dict()
    )
    attack = Attack(epsilon=np.float32(0.5), scales=torch.tensor(3), momentum=np.float64(1))
    assert json.dumps(attack.to_dict()) == json.dumps(Attack(epsilon=0.5, scales=3).to_dict())


def test_paths_name_what_their_text_does(tmp_path, monkeypatch):
    source = (
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    (tmp_path / "net.py").write_text(source)
    spec = f"{tmp_path / 'net.py'}:make"
    assert network_prune.load_network(Path(spec), warn=False).name == spec
    for label in "01":
        (tmp_path / "data" / label).mkdir(parents=True)
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "0" / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "1" / "a.png")
    assert load_data(tmp_path / "data").n == load_data(str(tmp_path / "data")).n == 2
    plan = {"arch": Path(spec), "data": tmp_path / "data", "method": (), "resize": 8, "crop": 8}
    study = network_prune.sweep(
        {**plan, "method": "weights"}, out=tmp_path / "out", told=lambda _: None, progress=False
    )
    assert study[0]["network"]["name"] == spec
    assert study[0]["data"]["name"] == str(tmp_path / "data")
    assert len(network_prune.load_study(tmp_path / "out")) == len(study)


@pytest.mark.parametrize("spec", [3, None, b"digits", ""])
def test_what_names_nothing_is_refused(spec):
    for load in (network_prune.load_network, load_data):
        with pytest.raises(ArgumentError, match="is no text; pass a name"):
            load(spec)
