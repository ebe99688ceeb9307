import csv
import os
from pathlib import Path

import pytest

from network_prune.sources.data.load import load_data
from network_prune.sources.networks.load import load_network

FOLDER = os.environ.get("NETWORK_PRUNE_TEST_DATA")

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="NETWORK_PRUNE_TEST_DATA names no folder with real inputs"
)


def test_squeezenet_loads_with_the_imagenet_compatible_pictures():
    folder = Path(FOLDER)
    weights = folder / "squeezenet1_0-deep-compression.safetensors"
    network = load_network("squeezenet1_0", weights=str(weights))
    manifest = folder / "imagenet-compatible" / "images.csv"
    data = load_data(
        str(manifest), transform=network.preprocessing.transform(), classes=network.classes
    )
    with manifest.open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    image, label = data.dataset[0]
    assert data.n == 250
    assert label == int(first["TrueLabel"]) - 1
    assert image.shape == (3, 224, 224)
