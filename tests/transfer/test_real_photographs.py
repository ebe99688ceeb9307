"""On real photographs, a real network is fooled by images made on itself."""

import os
from pathlib import Path

import numpy as np
import pytest

from network_prune.transfer.transfer import transfer
from tests.transfer.tiny import quiet

FOLDER = os.environ.get("NETWORK_PRUNE_TEST_DATA")

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="NETWORK_PRUNE_TEST_DATA names no folder with real inputs"
)


def ends(*, n, **values):
    """Each row's record and what the surrogate takes its last images for, beside the classes."""
    folder = Path(FOLDER)
    weights = folder / "squeezenet1_0-deep-compression.safetensors"
    usual = {
        "surrogate": [f"squeezenet1_0={weights}"],
        "data": str(folder / "imagenet-compatible" / "images.csv"),
        "limit": n,
        "augmentation": ["none", "dwp"],
        "seeds": 1,
    }
    run = transfer({**usual, **values}, told=quiet, progress=False)
    for record in run:
        found = run.predictions(record)
        (network,) = found.networks
        yield record, found, found.at(len(record["points"]) - 1, network)


def test_photographs_come_with_their_targets_and_stay_within_the_bound():
    for record, found, _ in ends(n=2, goal="targeted", passes=2):
        assert record["images"]["targets"] == "column TargetClass"
        assert found.targets.tolist() != found.labels.tolist()
        assert 0 < record["distance"]["linf"] <= 4 / 255 + 1e-7


@pytest.mark.slow
def test_squeezenet_takes_most_of_its_own_images_for_a_wrong_class():
    for _, found, end in ends(n=25, goal="untargeted", passes=10):
        assert np.mean(end != found.labels) >= 0.96


@pytest.mark.slow
def test_squeezenet_takes_many_of_its_own_images_for_their_targets():
    """Without what helps images to carry over, 40 passes are enough."""
    alone = {"diversity": 0.0, "translation": 0}
    for _, found, end in ends(n=25, goal="targeted", passes=40, **alone):
        assert np.mean(end == found.targets) >= 0.8
