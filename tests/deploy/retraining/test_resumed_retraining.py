"""A retraining that is stopped comes to the same bits, and leaves the network as it was."""

import hashlib
import io
import itertools
import os
import random
import zipfile
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import network_prune as npr
import networks
from interrupts import interrupt, lines_of
from tests.deploy.retraining.small_retraining import (
    DATA,
    IMAGES,
    LABELS,
    network,
    retrain,
    weights,
)

# What is dropped while it is interrupted may run code that is interrupted.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Noisy(Dataset):
    """Images that are changed at random each time, by all three generators."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        noise = random.random() + torch.rand(1).item()
        return IMAGES[index] + 0.1 * noise, LABELS[index]


SETTINGS = {
    "sgd": {"schedule": "cubic", "rounds": 2, "validation": DATA},
    "adamw": {"optimizer": "adamw", "p_bern": 0.5, "schedule": "linear", "rounds": 2},
    "distilled": {"distill": True, "amp": True, "validation": DATA},
    "scaled": {"amp": True, "amp_dtype": "float16"},
}
FEEDS = {
    "in memory": lambda: DATA,
    "noisy": Noisy,
    "loader": lambda: DataLoader(Noisy(), batch_size=5, shuffle=True),
}


class StopError(Exception):
    pass


def stopping(base, steps):
    """Return an optimizer that fails after so many steps, and looks like another."""

    class Failing(base):
        done = 0

        def step(self, closure=None):
            if self.done == steps:
                raise StopError
            self.done += 1
            return super().step(closure)

    Failing.__name__ = base.__name__
    return Failing


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("feed", FEEDS)
def test_stopped_anywhere_it_ends_at_the_same_bits(name, feed, tmp_path, monkeypatch):
    options = {**SETTINGS[name], "epochs": 3, "checkpoint_steps": 2}
    whole = network(dropout=0.2)
    wanted = retrain(whole, FEEDS[feed](), **options)
    file = tmp_path / "checkpoint"
    model = network(dropout=0.2)
    before = networks.snapshot(model)
    for steps in (3, 1, 4, 2):  # of 12 at least, of which those since the last even one are lost
        for base in (torch.optim.SGD, torch.optim.AdamW):
            monkeypatch.setattr(torch.optim, base.__name__, stopping(base, steps))
        with pytest.raises(StopError):
            retrain(model, FEEDS[feed](), checkpoint=file, **options)
        monkeypatch.undo()
        assert networks.snapshot(model) == before
    result = retrain(model, FEEDS[feed](), checkpoint=file, **options)
    assert weights(model) == weights(whole)
    assert result.history == wanted.history
    assert result.figures == wanted.figures
    assert result.draw == wanted.draw
    again = network(dropout=0.2)
    seen = []
    finished = retrain(again, FEEDS[feed](), checkpoint=file, told=seen.append, **options)
    assert seen == list(wanted.history)
    assert weights(again) == weights(whole)
    assert finished.history == wanted.history
    assert finished.to_dict() == wanted.to_dict()


def test_an_interruption_anywhere_leaves_the_network_as_it_was_or_complete(tmp_path):
    options = {"epochs": 1, "batch_size": 9, "distill": True, "validation": DATA}
    wanted = network()
    count = len(lines_of(lambda: retrain(wanted, **options)))
    kinds = set()
    for number, point in enumerate(range(1, count + 1, count // 40)):
        model = network()
        before = networks.snapshot(model)
        file = tmp_path / str(number)
        interrupt(lambda m=model, f=file: retrain(m, checkpoint=f, **options), point)
        now = networks.snapshot(model)
        kinds.add(now == before)
        assert now == before or weights(model) == weights(wanted)
        assert not list(tmp_path.glob(".*"))
    assert True in kinds


def test_an_interruption_while_weights_are_given_or_put_back_is_settled():
    options = {"epochs": 1, "batch_size": 9}
    wanted = network()
    result = retrain(wanted, **options)
    trained = weights(wanted)
    lines = lines_of(lambda: retrain(network(), **options))
    giving = [n for n, (code, _) in enumerate(lines, 1) if "retrained.py" in code.co_filename]
    for point in giving[:: max(1, len(giving) // 40)]:
        model = network()
        before = networks.snapshot(model)
        interrupt(lambda m=model: retrain(m, **options), point)
        assert networks.snapshot(model) == before or weights(model) == trained
    count = len(lines_of(result.restore))
    for point in range(1, count + 1, max(1, count // 40)):
        model = network()
        before = networks.snapshot(model)
        result = retrain(model, **options)
        interrupt(result.restore, point)
        result.restore()
        assert networks.snapshot(model) == before


def test_a_finished_one_can_be_saved_and_restored(tmp_path):
    file = tmp_path / "checkpoint"
    retrain(network(), checkpoint=file)
    model = network()
    before = networks.snapshot(model)
    with retrain(model, checkpoint=file) as result:
        result.save(tmp_path / "out")
    assert networks.snapshot(model) == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "weights.safetensors",
        "draw.safetensors",
        "retrained.json",
    }


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"p_prune": 0.4}, "p_prune"),
        ({"lr": 0.1}, "lr"),
        ({"optimizer": torch.optim.Adagrad}, "lr"),
        (
            {
                "optimizer": lambda p: torch.optim.SGD(
                    p, lr=0.05, nesterov=True, momentum=0.9, weight_decay=1e-4
                )
            },
            "optimizer",
        ),
        ({"epochs": 3}, "epochs"),
        ({"seed": 1}, "seed"),
        ({"data": (IMAGES + 1, LABELS)}, "data"),
        ({"data": [(IMAGES, LABELS)]}, "first batch"),
        ({"validation": (IMAGES, (LABELS + 1) % 5)}, "validation"),
        ({"test": {"image": IMAGES.numpy(), "label": (LABELS + 1) % 5}}, "test"),
        ({"score": "l2"}, "score"),
        ({"validation": DATA}, "validation"),
        ({"amp": True}, "amp_dtype"),
        ({"layers": [torch.nn.Conv2d, torch.nn.Linear]}, "layers"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused_by_name(options, name, tmp_path):
    file = tmp_path / "checkpoint"
    retrain(network(), checkpoint=file)
    model = network()
    before = networks.snapshot(model)
    with pytest.raises(
        npr.NetworkPruneError, match=f"is the checkpoint of another retraining: its {name} is"
    ):
        retrain(model, **{"checkpoint": file, **options})
    assert networks.snapshot(model) == before
    other = network()
    with torch.no_grad():
        other[0].weight[0, 0, 0, 0] += 1
    with pytest.raises(npr.NetworkPruneError, match="another retraining: its network is"):
        retrain(other, checkpoint=file)


def test_damaged_and_hostile_checkpoints_are_refused_in_one_line(tmp_path):
    file = tmp_path / "checkpoint"
    retrain(network(), checkpoint=file)
    whole = file.read_bytes()
    chance = random.Random(0)
    for place in chance.sample(range(len(whole)), 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        check_refused(file, bytes(damaged))
    for size in (0, 10, 60, len(whole) // 2, len(whole) - 1):
        check_refused(file, whole[:size])
    for content in (Hostile(tmp_path), {}, [], {"settings": {}, "state": {}}, {"state": 3}):
        check_refused(file, packed(content))
    check_refused(file, packed({}, compressed=True))
    assert not (tmp_path / "made").exists()
    file.unlink()
    file.mkdir()
    with pytest.raises(npr.NetworkPruneError, match="is a folder"):
        retrain(network(), checkpoint=file)


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / "made"),)


def packed(content, *, compressed=False):
    file = io.BytesIO()
    torch.save(content, file)
    if compressed:
        unpacked, file = file, io.BytesIO()
        with (
            zipfile.ZipFile(unpacked) as old,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                new.writestr(name, old.read(name))
    payload = file.getvalue()
    digest = hashlib.sha256(payload).hexdigest().encode()
    return b"".join([b"network-prune retraining/1\n", digest, b"\n", payload])


def check_refused(file, content):
    file.write_bytes(content)
    model = network()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError) as refused:
        retrain(model, checkpoint=file)
    assert "\n" not in str(refused.value)
    assert networks.snapshot(model) == before
    assert file.read_bytes() == content


@pytest.mark.parametrize("part", ["prunable", "optimizer"])
def test_parts_of_another_network_are_refused(part, tmp_path):
    file = tmp_path / "checkpoint"
    retrain(network(), checkpoint=file)
    content = torch.load(io.BytesIO(file.read_bytes()[92:]), weights_only=True)
    content["state"][part] = {"prunable": torch.zeros(1), "optimizer": {"state": {}}}[part]
    file.write_bytes(packed(content))
    with pytest.raises(npr.NetworkPruneError, match="the checkpoint doesn't fit this retraining"):
        retrain(network(), checkpoint=file)


def test_a_checkpoint_that_cannot_be_written_leaves_the_network(tmp_path):
    model = network()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="cannot write"):
        retrain(model, checkpoint=tmp_path / "no folder" / "checkpoint")

    class Odd(torch.optim.SGD):
        def state_dict(self):
            return {**super().state_dict(), "odd": lambda: SimpleNamespace()}

    with pytest.raises(npr.NetworkPruneError, match="the checkpoint can't be written"):
        retrain(model, checkpoint=tmp_path / "file", optimizer=lambda p: Odd(p, lr=0.1))
    assert networks.snapshot(model) == before


def test_workers_give_the_same_as_none(tmp_path):
    models = [network(), network()]
    for model, workers in zip(models, (0, 2), strict=True):
        retrain(model, Noisy(), workers=workers, epochs=1)
    assert weights(models[0]) == weights(models[1])


def test_batches_that_draw_while_they_are_read_are_the_same_after_a_skip():
    from network_prune.deploy.retraining import feed
    from tests.deploy.retraining.recipes import recipe

    loader = DataLoader(TensorDataset(*DATA), batch_size=5, shuffle=True)
    for data in (loader, Noisy(), DataLoader(Noisy(), batch_size=5, shuffle=True)):
        source = feed.feed_of(data, recipe(batch_size=5), workers=0, pin_memory=False)
        whole = list(source.epoch(3, 0))
        for (found, _), (wanted, _) in zip(source.epoch(3, 2), whole[2:], strict=True):
            assert torch.equal(found, wanted)
        assert len(whole) == source.steps
        assert not any(
            torch.equal(one, other)
            for (one, _), (other, _) in itertools.product(whole, source.epoch(4, 0))
            if len(one) == len(other)
        )
