"""Another library's attack makes a row's images; what it costs is counted."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from network_prune.errors import ArgumentError, NetworkPruneError
from network_prune.transfer.plan import make_transfer_plan
from network_prune.transfer.running import peer_run
from network_prune.transfer.running.events import Noted
from network_prune.transfer.transfer import transfer
from tests.transfer.tiny import FIRST, SECOND, plan, quiet

STEPS = 4


def peer(**changes):
    usual = plan(attack="torchattack:MIFGSM", steps=STEPS, **changes)
    for name in ("passes", "diversity", "translation"):
        usual.pop(name)
    return usual


@pytest.fixture
def library(monkeypatch):
    """Stands in for torchattack: a sign attack that computes the network twice a step."""

    def make(name, model, attack, *, steps, classes):
        assert (name, classes) == ("MIFGSM", 10)

        def run(images, labels, seed):
            present = images
            for _ in range(steps):
                model(present)
                present = present.detach().requires_grad_()
                loss = torch.nn.functional.cross_entropy(model(present), labels)
                (gradient,) = torch.autograd.grad(loss, present)
                moved = present.detach() - attack.step * gradient.sign()
                present = moved.clamp(images - attack.epsilon, images + attack.epsilon).clamp(0, 1)
            return present

        return run

    monkeypatch.setattr(peer_run, "torchattack_attack", make)


def run(values, **options):
    return transfer(values, told=quiet, progress=False, **options)


def test_passes_are_counted_by_calls_and_draws(library):
    found = run(peer(augmentation=["none", "dwp:draws=3"], limit=4))
    assert [record["passes"] for record in found] == [2 * STEPS, 6 * STEPS]
    assert [record["passes_per_iteration"] for record in found] == [2, 6]
    assert found[0]["points"] == [{"iteration": STEPS, "passes": 2 * STEPS}]
    assert found[0]["attack"]["by"] == "torchattack:MIFGSM"
    assert found[0]["attack"]["loss"] is None
    assert found[0]["distance"]["linf"] <= 0.2 + 1e-6


def test_passes_other_than_planned_are_told_at_the_end_and_of_records_too(library, tmp_path):
    values = peer(augmentation=["none", "dwp:draws=3"], limit=2)
    del values["steps"]
    text = "torchattack:MIFGSM took {} passes where {} were planned: its {} steps were set as if"
    for _ in range(2):
        events = []
        transfer({**values, "passes": 6}, out=tmp_path, told=events.append, progress=False)
        (noted,) = [event for event in events if isinstance(event, Noted)]
        assert events[-1] is noted
        assert noted.notes == (
            f"{text.format(12, 6, 6)} each took 1",
            f"{text.format(12, 6, 2)} each took 3",
        )
    with pytest.warns(UserWarning, match="took 12 passes where 6 were planned"):
        transfer({**values, "passes": 6}, out=tmp_path, progress=False)


def test_a_folders_images_have_no_passes_to_tell_of(library, tmp_path):
    values = peer(augmentation=["none"], limit=2)
    run(values, save_images=tmp_path)
    events = []
    transfer(values, adversarial=tmp_path, told=events.append, progress=False)
    assert not [event for event in events if isinstance(event, Noted)]


def test_an_ensembles_passes_are_those_of_each_network(library):
    (record,) = run(peer(surrogate=[f"{FIRST}+{SECOND}"], augmentation=["none"], limit=4))
    assert record["passes"] == 4 * STEPS


def test_a_killed_run_ends_the_same(library, tmp_path):
    values = peer(augmentation=["dwp"], against="dwp")
    whole = run(values)

    def told(event):
        if getattr(event, "images", 0) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer(values, out=tmp_path, told=told, progress=False)
    resumed = run(values, out=tmp_path)
    assert resumed[0]["passes"] == whole[0]["passes"]
    ours, theirs = (each.predictions(each[0]) for each in (resumed, whole))
    assert np.array_equal(ours.classes, theirs.classes)


@pytest.mark.skipif(find_spec("torchattack") is None, reason="needs the extra [torchattack]")
def test_torchattack_itself_drives_rows():
    found = run(peer(augmentation=["none", "dwp"], limit=4))
    assert [record["passes"] for record in found] == [STEPS, STEPS]


@pytest.mark.skipif(find_spec("torchattack") is not None, reason="it is installed")
def test_without_torchattack_the_extra_is_named():
    with pytest.raises(NetworkPruneError, match=r"\[torchattack\]"):
        run(peer(augmentation=["none"], limit=2))


def test_mup_is_refused(library):
    with pytest.raises(ArgumentError, match="mup looks at the gradient of our own attack, not of"):
        run(peer(augmentation=["none", "mup"], limit=2))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"attack": "fgsm"}, "attack=fgsm is neither own nor torchattack:NAME; pass e.g."),
        ({"attack": "torchattack:PGD", "at": [3]}, r"at=\(3,\) means nothing to torchattack:PGD"),
        ({"attack": "torchattack:PGD", "scales": 2}, "scales=2 means nothing to torchattack:PGD"),
    ],
)
def test_options_that_mean_nothing_are_refused(values, told):
    with pytest.raises(ArgumentError, match=told):
        make_transfer_plan({"surrogate": ["a"], **values})
