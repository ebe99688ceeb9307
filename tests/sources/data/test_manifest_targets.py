"""Manifests say what pictures are to be taken for, where that is asked."""

import numpy as np
import pytest
from PIL import Image

from network_prune.sources.data.listing import Request
from network_prune.sources.data.load import list_data, load_data
from network_prune.sources.outputs import Outputs


def write(folder, header, rows, *, images="images", suffix=""):
    (folder / images).mkdir(exist_ok=True)
    for name, *_ in rows:
        Image.new("RGB", (8, 8)).save(folder / images / f"{name}{suffix}")
    path = folder / "list.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def bound(spec, *, classes=10, **request):
    return list_data(Request(spec=spec, targets=True, **request)).bind(outputs=Outputs(classes))


def test_transferattacks_list_counts_from_0_and_its_pictures_lie_in_images(tmp_path):
    rows = [("a.png", 0, 9), ("b.png", 5, 0)]
    data = bound(write(tmp_path, "filename,label,targeted_label", rows))
    assert data.labels.tolist() == [0, 5]
    assert data.targets.tolist() == [9, 0]
    assert data.targets_by == "targeted_label"
    assert data.names == ["images/a.png", "images/b.png"]


def test_the_imagenet_compatible_set_counts_from_1(tmp_path):
    rows = [("a", "x", 1, 1000), ("b", "x", 1000, 1)]
    spec = write(tmp_path, "ImageId,URL,TrueLabel,TargetClass", rows, suffix=".png")
    data = bound(spec, classes=1000)
    assert data.labels.tolist() == [0, 999]
    assert data.targets.tolist() == [999, 0]


def test_targets_keep_to_their_pictures_under_a_limit(tmp_path):
    rows = [(f"{n}.png", n, n + 1) for n in range(8)]
    data = bound(write(tmp_path, "filename,label,targeted_label", rows), limit=4)
    assert (data.targets - data.labels).tolist() == [1, 1, 1, 1]
    assert len(data.targets) == 4


def test_class_names_are_targets_too(tmp_path):
    rows = [("a.png", "cat", "dog"), ("b.png", "dog", "cat")]
    spec = write(tmp_path, "filename,label,targeted_label", rows)
    data = list_data(Request(spec=spec, targets=True)).bind(outputs=Outputs(2, ("cat", "dog")))
    assert (data.labels.tolist(), data.targets.tolist()) == ([0, 1], [1, 0])


def test_another_column_may_be_named(tmp_path):
    spec = write(tmp_path, "filename,label,target,goal", [("a.png", 1, 2, 3)])
    assert bound(spec).targets.tolist() == [2]
    assert bound(spec, target_column="Goal").targets.tolist() == [3]


def test_the_column_of_labels_holds_no_targets(tmp_path):
    assert bound(write(tmp_path, "filename,target", [("a.png", 1)])).targets is None


def test_nobody_looks_at_targets_that_arent_asked_for(tmp_path):
    spec = write(tmp_path, "filename,label,targeted_label", [("a.png", 1, -7)])
    data = load_data(spec, classes=10)
    assert (data.targets, data.labels.tolist()) == (None, [1])


def test_first_label_holds_for_targets(tmp_path):
    spec = write(tmp_path, "filename,label,targeted_label", [("a.png", 1, 10)])
    data = bound(spec, first_label=1)
    assert (data.labels.tolist(), data.targets.tolist()) == ([0], [9])


def test_pictures_beside_the_list_come_first(tmp_path):
    spec = write(tmp_path, "filename,label", [("a.png", 1)], images=".")
    (tmp_path / "images").mkdir()
    assert load_data(spec).names == ["a.png"]


def test_parquet_holds_targets(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    write(tmp_path, "filename,label", [("a.png", 1), ("b.png", 2)])
    path = tmp_path / "list.parquet"
    columns = {"filename": ["a.png", "b.png"], "label": [1, 2], "targeted_label": [3, 4]}
    pq.write_table(pa.table(columns), path)
    assert np.array_equal(bound(str(path)).targets, [3, 4])
