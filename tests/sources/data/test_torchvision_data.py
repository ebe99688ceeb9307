import hashlib
import pickle
import struct

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from network_prune.errors import SourceError
from network_prune.sources.data.from_torchvision import PARTS
from network_prune.sources.data.load import load_data

WORDS = [f"class{number}" for number in range(10)]


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """A CIFAR-10 of three test pictures in its own format on disk."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.RandomState(0).randint(0, 256, (3, 3072), dtype=np.uint8)
    batch = {"data": pixels, "labels": [7, 0, 9]}
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": WORDS}))
    kind = torchvision.datasets.CIFAR10
    # The real files' hashes guard the real files' pickles.
    monkeypatch.setattr(kind, "train_list", [])
    monkeypatch.setattr(kind, "test_list", [["test_batch", md5(folder / "test_batch")]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(folder / "batches.meta")}
    monkeypatch.setattr(kind, "meta", meta)
    return tmp_path, pixels


def test_cifar10s_test_part_is_read(cifar10):
    folder, pixels = cifar10
    data = load_data(f"torchvision:CIFAR10:{folder}", classes=10)
    assert labels_of(data) == [7, 0, 9]
    expected = pixels[1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(data.dataset[1][0]), expected)
    assert not data.in_files
    assert load_data("torchvision:CIFAR10", root=folder).identity == data.identity


def test_classes_must_fit_the_network(cifar10):
    with pytest.raises(SourceError, match=r"has 10 classes \(class0, .*network has 1000"):
        load_data("torchvision:CIFAR10", root=cifar10[0], classes=1000)


def test_mnists_test_part_is_read(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).tobytes()
    for part in ("train", "t10k"):
        images = struct.pack(">IIII", 0x803, 2, 28, 28) + pixels
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        labels = struct.pack(">II", 0x801, 2) + bytes([4, 1])
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    data = load_data(f"torchvision:MNIST:{tmp_path}", classes=10)
    assert labels_of(data) == [4, 1]
    assert data.dataset[0][0].getpixel((3, 1)) == (31, 31, 31)


def test_svhn_is_read_without_a_list_of_classes(tmp_path, monkeypatch):
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3, 2), dtype=np.uint8)
    path = tmp_path / "test_32x32.mat"
    savemat(path, {"X": pixels, "y": np.array([[10], [9]])})
    parts = {"test": ["", "test_32x32.mat", md5(path)]}
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", parts)
    data = load_data("torchvision:SVHN", root=tmp_path, classes=10)
    assert labels_of(data) == [0, 9]
    assert np.array_equal(np.asarray(data.dataset[1][0]), pixels[..., 1])
    with pytest.raises(SourceError, match="has 10 classes, but the network has 43"):
        load_data("torchvision:SVHN", root=tmp_path, classes=43)


def test_imagenettes_classes_are_the_right_ten_of_a_thousand(tmp_path, save_photo):
    wnids = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079"]
    wnids += ["n03394916", "n03417042", "n03425413", "n03445777", "n03888257"]
    for part in ("train", "val"):
        for wnid in wnids:
            save_photo(tmp_path / "imagenette2" / part / wnid / "x.JPEG")
    data = load_data(f"torchvision:Imagenette:{tmp_path}", classes=1000)
    assert labels_of(data) == [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
    assert data.in_files
    first = data.identity
    save_photo(tmp_path / "imagenette2" / "val" / wnids[3] / "x.JPEG", width=90)
    assert load_data(f"torchvision:Imagenette:{tmp_path}", classes=1000).identity != first


def test_a_picture_that_is_none_is_named(tmp_path, save_photo):
    for part in ("train", "val"):
        save_photo(tmp_path / "imagenette2" / part / "n01440764" / "x.JPEG")
    path = tmp_path / "imagenette2" / "val" / "n02102040" / "x.JPEG"
    path.parent.mkdir()
    path.write_bytes(b"none")
    data = load_data(f"torchvision:Imagenette:{tmp_path}", classes=1000)
    with pytest.raises(SourceError, match=r"cannot read image torchvision:Imagenette:.* picture 1"):
        data.dataset[1]


def test_data_that_is_not_there_names_folder_and_call(tmp_path):
    message = (
        rf"no CIFAR100 as torchvision keeps it in {tmp_path} \(.*fetch it once with "
        rf"torchvision\.datasets\.CIFAR100\('{tmp_path}', train=False, download=True\)$"
    )
    with pytest.raises(SourceError, match=message):
        load_data(f"torchvision:CIFAR100:{tmp_path}")
    assert not list(tmp_path.iterdir())


def test_the_folder_must_be_said():
    with pytest.raises(
        SourceError,
        match=r"doesn't say where .*torchvision:CIFAR10:FOLDER, or root \(--data-root\)",
    ):
        load_data("torchvision:CIFAR10")


def test_unknown_names_get_the_nearest():
    with pytest.raises(
        SourceError, match="unknown torchvision data set 'CIFAR'; did you mean CIFAR1"
    ):
        load_data("torchvision:CIFAR")


def test_every_name_is_torchvisions_and_takes_its_part():
    import inspect

    for name, options in PARTS.items():
        parameters = inspect.signature(getattr(torchvision.datasets, name)).parameters
        assert options.keys() <= parameters.keys()
