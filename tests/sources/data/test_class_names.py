"""Classes are matched with outputs by what they are called, wherever both sides say it."""

import csv
import io
import itertools
import random
import tarfile

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import photo

from network_prune.errors import ArgumentError, SourceError
from network_prune.options import ORDERS
from network_prune.sources.data.class_names import match_classes, number_labels
from network_prune.sources.data.load import load_data
from network_prune.sources.imagenet import imagenet_numbers, synsets_of, to_synsets
from network_prune.sources.outputs import Outputs

CLASSES = ("black bear", "Cat", "snow-leopard", "dog", "eel")
WRITTEN_OTHERWISE = ("black_bear", "cat", "Snow Leopard", "DOG", "eel")
SYNSETS = tuple(imagenet_numbers())


def lemmas():
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo().label_descriptions())


def categories():
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


def save_folders(folder, names):
    for seed, name in enumerate(names):
        (folder / "classes" / name).mkdir(parents=True)
        photo(seed=seed).save(folder / "classes" / name / "x.png")
    return str(folder / "classes")


def save_hub(folder, names):
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    columns = {
        "image": [photo(seed=seed) for seed in range(len(names))],
        "label": list(range(len(names))),
    }
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    data.save_to_disk(str(folder / "hub"))
    return f"hf:{folder / 'hub'}"


