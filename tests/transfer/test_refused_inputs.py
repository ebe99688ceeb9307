"""Networks and images that don't fit are refused in one line, before anything is computed."""

import numpy as np
import pytest
from PIL import Image

from network_prune.errors import NetworkPruneError
from network_prune.transfer.running import batch as running_batch
from network_prune.transfer.transfer import transfer
from tests.transfer.tiny import FIRST, SECOND, net, plan, quiet


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What a run tells when it refuses; it must not have begun."""

    def attack(*_, **__):
        raise AssertionError("an attack was begun")

    monkeypatch.setattr(running_batch, "run_attack", attack)

    def call(**changes):
        with pytest.raises(NetworkPruneError) as raised:
            transfer(plan(**changes), out=tmp_path / "out", told=quiet, progress=False)
        text = str(raised.value)
        assert "\n" not in text
        folder = tmp_path / "out" / "transfer.jsonl"
        assert not folder.exists() or not folder.read_bytes()
        return text

    return call


@pytest.fixture
def listed(tmp_path):
    """A labels.csv as TransferAttack has it, with grey pictures in images/ beside it."""
    (tmp_path / "images").mkdir()

    def write(*rows, header="filename,label,targeted_label", side=8):
        lines = [header]
        for number, row in enumerate(rows):
            name = f"{number}.png"
            Image.fromarray(np.full((side, side), 40 * number, np.uint8)).save(
                tmp_path / "images" / name
            )
            lines.append(",".join([name, *map(str, row)]))
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(lines) + "\n")
        return {"data": str(path), "limit": None}

    return write


def test_targets_equal_to_the_truth(refused, listed):
    assert "labels.csv line 3: target 4 is the true class; pass another class" in refused(
        **listed((1, 2), (4, 4), (3, 3))
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((0, 10), "line 3: target 10 is outside 0 to 9; the targets look 1-based: pass first_lab"),
        ((0, 20), "line 3: target 20 is outside 0 to 9; pass data of the network's classes"),
        ((1, -1), "line 3: target -1 is outside 0 to 9"),
        ((10, 1), "line 3: label 10 is outside 0 to 9"),
    ],
)
def test_labels_and_targets_out_of_range(refused, listed, row, told):
    assert told in refused(**listed((1, 2), row))


def test_targets_that_are_no_numbers(refused, listed):
    assert "labels.csv line 3" in refused(**listed((1, 2), (3, "cat")))


def test_a_column_of_targets_that_isnt_there(refused, listed):
    assert "has no column 'goal'; its columns are filename, label, targeted_label" in refused(
        **listed((1, 2)), target_column="goal"
    )


def test_a_column_of_targets_for_data_without_columns(refused):
    told = refused(target_column="goal")
    assert "target_column='goal' (--target-column) has no meaning for digits; leave it out" in told


def test_networks_of_other_classes(refused):
    told = refused(victim=[SECOND, net("of_seven")])
    assert "first has 10 classes," in told
    assert "of_seven 7; pass networks of the same classes" in told


def test_networks_of_other_channels(refused):
    assert "coloured 3; pass networks of the same channels" in refused(victim=[net("coloured")])


def test_one_class_leaves_no_target(refused):
    one = {"surrogate": [net("of_one")], "victim": [net("of_one")], "data": "fake:3"}
    assert "networks of 1 class leave no target other than the truth" in refused(**one)


def test_pictures_smaller_than_a_network_takes(refused):
    told = refused(victim=[net("larger")])
    assert "digits: image 0 is 8 x 8, smaller than the 16 pixels that" in told
    assert "larger takes; pass image_size=8 (--image-size), or larger pictures" in told


def test_a_surrogate_without_gradient(refused):
    told = refused(surrogate=[net("blind")])
    assert "blind: its logits have no gradient to the images" in told


def test_a_network_beside_it_without_gradient(refused):
    assert "no gradient" in refused(victim=[SECOND, net("blind")], bound=[net("blind")])


def test_a_victim_needs_no_gradient():
    values = plan(victim=[net("blind")], augmentation=["none"], limit=3, passes=1)
    assert len(transfer(values, told=quiet, progress=False)) == 1


def test_an_augmentation_that_finds_nothing_to_prune(refused):
    told = refused(augmentation=["none", "dwp:layers=conv3d"])
    assert "dwp:layers=conv3d can't be made of" in told
    assert "has no Conv3d layer to rank" in told
    assert "leave dwp out, or say its layers: dwp:layers=…" in told


def test_a_picture_that_cant_be_read(refused, listed, tmp_path):
    values = listed((1, 2), (2, 3), (3, 4), (4, 5))
    (tmp_path / "images" / "3.png").write_bytes(b"no picture")
    assert "cannot read image images/3.png" in refused(**values)


def test_a_network_that_isnt_there(refused):
    assert "nowhere" in refused(victim=[f"{FIRST[:-5]}nowhere"])
