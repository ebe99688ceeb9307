import random

import numpy as np
import pytest
from scipy.io import savemat

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import match_classes
from network_prune.sources.data.load import load_data
from network_prune.sources.imagenet import imagenet_numbers
from network_prune.sources.outputs import Outputs

# Imagenette's ten classes and their places among ImageNet's 1000, as its authors list them.
IMAGENETTE = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


@pytest.fixture
def imagenette(tmp_path, save_photo):
    for name in IMAGENETTE:
        for part, count in (("train", 2), ("val", 1)):
            for number in range(count):
                save_photo(tmp_path / "imagenette2" / part / name / f"{name}_{number}.JPEG")
    return str(tmp_path / "imagenette2")


@pytest.mark.parametrize("classes", [1000, None])
def test_imagenettes_classes_are_the_right_ten_of_a_thousand(imagenette, classes):
    data = load_data(imagenette, classes=classes)
    assert labels_of(data) == list(IMAGENETTE.values())


def test_imagenettes_classes_are_ten_to_a_network_of_ten(imagenette):
    assert labels_of(load_data(imagenette, classes=10)) == list(range(10))


def test_synsets_outside_imagenets_thousand_are_refused(imagenette, tmp_path, save_photo):
    save_photo(tmp_path / "imagenette2" / "val" / "n99999999" / "x.png")
    message = r"1 class folders that aren't among ImageNet's 1000 synsets \(n99999999\) beside 10"
    with pytest.raises(SourceError, match=message):
        load_data(imagenette, classes=1000)


def test_a_thousand_names_of_other_kinds_count_in_their_order():
    names = [f"class{number:04}" for number in range(1000)]
    assert match_classes(names, Outputs(1000), where="x").numbers == list(range(1000))


def test_classes_that_do_not_fit_say_what_would():
    message = r"^x has 3 classes \(a, b, c\), but the network has 10 classes; it takes 10 classes$"
    with pytest.raises(SourceError, match=message):
        match_classes(["a", "b", "c"], Outputs(10), where="x")
    with pytest.raises(SourceError, match=r"takes 1000 classes, or some .* such as n01440764"):
        match_classes(["a", "b", "c"], Outputs(1000), where="x")


@pytest.fixture
def ilsvrc(tmp_path, save_photo):
    """A flat validation folder of five pictures with a kit whose class order is shuffled."""
    wnids = list(imagenet_numbers())
    random.Random(0).shuffle(wnids)
    dtype = [("ILSVRC2012_ID", object), ("WNID", object), ("num_children", object)]
    groups = [f"n8{number:07}" for number in range(60)]
    rows = [(row, name, 0) for row, name in enumerate(wnids + groups, start=1)]
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    savemat(kit / "meta.mat", {"synsets": np.array(rows, dtype=dtype).reshape(-1, 1)})
    truth = [490, 361, 171, 822, 1000]
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{n}\n" for n in truth))
    for number in range(1, 6):
        save_photo(tmp_path / "val" / f"ILSVRC2012_val_{number:08}.JPEG")
    return tmp_path, [sorted(wnids).index(wnids[n - 1]) for n in truth]


def test_the_flat_validation_folder_is_numbered_as_networks_number_it(ilsvrc):
    folder, expected = ilsvrc
    assert labels_of(load_data(str(folder / "val"), classes=1000)) == expected
    assert labels_of(load_data(str(folder), classes=1000)) == expected


def test_pictures_are_told_by_their_number_where_some_are_absent(ilsvrc):
    folder, expected = ilsvrc
    (folder / "val" / "ILSVRC2012_val_00000002.JPEG").unlink()
    assert labels_of(load_data(str(folder / "val"))) == [expected[0], *expected[2:]]


def test_pictures_of_other_names_beside_them_are_counted_and_told(ilsvrc, save_photo):
    folder, expected = ilsvrc
    save_photo(folder / "val" / "ILSVRC2012_val_00000001.png")
    (folder / "val" / "readme.txt").touch()
    with pytest.warns(UserWarning, match="passed over by their names"):
        data = load_data(str(folder / "val"))
    assert labels_of(data) == expected
    assert data.notes[0].startswith(f"files of {folder / 'val'} that are passed over by their na")
    assert ": 1 (1 .png); rename" in data.notes[0]


@pytest.mark.parametrize("place", ["val", "."])
def test_the_kits_files_may_lie_beside_or_above_the_pictures(ilsvrc, place):
    folder, expected = ilsvrc
    kit = folder / "ILSVRC2012_devkit_t12" / "data"
    for file in list(kit.iterdir()):
        file.rename(folder / place / file.name)
    assert labels_of(load_data(str(folder / "val"))) == expected


def test_the_flat_validation_folder_is_refused_for_other_networks(ilsvrc):
    with pytest.raises(SourceError, match=r"has 1000 classes .*, but the network has 10 "):
        load_data(str(ilsvrc[0] / "val"), classes=10)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("meta.mat", None, r"meta\.mat isn't in it or above it; unpack ILSVRC2012_devkit_t12"),
        ("meta.mat", b"no mat", r"meta\.mat can't be read as the ILSVRC2012 development kit's"),
        ("ILSVRC2012_validation_ground_truth.txt", None, "ground_truth.txt isn't in it or above"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\nx\n", "isn't one whole number a line"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n1001\n", "line 2: 1001 is outside 1 to"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n2\n", "2 lines, none for the picture ILS"),
    ],
)
def test_a_kit_that_is_missing_or_damaged_is_named(ilsvrc, name, content, message):
    path = ilsvrc[0] / "ILSVRC2012_devkit_t12" / "data" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        load_data(str(ilsvrc[0] / "val"))


def test_a_kit_with_other_classes_is_refused(ilsvrc):
    path = ilsvrc[0] / "ILSVRC2012_devkit_t12" / "data" / "meta.mat"
    dtype = [("ILSVRC2012_ID", object), ("WNID", object)]
    savemat(path, {"synsets": np.array([(1, "n01440764"), (2, "n01443537")], dtype=dtype)})
    with pytest.raises(SourceError, match="doesn't name 1000 classes"):
        load_data(str(ilsvrc[0] / "val"))
