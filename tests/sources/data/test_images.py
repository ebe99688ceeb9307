import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.data.load import load_data
from network_prune.sources.data.pictures import Batch, Guarded, collate
from network_prune.sources.preprocessing import Preprocessing

TRANSFORM = Preprocessing(16, 16).transform()


def damaged(tmp_path, save_photo):
    """Class folder 0 with a good picture between one of each kind of bad ones."""
    good = save_photo(tmp_path / "0" / "a_good.png").read_bytes()
    bad = {
        "b_cut.png": good[: len(good) // 2],
        "c_empty.png": b"",
        "d_text.png": b"no picture at all",
        "f_gone.png": good,
    }
    for name, content in bad.items():
        (tmp_path / "0" / name).write_bytes(content)
    save_photo(tmp_path / "0" / "e_cut.jpg")
    jpeg = (tmp_path / "0" / "e_cut.jpg").read_bytes()
    (tmp_path / "0" / "e_cut.jpg").write_bytes(jpeg[:-200])
    data = load_data(str(tmp_path), transform=TRANSFORM)
    (tmp_path / "0" / "f_gone.png").unlink()
    return data.dataset


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (1, r"^cannot read image 0/b_cut\.png: truncated$"),
        (2, r"^cannot read image 0/c_empty\.png: empty or no picture$"),
        (3, r"^cannot read image 0/d_text\.png: empty or no picture$"),
        (4, r"^cannot read image 0/e_cut\.jpg: truncated$"),
        (5, r"^cannot read image 0/f_gone\.png: no such file$"),
    ],
)
def test_an_unreadable_picture_is_named(tmp_path, save_photo, index, message):
    dataset = damaged(tmp_path, save_photo)
    with pytest.raises(SourceError, match=message):
        dataset[index]


def test_a_folder_with_a_pictures_name_is_named(tmp_path):
    (tmp_path / "m.csv").write_text("image,label\nx.png,0\n")
    (tmp_path / "x.png").mkdir()
    with pytest.raises(SourceError, match=r"x\.png is a folder; pass a plain file"):
        load_data(str(tmp_path / "m.csv")).dataset[0]


def test_a_picture_in_an_unusable_format_is_named(tmp_path):
    (tmp_path / "0").mkdir()
    Image.new("I;16", (20, 20)).save(tmp_path / "0" / "deep.png")
    dataset = load_data(str(tmp_path), transform=TRANSFORM).dataset
    with pytest.raises(SourceError, match=r"cannot read image 0/deep\.png: pixel format I"):
        dataset[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_tell_unreadable_pictures_apart(tmp_path, save_photo, workers):
    dataset = Guarded(damaged(tmp_path, save_photo))
    batches = list(DataLoader(dataset, 3, num_workers=workers, collate_fn=collate))
    assert [(len(batch), batch.unreadable) for batch in batches] == [(1, 2), (0, 3)]
    assert batches[0].images.shape == (1, 3, 16, 16)
    assert batches[0].errors[0] == "cannot read image 0/b_cut.png: truncated"
    assert batches[1].labels.dtype == torch.int64


def test_guarding_leaves_readable_pictures_as_they_are():
    data = load_data("fake:5", transform=TRANSFORM, classes=3)
    guarded = Guarded(data.dataset)
    assert len(guarded) == 5
    assert torch.equal(guarded[4][0], data.dataset[4][0])


def test_a_batch_of_nothing_is_empty():
    batch = collate([SourceError("x")])
    assert (len(batch), batch.unreadable, len(batch.images)) == (0, 1, 0)


def test_batches_keep_order():
    batch = collate([(torch.zeros(1), 4), SourceError("x"), (torch.ones(1), 2)])
    assert batch.labels.tolist() == [4, 2]
    assert batch.images.tolist() == [[0.0], [1.0]]
    assert Batch(batch.images, batch.labels).unreadable == 0


def test_pictures_without_a_transform_make_no_batch():
    data = load_data("fake:2")
    assert data.dataset[0][0].mode == "RGB"
    with pytest.raises(ArgumentError, match=r"pass transform=network.preprocessing.transform"):
        collate([data.dataset[0]])
