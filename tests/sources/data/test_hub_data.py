import io
import json
import time

import numpy as np
import pytest
from photos import photo

from network_prune.errors import RunError, SourceError
from network_prune.sources.data.from_hub import read_row
from network_prune.sources.data.load import load_data

datasets = pytest.importorskip("datasets", reason="the extra [datasets] isn't installed")

WORDS = ["ant", "bee", "cat"]


def table(labels=(0, 2, 1), names=WORDS, *, split=None, **more):
    """A data set with an image column and a label column of class names."""
    count = len(labels)
    columns = {"image": [photo(seed=seed) for seed in range(count)], "label": list(labels)}
    kind = datasets.ClassLabel(names=names) if names else datasets.Value("int64")
    features = {"image": datasets.Image(), "label": kind}
    for name, (values, feature) in more.items():
        columns[name], features[name] = values, feature
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features), split=split)


@pytest.fixture
def save(tmp_path):
    def write(data, name="d"):
        data.save_to_disk(str(tmp_path / name))
        return f"hf:{tmp_path / name}"

    return write


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


def test_a_folder_saved_to_disk_is_read(save):
    data = load_data(save(table()), classes=3)
    assert labels_of(data) == [0, 2, 1]
    assert data.in_files
    assert np.array_equal(np.asarray(data.dataset[1][0]), np.asarray(photo(seed=1)))


@pytest.mark.parametrize(
    ("splits", "asked", "n"),
    [
        (("train", "test"), "", 2),
        (("train", "validation"), "", 2),
        (("train", "test"), ":train", 1),
        (("train",), "", 1),
    ],
)
def test_the_part_for_testing_is_taken_unless_another_is_asked_for(save, splits, asked, n):
    parts = {name: table([0] * (index + 1)) for index, name in enumerate(splits)}
    spec = save(datasets.DatasetDict(parts))
    assert load_data(spec + asked).n == n


def test_splits_that_are_not_there_are_refused_by_those_that_are(save):
    spec = save(datasets.DatasetDict({"train": table(), "extra": table()}))
    with pytest.raises(SourceError, match=r"no split is named; add one of :train, :extra"):
        load_data(spec)
    with pytest.raises(SourceError, match=r"there is no split 'test'; add one of :train, :extra"):
        load_data(f"{spec}:test")
    spec = save(table(split="train"), "one")
    assert load_data(f"{spec}:train").n == 3
    with pytest.raises(SourceError, match=r"one part alone \(train\); leave out :test"):
        load_data(f"{spec}:test")


def test_class_names_must_fit_the_network(save):
    spec = save(table())
    with pytest.raises(SourceError, match=r"column label, has 3 classes \(ant, bee, cat\).*has 10"):
        load_data(spec, classes=10)


def test_class_names_may_be_imagenets_synsets(save):
    spec = save(table([1, 0], names=["n02102040", "n01440764"]))
    assert labels_of(load_data(spec, classes=1000)) == [0, 217]


def test_plain_numbers_are_labels_too(save):
    spec = save(table([1, 5], names=None))
    assert labels_of(load_data(spec, classes=6)) == [1, 5]
    with pytest.raises(SourceError, match=r"row 1: label 5 is outside 0 to 2; pass data"):
        load_data(spec, classes=3)


def test_parts_without_labels_are_refused(save):
    with pytest.raises(SourceError, match="row 0: label -1 is outside 0 to 2; this part may have"):
        load_data(save(table([-1, -1])))


def test_columns_are_chosen_by_kind_fit_or_name(save):
    fine = ([4, 3], datasets.ClassLabel(num_classes=5))
    coarse = ([1, 0], datasets.ClassLabel(num_classes=2))
    data = table([0, 0], fine=fine, coarse=coarse).remove_columns("label")
    spec = save(data.rename_column("image", "img"))
    assert labels_of(load_data(spec, classes=2)) == [1, 0]
    assert labels_of(load_data(spec, classes=5)) == [4, 3]
    assert labels_of(load_data(spec, label_column="fine", image_column="img")) == [4, 3]
    with pytest.raises(
        SourceError, match=r"no label column .*img, fine, coarse; pass label_column"
    ):
        load_data(spec)
    with pytest.raises(SourceError, match="has no image column 'fine'; it has img"):
        load_data(spec, image_column="fine")
    with pytest.raises(SourceError, match="has no column 'label'; it has img"):
        load_data(spec, label_column="label")


