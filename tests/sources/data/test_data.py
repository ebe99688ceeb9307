import os
import tarfile

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.data.listing import Request
from network_prune.sources.data.load import list_data, load_data
from network_prune.sources.digits.pictures import read_digits
from network_prune.sources.outputs import Outputs
from network_prune.sources.preprocessing import Preprocessing


def folders(root, save_photo, names, count=2):
    for name in names:
        for number in range(count):
            save_photo(root / name / f"{number}.png", seed=number)
    return str(root)


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


def test_digits_are_the_held_out_part():
    data = load_data()
    assert (data.name, data.n, data.in_files) == ("digits", 500, False)
    assert load_data("digits", limit=7).n == 7


def test_digits_that_networks_learned_from_have_a_name_of_their_own():
    pictures, labels = read_digits(held_out=False)
    data = load_data("digits:train")
    assert (data.name, data.n) == ("digits:train", 1297)
    assert data.labels.tolist() == labels.tolist()
    assert np.array_equal(np.array(data.dataset[3][0])[:, :, 0], pictures[3])
    assert data.images != load_data("digits").images


def test_digits_parts_are_disjoint_and_whole():
    held_out, _ = read_digits(held_out=True)
    training, labels = read_digits(held_out=False)
    assert (len(held_out), len(training)) == (500, 1297)
    assert training.dtype == np.uint8
    assert (training.min(), training.max()) == (0, 255)
    assert labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_the_digits_are_scikit_learns():
    digits = load_digits()
    for held_out, part in ((False, slice(None, -500)), (True, slice(-500, None))):
        pixels, labels = read_digits(held_out=held_out)
        wanted = np.rint(digits.images[part] * (255 / 16))
        assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)
        assert np.array_equal(pixels, wanted)
        assert np.array_equal(labels, digits.target[part])


def test_digits_are_refused_for_networks_of_other_classes():
    with pytest.raises(SourceError, match=r"digits are pictures of 10 classes.*has 1000"):
        load_data("digits", classes=1000)


def test_fake_pictures_are_fixed_by_position_and_fit_the_network():
    transform = Preprocessing(20, 16).transform()
    data = load_data("fake:7", transform=transform, classes=3)
    again = load_data("fake:9", transform=transform, classes=3)
    assert data.dataset[6][0].shape == (3, 16, 16)
    assert torch.equal(data.dataset[6][0], again.dataset[6][0])
    assert not torch.equal(data.dataset[6][0], data.dataset[5][0])
    assert labels_of(data) == [0, 1, 2, 0, 1, 2, 0]


def test_fake_pictures_touch_no_random_state():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    load_data("fake:1").dataset[0]
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize("spec", ["fake:", "fake:0", "fake:-3", "fake:ten", "fake:1e3"])
def test_fake_needs_a_number(spec):
    with pytest.raises(SourceError, match=r"says no number of pictures; pass e.g. fake:64"):
        load_data(spec)


def test_class_folders_are_numbered_in_order(tmp_path, save_photo):
    data = load_data(folders(tmp_path, save_photo, ["cat", "ant", "bee"]), classes=3)
    assert labels_of(data) == [0, 0, 1, 1, 2, 2]
    assert data.in_files


def test_val_is_used_where_there_is_one(tmp_path, save_photo):
    folders(tmp_path / "train", save_photo, ["a", "b"], count=3)
    folders(tmp_path / "val", save_photo, ["a", "b"], count=1)
    assert load_data(str(tmp_path), classes=2).n == 2


