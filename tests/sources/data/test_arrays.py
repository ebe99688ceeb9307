import numpy as np
import pytest
import torch

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.data.load import load_data
from network_prune.sources.preprocessing import Preprocessing

GREY = np.arange(3 * 8 * 6, dtype=np.uint8).reshape(3, 8, 6)
RGB = np.arange(3 * 8 * 6 * 3, dtype=np.uint32).astype(np.uint8).reshape(3, 8, 6, 3)


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez_compressed(tmp_path / "x.npz", **arrays)
        return str(tmp_path / "x.npz")

    return write


@pytest.mark.parametrize("pixels", [GREY, GREY[..., None], RGB])
@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x", "y"), ("test_images", "test_labels")]
)
def test_pictures_and_labels_are_read(save, pixels, names):
    data = load_data(save(**{names[0]: pixels, names[1]: np.array([[4], [0], [2]])}), classes=5)
    assert [data.dataset[index][1] for index in range(3)] == [4, 0, 2]
    picture = np.asarray(data.dataset[1][0])
    expected = pixels[1] if pixels.shape[-1] == 3 else np.repeat(GREY[1][..., None], 3, axis=2)
    assert np.array_equal(picture, expected)
    assert not data.in_files


def test_grey_pictures_fit_grey_networks(save):
    transform = Preprocessing(6, 6, mean=(0.5,), std=(0.5,)).transform()
    data = load_data(save(images=GREY, labels=np.zeros(3, int)), transform=transform)
    assert data.dataset[0][0].shape == torch.Size([1, 6, 6])


def test_identity_follows_every_pixel(save):
    changed = GREY.copy()
    changed[2, 7, 5] ^= 1
    labels = np.zeros(3, int)
    first = load_data(save(images=GREY, labels=labels)).identity
    assert load_data(save(images=GREY, labels=labels)).identity == first
    assert load_data(save(images=changed, labels=labels)).identity != first


def test_arrays_may_be_named_by_the_call(save):
    spec = save(images=RGB, a=GREY, b=np.array([1, 1, 1]))
    data = load_data(spec, image_column="a", label_column="b")
    assert data.dataset[0][0].getpixel((1, 0)) == (1, 1, 1)
    with pytest.raises(ArgumentError, match=r"root='x' \(--data-root\) has no meaning for"):
        load_data(spec, root="x")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": GREY}, r"no label array test_labels or .*; it has images \(pass label_column"),
        ({"labels": np.zeros(3, int)}, "no image array"),
        ({"images": GREY / 1, "labels": np.zeros(3, int)}, "is float64 .*must be uint8"),
        ({"images": RGB.transpose(0, 3, 1, 2), "labels": np.zeros(3, int)}, r"is uint8 \[3, 3, 8"),
        ({"images": GREY, "labels": np.zeros(3)}, r"labels is float64 \[3\]; labels must be whole"),
        ({"images": GREY, "labels": np.zeros(4, int)}, "has 4 labels for 3 images"),
        ({"images": GREY[:, :0], "labels": np.zeros(3, int)}, "have no pixels"),
        ({"images": GREY[:0], "labels": np.zeros(0, int)}, "lists no pictures"),
        ({"images": GREY, "labels": np.array([0, 9, 1])}, "picture 1: label 9 is outside 0 to 4"),
        ({"images": np.array([{}]), "labels": np.zeros(1, int)}, "can't be read as npz: Object"),
    ],
)
def test_other_arrays_are_refused(save, arrays, message):
    with pytest.raises(SourceError, match=message):
        load_data(save(**arrays), classes=5)


def test_damaged_and_missing_files_are_refused(tmp_path, save):
    path = save(images=GREY, labels=np.zeros(3, int))
    content = (tmp_path / "x.npz").read_bytes()
    for damaged in (content[:100], b"", b"no archive"):
        (tmp_path / "x.npz").write_bytes(damaged)
        with pytest.raises(SourceError, match="can't be read as npz"):
            load_data(path)
    (tmp_path / "x.npz").write_bytes(content[:60] + b"\0" * 40 + content[100:])
    with pytest.raises(SourceError, match="images can't be read as npy"):
        load_data(path)
    np.save(tmp_path / "y.npy", GREY)
    (tmp_path / "y.npy").rename(tmp_path / "y.npz")
    with pytest.raises(SourceError, match="holds one array alone"):
        load_data(str(tmp_path / "y.npz"))
    with pytest.raises(SourceError, match=r"no file .*none\.npz"):
        load_data(str(tmp_path / "none.npz"))