def save_manifest(folder, names):
    with (folder / "m.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        for seed, name in enumerate(names):
            photo(seed=seed).save(folder / f"{seed}.png")
            writer.writerow([f"{seed}.png", name])
    return str(folder / "m.csv")


def save_shard(folder, names):
    with tarfile.open(folder / "x.tar", "w") as tar:
        for seed, name in enumerate(names):
            photo(seed=seed).save(folder / "x.png")
            tar.add(folder / "x.png", f"{seed}.png")
            info = tarfile.TarInfo(f"{seed}.cls")
            info.size = len(name.encode())
            tar.addfile(info, io.BytesIO(name.encode()))
    return str(folder / "x.tar")


FORMS = {"folders": save_folders, "hub": save_hub, "manifest": save_manifest, "shard": save_shard}


def found_of(data):
    """Return the label of each picture, by what it shows."""
    return {data.dataset[n][0].tobytes(): data.dataset[n][1] for n in range(data.n)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("written", [CLASSES, WRITTEN_OTHERWISE])
def test_each_kind_of_data_is_matched_by_name(tmp_path, form, written):
    """Whatever order a network was trained in, a picture's label is its class's output."""
    data = FORMS[form](tmp_path, written)
    for seed in range(3):
        order = list(range(len(CLASSES)))
        random.Random(seed).shuffle(order)
        loaded = load_data(data, classes=[CLASSES[place] for place in order])
        assert loaded.classes_by == "name"
        expected = {photo(seed=n).tobytes(): order.index(n) for n in range(len(CLASSES))}
        assert found_of(loaded) == expected


VOCABULARIES = {
    "synsets": lambda: SYNSETS,
    "torchvision": categories,
    "transformers": lemmas,
    "background": lambda: ("background", *lemmas()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_imagenets_classes_are_the_same_in_each_vocabulary(tmp_path, form, vocabulary):
    names = VOCABULARIES[vocabulary]()
    numbers = [0, 217, 482, 701]
    data = FORMS[form](tmp_path, [SYNSETS[number] for number in numbers])
    first = len(names) - 1000
    labels = found_of(load_data(data, classes=names)).values()
    assert sorted(labels) == [number + first for number in numbers]


@settings(max_examples=25)
@given(st.permutations(range(30)), st.permutations(range(30)), st.integers(1, 30), st.data())
def test_any_order_of_both_sides_is_matched_by_name(own, theirs, count, data):
    synsets, words = SYNSETS[:30], lemmas()[:30]
    others = tuple(f"class {n}" for n in range(30))
    pairs = [(others, others), *itertools.product((synsets, words), repeat=2)]
    ours, asked = data.draw(st.sampled_from(pairs))
    outputs = Outputs(30, tuple(ours[n] for n in own))
    matched = match_classes([asked[n] for n in theirs[:count]], outputs, where="x")
    assert matched.numbers == [own.index(n) for n in theirs[:count]]


@pytest.mark.parametrize("count", [1000, 1001, 11221, 11821, 21841, 21842, 21843])
def test_a_count_of_imagenets_says_what_the_outputs_are(count):
    names = ["n01440764", "n02102040", "n03888257"]
    numbers = match_classes(names, Outputs(count), where="x").numbers
    assert [synsets_of(count)[number] for number in numbers] == names
    assert (numbers == [0, 217, 701]) is (count in (1000, 21842))
    assert (numbers == [1, 218, 702]) is (count == 1001)


@pytest.mark.parametrize("names", [categories, lemmas, lambda: SYNSETS])
def test_each_whole_list_of_imagenets_classes_is_known_to_be_it(names):
    assert to_synsets(names()) == SYNSETS


def test_a_name_of_two_classes_is_neither():
    assert lemmas().count("crane") == 2
    shuffled = random.Random(0).sample(lemmas(), 1000)
    found = to_synsets(shuffled)
    assert {name for name, synset in zip(shuffled, found, strict=True) if synset is None} == {
        "crane"
    }
    with pytest.raises(SourceError, match=r"1 of 2 classes \(crane\) that aren't among"):
        match_classes(
            ["goldfish, Carassius auratus", "crane"], Outputs(1000, tuple(shuffled)), where="x"
        )


def test_names_of_which_the_network_has_none_are_refused():
    outputs = Outputs(3, ("cat", "dog", "eel"))
    message = r"3 of 3 classes \(a, b, c\).*network's 3 \(cat, dog, eel\).*--class-order data"
    with pytest.raises(SourceError, match=message):
        match_classes(["a", "b", "c"], outputs, where="x")
    with pytest.raises(SourceError, match=r"2 of 2 classes.*pass data of its classes$"):
        match_classes(["a", "b"], outputs, where="x")


def test_a_few_names_spelled_otherwise_are_told_where_the_order_agrees():
    outputs = Outputs(4, ("airplane", "automobile", "bird", "cat"))
    matched = match_classes(["airplane", "car", "bird", "cat"], outputs, where="x")
    assert (matched.numbers, matched.by) == ([0, 1, 2, 3], "order")
    assert matched.notes == (
        "x: 1 of 4 classes (car) have other names in the network; all are matched by their order",
    )
    with pytest.raises(SourceError, match=r"1 of 4 classes \(car\)"):
        match_classes(["car", "airplane", "bird", "cat"], outputs, where="x")


def test_two_names_of_one_class_are_refused():
    with pytest.raises(SourceError, match=r"'Eel' and 'eel', which are one class.*join them"):
        match_classes(["Eel", "eel"], Outputs(2, ("eel_", "dog")), where="x")


def test_who_trained_on_words_has_them_in_some_order_of_these():
    """A network of its user's own counts ImageNet's words as its folders stood, not as ILSVRC."""
    words = sorted({name.partition(",")[0] for name in lemmas()})
    assert match_classes(words, Outputs(len(words)), where="x").numbers == [*range(len(words))]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_overrules_the_names(order):
    outputs = Outputs(3, ("cat", "dog", "eel"))
    matched = match_classes(["eel", "cat", "dog"], outputs, where="x", order=order)
    assert matched.numbers == ([0, 1, 2] if order == "data" else [2, 0, 1])
    assert matched.by == f"order ({order})"
    with pytest.raises(SourceError, match="has 2 classes"):
        match_classes(["eel", "cat"], outputs, where="x", order=order)


def test_folders_by_number_say_that_imagefolder_counts_otherwise(tmp_path):
    """ImageFolder numbers 0, 1, 10, 11, 2, …: which a network was trained on, nobody knows."""
    from torchvision.datasets import ImageFolder

    spec = save_folders(tmp_path, [str(number) for number in range(12)])
    with pytest.warns(UserWarning, match=r"\(0, 1, 10, 11, …\).*--class-order text"):
        by_number = load_data(spec, classes=12)
    assert found_of(by_number) == {photo(seed=n).tobytes(): n for n in range(12)}
    expected = ImageFolder(spec)
    by_text = found_of(load_data(spec, classes=12, class_order="text"))
    assert by_text == {image.tobytes(): label for image, label in expected}
    assert found_of(load_data(spec, classes=12, class_order="data")) == found_of(by_number)
    assert found_of(load_data(spec, classes=expected.classes)) == by_text
    assert load_data(spec, classes=12, first_label=0).notes == ()
    assert load_data(save_folders(tmp_path / "ten", map(str, range(10))), classes=10).notes == ()


def test_class_order_is_for_data_that_has_classes(tmp_path):
    with pytest.raises(ArgumentError, match=r"class_order='text' .* has no meaning for digits"):
        load_data("digits", class_order="text")
    with pytest.raises(ArgumentError, match="unknown class_order 'name'"):
        load_data(save_folders(tmp_path, "ab"), class_order="name")


@given(st.lists(st.integers(-5, 20), min_size=1))
def test_whole_numbers_are_numbers_unless_classes_are_called_so(numbers):
    texts = [f" {number}" for number in numbers]
    for outputs in (Outputs(), Outputs(3), Outputs(3, ("cat", "dog", "eel"))):
        labels, matched = number_labels(texts, outputs, where=str)
        assert (labels.tolist(), matched) == (numbers, None)
    called = Outputs(26, tuple(str(number) for number in range(20, -6, -1)))
    labels, matched = number_labels(texts, called, where=str)
    assert labels.tolist() == [20 - number for number in numbers]
    assert number_labels(texts, called, where=str, counts=True)[1] is None


def test_a_label_that_is_neither_is_named():
    with pytest.raises(SourceError, match=r"^1: label 'x' is no whole number; pass numbers, or"):
        number_labels(["0", "x"], Outputs(), where=str)
    message = r"^1: label 'x' is no whole number and none of the network's classes \(cat, dog\)$"
    with pytest.raises(SourceError, match=message):
        number_labels(["cat", "x"], Outputs(2, ("cat", "dog")), where=str)


def test_true_label_counts_from_one_but_for_a_network_with_a_background(tmp_path):
    (tmp_path / "images").mkdir()
    photo().save(tmp_path / "images" / "a.png")
    path = tmp_path / "m.csv"
    path.write_text("ImageId,TrueLabel\na,305\n")
    for classes, expected in ((1000, 304), (None, 304), (1001, 305)):
        assert list(found_of(load_data(str(path), classes=classes)).values()) == [expected]


def test_numbers_on_a_network_with_a_background_are_told(tmp_path):
    path = save_manifest(tmp_path, ["7", "8"])
    with pytest.warns(UserWarning, match=r"numbers of 1001 outputs.*--first-label -1"):
        load_data(path, classes=1001)
    assert sorted(found_of(load_data(path, classes=1001, first_label=-1)).values()) == [8, 9]
    assert sorted(found_of(load_data(path, classes=1001, first_label=0)).values()) == [7, 8]


def test_one_name_is_no_list_of_names():
    with pytest.raises(SourceError, match=r"classes='cat' is one name; pass a list"):
        load_data("digits", classes="cat")


def test_true_label_is_matched_by_synset_where_outputs_are_others(tmp_path):
    (tmp_path / "images").mkdir()
    for name in "ab":
        photo(seed=ord(name)).save(tmp_path / "images" / f"{name}.png")
    path = tmp_path / "m.csv"
    path.write_text("ImageId,TrueLabel\na,1\nb,702\n")
    wanted = [SYNSETS[0], SYNSETS[701]]
    for outputs in (21841, lemmas()[::-1]):
        labels = list(found_of(load_data(str(path), classes=outputs)).values())
        assert labels == Outputs.of(outputs).find(wanted)
        assert labels != [0, 701]
    with pytest.raises(SourceError, match="aren't among the network's 1000"):
        load_data(str(path), classes=[f"c{number}" for number in range(1000)])
    assert list(found_of(load_data(str(path), classes=21841, first_label=1)).values()) == [0, 701]


def test_folders_in_their_order_may_be_called_by_any_numbers(tmp_path):
    spec = save_folders(tmp_path, [str(10 * number) for number in range(1, 13)])
    found = found_of(load_data(spec, classes=12, class_order="data"))
    assert found == {photo(seed=n).tobytes(): n for n in range(12)}
    with pytest.raises(SourceError, match="has 12 class folders"):
        load_data(spec, classes=100, class_order="data")


@pytest.mark.parametrize("form", ["folders", "manifest", "shard"])
def test_numbers_of_which_the_network_has_only_some_are_refused(tmp_path, form):
    """Names 1 to 10 aren't the numbers 0 to 9, and one that fits doesn't say which is meant."""
    spec = FORMS[form](tmp_path, [str(number) for number in range(10)])
    with pytest.raises(SourceError, match=r"of the network's|among the network's"):
        load_data(spec, classes=[str(number) for number in range(1, 11)])
    assert load_data(spec, classes=[f"class {number}" for number in range(10)]).n == 10


def test_labels_in_words_may_stand_in_a_column_of_text(tmp_path):
    columns = {"image": [photo(seed=seed) for seed in range(3)], "label": ["eel", "cat", "dog"]}
    kinds = {"image": datasets.Image(), "label": datasets.Value("string")}
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    data.save_to_disk(str(tmp_path / "hub"))
    loaded = load_data(f"hf:{tmp_path / 'hub'}", classes=["cat", "dog", "eel"])
    assert [loaded.dataset[n][1] for n in range(3)] == [2, 0, 1]
    with pytest.raises(SourceError, match="row 0: label 'eel' is no whole number"):
        load_data(f"hf:{tmp_path / 'hub'}", classes=3)


def test_the_datas_classes_alone_are_in_the_running_however_it_is_passed_on(tmp_path):
    spec = save_folders(tmp_path, ["cat", "eel"])
    data = load_data(spec, classes=["cat", "dog", "eel"], only_data_classes=True)
    assert data.outputs == data.batches().outputs == data.dataset.outputs == (0, 2)