def test_pictures_deeper_inside_count_and_other_files_do_not(tmp_path, save_photo):
    folders(tmp_path, save_photo, ["a", "b"], count=1)
    save_photo(tmp_path / "a" / "more" / "x.JPG")
    save_photo(tmp_path / ".cache" / "x.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "a" / "meta.json").write_text("{}")
    (tmp_path / "a" / "Thumbs.db").write_text("x")
    (tmp_path / "a" / "._0.png").write_text("x")
    (tmp_path / "a" / "y.jfif").write_text("x")
    with pytest.warns(UserWarning, match=r"passed over by their names: 1 \(1 \.jfif\)"):
        data = load_data(str(tmp_path), classes=2)
    assert labels_of(data) == [0, 0, 1]


def test_hidden_folders_in_a_class_do_not_count(tmp_path, save_photo):
    folders(tmp_path, save_photo, ["a", "b"], count=1)
    save_photo(tmp_path / "a" / ".ipynb_checkpoints" / "0-checkpoint.png")
    assert labels_of(load_data(str(tmp_path), classes=2)) == [0, 1]


def test_links_are_followed_but_never_in_a_circle(tmp_path, save_photo):
    folders(tmp_path / "data", save_photo, ["a", "b"], count=1)
    save_photo(tmp_path / "elsewhere" / "x.png")
    (tmp_path / "data" / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "itself").symlink_to(".")
    (tmp_path / "data" / "b" / "above").symlink_to("..")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data" / "a")
    assert labels_of(load_data(str(tmp_path / "data"), classes=2)) == [0, 0, 1]


def test_files_that_are_passed_over_are_counted_and_told(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["a", "b"], count=1)
    assert load_data(spec).notes == ()
    for name in ("x.jfif", "y.JFIF", "z.avif", "bare", ".hidden", "more/w.jp2"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"x")
    with pytest.warns(UserWarning, match="are passed over by their names: 5"):
        data = load_data(spec)
    assert data.n == 2
    (note,) = data.notes
    assert note == (
        f"files of the class folders of {tmp_path} that are passed over by their names: 5 (2 "
        ".jfif, 1 .avif, 1 without suffix, 1 .jp2); rename pictures among them, or list them in a "
        "manifest"
    )


@pytest.mark.parametrize("names", [("a", "b"), ("0", "1"), ("n01440764", "n02102040")])
def test_a_class_whose_files_are_all_passed_over_is_refused(tmp_path, save_photo, names):
    spec = folders(tmp_path, save_photo, names, count=1)
    (tmp_path / names[1] / "0.png").rename(tmp_path / names[1] / "0.jfif")
    with pytest.raises(
        SourceError, match=rf"class folder {names[1]} of .* passed over .*\(1 \.jfif\); rename"
    ):
        load_data(spec)
    (tmp_path / "list.csv").write_text(f"image,label\n{names[1]}/0.jfif,3\n")
    assert load_data(str(tmp_path / "list.csv")).dataset[0][0].size == (61, 47)


def test_an_empty_class_folder_is_none_whose_files_are_passed_over(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["a", "b"], count=1)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / ".gitkeep").touch()
    assert labels_of(load_data(spec, classes=3)) == [0, 1]


def test_a_class_folder_that_may_not_be_read_is_no_empty_class(tmp_path, save_photo, monkeypatch):
    spec = folders(tmp_path, save_photo, ["a", "b"])
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match="can't be read: Permission denied"):
        load_data(spec, classes=2)


def test_parts_of_the_data_are_no_classes(tmp_path, save_photo):
    folders(tmp_path / "train", save_photo, ["a", "b"])
    folders(tmp_path / "Test", save_photo, ["a", "b"])
    with pytest.raises(SourceError, match=r"no val folder, and Test, train .* pass one .*/Test"):
        load_data(str(tmp_path), classes=2)
    assert labels_of(load_data(str(tmp_path / "Test"), classes=2)) == [0, 0, 1, 1]


def test_another_number_of_class_folders_is_refused(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["n01", "n02", "n03", "n04"])
    message = r"4 class folders \(n01, n02, n03, …\).*1000 classes; it takes 1000.*0 to 999"
    with pytest.raises(SourceError, match=message):
        load_data(spec, classes=1000)


def test_a_manifest_is_offered_where_a_folder_was_passed(tmp_path, save_photo):
    folders(tmp_path, save_photo, ["images"])
    (tmp_path / "images.csv").write_text("image,label\n")
    with pytest.raises(SourceError, match=r"or the manifest .*images\.csv"):
        load_data(str(tmp_path), classes=10)


def test_numbered_folders_stand_for_their_numbers(tmp_path, save_photo):
    data = load_data(folders(tmp_path, save_photo, ["10", "9", "007"], count=1), classes=1000)
    assert labels_of(data) == [7, 9, 10]


def test_numbered_folders_may_count_from_one(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["1", "2", "3"], count=1)
    with pytest.raises(
        SourceError, match=r"folder 3 of .*label 3 is outside 0 to 2.*--first-label 1"
    ):
        load_data(spec, classes=3)
    assert labels_of(load_data(spec, classes=3, first_label=1)) == [0, 1, 2]


def test_two_folders_for_one_class_are_refused(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["7", "07"])
    with pytest.raises(SourceError, match="more than one folder for class 7"):
        load_data(spec, classes=10)


def test_a_folder_without_classes_is_refused(tmp_path, save_photo):
    save_photo(tmp_path / "x.png")
    with pytest.raises(SourceError, match="no class folders in"):
        load_data(str(tmp_path))