def test_data_without_pictures_is_refused(save):
    data = datasets.Dataset.from_dict({"text": ["a"], "label": [0]})
    with pytest.raises(
        SourceError, match=r"0 image columns \(none\) among its columns text, label"
    ):
        load_data(save(data))


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(SourceError, match="isn't a data set that datasets saved with save_to_disk"):
        load_data(f"hf:{tmp_path}")


@pytest.mark.parametrize("path", ["secret.png", "cache/../secret.png", "cache/link/secret.png"])
def test_only_files_in_the_librarys_own_cache_are_read(tmp_path, save_photo, path):
    save_photo(tmp_path / "secret.png")
    save_photo(tmp_path / "cache" / "own.png")
    (tmp_path / "cache" / "link").symlink_to(tmp_path)
    paths = [str(tmp_path / path), str(tmp_path / "cache" / "own.png"), None]
    rows = [{"image": {"bytes": None, "path": path}} for path in paths]
    folders = ["gone", str(tmp_path / "cache")]
    assert read_row(rows, "image", folders, "hf:x", 1).image.size == (61, 47)
    for position in (0, 2):
        with pytest.raises(SourceError, match=f"row {position} of hf:x: the data set doesn't hold"):
            read_row(rows, "image", folders, "hf:x", position)
    with pytest.raises(SourceError, match="row 1 of hf:x: the data set doesn't hold"):
        read_row(rows, "image", (), "hf:x", 1)


def test_identity_follows_the_pictures_and_not_the_place(save):
    first = load_data(save(table(), "a")).identity
    assert load_data(save(table(), "b")).identity == first
    assert load_data(save(table([0, 2, 2]), "c")).identity != first
    assert load_data(save(table().select([1, 0, 2]), "e")).identity != first


OFFLINE = r"can't download the data set owner/name \(.*huggingface/datasets on a machine.*hf:FOLD"


def test_being_offline_names_the_data_and_the_cache_within_seconds(offline):
    start = time.perf_counter()
    with pytest.raises(RunError, match=OFFLINE):
        load_data("hf:owner/name:test", cache_dir=offline)
    assert time.perf_counter() - start < 30
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_connection_lost_on_the_way_names_the_same(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(RunError, match=OFFLINE):
        load_data("hf:owner/name:test", cache_dir=tmp_path)
    assert not datasets.utils.are_progress_bars_disabled()


def test_the_library_may_be_told_that_it_is_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match=OFFLINE):
        load_data("hf:owner/name:test", cache_dir=tmp_path)


def test_what_is_in_the_cache_is_read_offline(offline):
    table().to_parquet(offline / "test.parquet")
    cache = offline / "huggingface" / "datasets"
    datasets.load_dataset(
        "parquet", data_files={"test": str(offline / "test.parquet")}, cache_dir=str(cache)
    )
    (configuration,) = (cache / "parquet").iterdir()
    configuration.rename(configuration.with_name("default"))
    (cache / "parquet").rename(cache / "owner___name")
    for info in cache.rglob("dataset_info.json"):
        content = json.loads(info.read_text())
        info.write_text(json.dumps(content | {"dataset_name": "name"}))
    for table_file in cache.rglob("parquet-test.arrow"):
        table_file.rename(table_file.with_name("name-test.arrow"))
    data = load_data("hf:owner/name", classes=3, cache_dir=offline)
    assert labels_of(data) == [0, 2, 1]


@pytest.mark.parametrize("name", ["no/such/folder", "/no/such", "./folder", "~/folder"])
def test_paths_of_nothing_are_no_names_of_data_sets(name):
    with pytest.raises(SourceError, match=f"hf:{name} is neither a folder nor a data set's name"):
        load_data(f"hf:{name}")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        SourceError, match=r"^hf:x needs .*pip install 'network-prune\[datasets\]'$"
    ):
        load_data("hf:x")