def test_class_folders_without_pictures_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(SourceError, match="no pictures in the 1 class folders"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("spec", ["digits", "fake:4"])
def test_first_label_is_refused_where_it_has_no_meaning(spec):
    with pytest.raises(
        ArgumentError, match=rf"first_label=1 \(--first-label\) has no meaning for {spec}"
    ):
        load_data(spec, first_label=1)


def test_limit_is_spread_over_all_classes(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["a", "b", "c"], count=4)
    assert labels_of(load_data(spec, classes=3, limit=3)) == [0, 1, 2]
    assert load_data(spec, classes=3, limit=99).n == 12


def test_limit_must_leave_something():
    with pytest.raises(ArgumentError, match="limit=0 is too small"):
        load_data("digits", limit=0)


def test_unknown_data_lists_the_forms(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"x")
    with pytest.raises(
        SourceError, match="'/no/such' doesn't exist; pass one of: digits, digits:train, fake:N"
    ):
        load_data("/no/such")
    with pytest.raises(SourceError, match="is a file of another kind; pass one of"):
        load_data(str(tmp_path / "x.zip"))


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(SourceError, match="can't be read: Permission denied"):
        load_data(str(tmp_path))


def test_absurd_names_are_unknown_data():
    with pytest.raises(SourceError, match="doesn't exist; pass one of"):
        load_data("x" * 5000)


def test_identity_follows_what_decides_the_figures(tmp_path, save_photo):
    spec = folders(tmp_path, save_photo, ["a", "b"], count=3)
    first = load_data(spec).identity
    assert load_data(spec, transform=Preprocessing().transform()).identity == first
    assert load_data(spec, limit=2).identity != first
    (tmp_path / "a" / "0.png").rename(tmp_path / "b" / "9.png")
    moved = load_data(spec).identity
    save_photo(tmp_path / "b" / "9.png", width=80)
    assert len({first, moved, load_data(spec).identity}) == 3


def test_identity_does_not_depend_on_where_the_folder_lies(tmp_path, save_photo):
    one = folders(tmp_path / "one", save_photo, ["a", "b"])
    two = folders(tmp_path / "two", save_photo, ["a", "b"])
    assert load_data(one).identity == load_data(two).identity


@pytest.mark.parametrize("spec", ["digits", "fake:6", "folders", "list.csv", "x.npz", "x.tar"])
def test_what_is_listed_once_fits_each_network_as_if_loaded_for_it(tmp_path, save_photo, spec):
    folders(tmp_path / "folders", save_photo, [str(number) for number in range(3)])
    (tmp_path / "list.csv").write_text("image,label\nfolders/0/0.png,2\nfolders/1/1.png,0\n")
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8), np.uint8), labels=[1, 2])
    (tmp_path / "0.cls").write_text("1")
    with tarfile.open(tmp_path / "x.tar", "w") as shard:
        shard.add(tmp_path / "folders" / "0" / "0.png", "0.png")
        shard.add(tmp_path / "0.cls", "0.cls")
    spec = str(tmp_path / spec) if (tmp_path / spec).exists() else spec
    listed = list_data(Request(spec=spec))
    for classes, side in ((10, 16), (None, 24), (10, 24)):
        transform = Preprocessing(32, side).transform()
        bound = listed.bind(outputs=Outputs.of(classes), transform=transform)
        loaded = load_data(spec, classes=classes, transform=transform)
        assert (bound.name, bound.n, bound.identity) == (loaded.name, loaded.n, loaded.identity)
        assert labels_of(bound) == labels_of(loaded)
        assert torch.equal(bound.dataset[0][0], loaded.dataset[0][0])
        assert bound.dataset[0][0].shape[-1] == side


def test_batches_hold_every_picture_in_order_and_may_be_gone_through_again():
    data = load_data("fake:7", transform=Preprocessing(20, 16).transform(), classes=3)
    batches = data.batches(3)
    for _ in range(2):
        found = list(batches)
        assert [tuple(images.shape) for images, _ in found] == [(n, 3, 16, 16) for n in (3, 3, 1)]
        assert torch.cat([labels for _, labels in found]).tolist() == labels_of(data)
        assert torch.equal(found[2][0][0], data.dataset[6][0])


def test_limited_batches_are_spread_as_limited_data_is():
    options = {"transform": Preprocessing(20, 16).transform(), "classes": 10}
    ((images, labels),) = load_data("fake:50", **options).batches(limit=7)
    ((same, names),) = load_data("fake:50", limit=7, **options).batches()
    assert torch.equal(images, same)
    assert torch.equal(labels, names)


def test_batches_name_an_unreadable_picture_or_leave_it_out(tmp_path, save_photo):
    folder = folders(tmp_path, save_photo, ["a", "b"], count=2)
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    data = load_data(folder, transform=Preprocessing(20, 16).transform())
    with pytest.raises(SourceError, match=r"1\.png: .*; remove it or pass skip_unreadable"):
        list(data.batches(workers=0))
    kept = data.batches(1, workers=0, skip_unreadable=True)
    assert [labels.tolist() for _, labels in kept] == [[0], [1], [1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 is too small; pass 1 or more"),
        ({"workers": -1}, "workers=-1 is too small; pass 0 or more"),
        ({"limit": 0}, "limit=0 is too small; pass 1 or more"),
    ],
)
def test_wrong_options_of_batches_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        load_data().batches(**options)
