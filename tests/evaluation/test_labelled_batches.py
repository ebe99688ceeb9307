"""Labelled images as other people's loaders give them: evaluate and rank take or refuse alike."""

from collections import UserDict, namedtuple

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import network_prune as npr
from network_prune.core.labelled_batches import labelled_batches, to_batch
from network_prune.errors import ArgumentError, NetworkPruneError

N, CLASSES = 7, 4
IMAGES = torch.randn(N, 3, 6, 6, generator=torch.Generator().manual_seed(3))
LABELS = torch.tensor([0, 3, 1, 2, 2, 0, 1])
SAMPLES = [(image, int(label)) for image, label in zip(IMAGES, LABELS, strict=True)]
BATCHES = [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


class Samples(Dataset):
    """Gives samples by number and never says that there are no more."""

    def __init__(self, make=lambda image, label: (image, label)):
        self.make = make

    def __len__(self):
        return N

    def __getitem__(self, index):
        return self.make(*SAMPLES[index % N])


class Stream(IterableDataset):
    def __init__(self, entries):
        self.entries = entries

    def __iter__(self):
        return iter(self.entries)


class Unsized(Dataset):
    def __getitem__(self, index):
        return SAMPLES[index]


def batches(image="image", label="label", *, change=lambda value: value, kind=dict):
    return [kind({image: images, label: change(labels)}) for images, labels in BATCHES]


def labelled(change):
    return [(images, change(labels)) for images, labels in BATCHES]


def hub(**options):
    return datasets.Dataset.from_dict(
        {"image": IMAGES.numpy(), "label": LABELS.tolist()},
        features=datasets.Features(
            image=datasets.Array3D((3, 6, 6), "float32"),
            label=datasets.ClassLabel(num_classes=CLASSES),
        ),
    ).with_format(**options)


def preprocessed(rows):
    """What a transform of the datasets library makes of rows of PIL images."""
    return {"image": rows["image"], "pixel_values": list(map(torch.tensor, rows["pixels"]))}


def transformed():
    grey = [Image.new("L", (6, 6))] * N
    rows = datasets.Dataset.from_dict({"image": grey, "pixels": IMAGES.tolist()})
    rows = rows.add_column("labels", LABELS.tolist())
    return rows.with_transform(lambda part: {**preprocessed(part), "labels": part["labels"]})


Named = namedtuple("Named", "pixels classes")
NUMPY = IMAGES.numpy(), LABELS.numpy()
TAKEN = {
    "dataset": Samples(),
    "dataset without a length": Unsized(),
    "dataset of three": Samples(lambda image, label: (image, label, "a path")),
    "dataset of dicts": Samples(lambda image, label: {"img": image, "target": label}),
    "dataset of numpy": Samples(lambda image, label: (image.numpy(), np.uint8(label))),
    "dataset of labels [1]": Samples(lambda image, label: (image, np.array([label]))),
    "tensor dataset of labels [n, 1]": TensorDataset(IMAGES, LABELS[:, None]),
    "loader": DataLoader(Samples(), 3),
    "loader of three": DataLoader(Samples(lambda *sample: (*sample, "a path")), 3),
    "loader of dicts": DataLoader(Samples(lambda x, y: {"x": x, "y": y}), 3),
    "loader of lists of samples": DataLoader(Samples(), 3, collate_fn=list),
    "loader of tuples": DataLoader(Samples(), 3, collate_fn=lambda some: tuple(zip(*some))),  # noqa: B905
    "loader of lists": DataLoader(Samples(), 3, collate_fn=lambda some: list(zip(*some))),  # noqa: B905
    "loader without batches": DataLoader(Samples(), None),
    "loader over a stream": DataLoader(Stream(SAMPLES), 3),
    "stream of samples": Stream(SAMPLES),
    "stream of batches": Stream(BATCHES),
    "list of batches": BATCHES,
    "list of samples": SAMPLES,
    "samples, then batches": [*SAMPLES[:4], BATCHES[1]],
    "generator": lambda: (batch for batch in BATCHES),
    "one pair": (IMAGES, LABELS),
    "one list of arrays": list(NUMPY),
    "one list of images and plain numbers": [IMAGES, LABELS.tolist()],
    "one pair of an array and tensors": (NUMPY[0], tuple(LABELS)),
    "one mapping": {"images": IMAGES, "targets": LABELS},
    "named tuples": [Named(*batch) for batch in BATCHES],
    "user dicts": batches("pixel_values", "labels", kind=UserDict),
    "labels as lists": labelled(torch.Tensor.tolist),
    "labels as tuples of tensors": labelled(tuple),
    "labels [n, 1]": labelled(lambda labels: labels[:, None]),
    "images in lists": [(list(images), labels) for images, labels in BATCHES],
    "arrays": [(images.numpy(), labels.numpy()) for images, labels in BATCHES],
    "arrays of foreign byte order": labelled(lambda labels: labels.numpy().astype(">i4")),
    "arrays read backwards": labelled(lambda labels: labels.flip(0).numpy()[::-1]),
    "an empty batch between": [BATCHES[0], ([], []), (IMAGES[:0], LABELS[:0]), BATCHES[1]],
    "three, of which the last is like labels": [(*batch, batch[1] * 0) for batch in BATCHES],
    "datasets.Dataset": hub(type="numpy"),
    "datasets.Dataset of tensors": hub(type="torch"),
    "datasets.Dataset with a transform": transformed(),
    "datasets.IterableDataset": hub(type="torch").to_iterable_dataset(),
    "loader of datasets.Dataset": DataLoader(hub(type="torch"), 3),
    **{name: labelled(lambda labels, name=name: labels.numpy().astype(name)) for name in INTEGERS},
}

PAST = "label 9223372036854775813, which int64 can't hold; pass class numbers from 0 on"
NESTED = torch.nested.nested_tensor(list(IMAGES), layout=torch.jagged)
SOFT = nn.functional.one_hot(LABELS, CLASSES)
REFUSED = {
    "float labels": (labelled(torch.Tensor.float), r"labels in torch\.float32; pass .*long\(\)"),
    "flags for labels": (labelled(torch.Tensor.bool), r"labels in torch\.bool; pass class numbers"),
    "one-hot labels": ((IMAGES, SOFT), r"labels \[7, 4\], a row for each image, .*argmax\(1\)"),
    "soft labels": (TensorDataset(IMAGES, SOFT / 2), r"labels \[\d, 4\], a row for each image"),
    "labels in words": (labelled(lambda some: ["cat"] * len(some)), "gives labels as str, not"),
    "labels that are missing": (Samples(lambda image, _: (image, None)), "labels as NoneType"),
    "too many labels": ((IMAGES, LABELS[:3]), r"images \[7, 3, 6, 6\] with labels \[3\]; pass"),
    "pixels": ((IMAGES.byte(), LABELS), r"images in torch\.uint8; pass them preprocessed"),
    "dataset of pixels": (TensorDataset(IMAGES.byte(), LABELS), r"images in torch\.uint8; pass"),
    "complex images": ((IMAGES.cfloat(), LABELS), r"images in torch\.complex64; pass them"),
    "PIL images": (Samples(lambda _, label: (Image.new("L", (6, 6)), label)), "gives PIL images"),
    "rows of datasets": (transformed().with_format(None), r"PIL images, .*; pass transform="),
    "images of two sizes": (
        [*SAMPLES, (IMAGES[0, :, 1:], 0)],
        r"images of different shapes in one batch, \[3, 6, 6\] and \[3, 5, 6\]; bring them to one",
    ),
    "sparse images": ((IMAGES.to_sparse(), LABELS), r"images in .* torch\.sparse_coo; .*to_dense"),
    "images in MKL-DNN's layout": ((IMAGES.to_mkldnn(), LABELS), r"layout torch\._mkldnn; pass"),
    "sparse samples": (
        Samples(lambda x, y: (x.to_sparse(), y)),
        r"torch\.sparse_coo; pass a dense",
    ),
    "nested images": ((NESTED, LABELS), "images in a nested tensor; bring them to one shape"),
    "images without values": ((IMAGES.to("meta"), LABELS), "images in a meta tensor, which holds"),
    "sparse labels": (
        (IMAGES, LABELS.to_sparse()),
        r"labels in .* torch\.sparse_coo; pass a dense",
    ),
    "labels without values": ((IMAGES, LABELS.to("meta")), "labels in a meta tensor, which holds"),
    "labels past int64": ((IMAGES, np.uint64(2**63 + 5) + NUMPY[1].astype(np.uint64)), PAST),
    "plain labels past int64": (labelled(lambda some: [2**63 + 5] * len(some)), PAST),
    "samples' labels past int64": (Samples(lambda x, _: (x, 2**63 + 5)), PAST),
    "labels of two kinds": (
        labelled(lambda some: [torch.tensor(1, dtype=torch.uint64), *some[1:]]),
        r"gives labels that can't be put together \(.*\); bring them to one dtype and device",
    ),
    "images in words": (Samples(lambda _, label: ("x.png", label)), "images as str, not tensors"),
    "images alone": (IMAGES, "data gives a Tensor, not pairs; pass batches"),
    "tuples of one": (TensorDataset(IMAGES), "data gives a tuple, not pairs; pass batches"),
    "unknown names": (batches("picture"), "gives picture, label, but no images called pixel_val"),
    "no label": (batches(label="kind"), "gives image, kind, but no class numbers called label"),
    "two labels": (
        [{"image": IMAGES, "label": LABELS, "target": LABELS}],
        "label and target, which may both be class numbers; leave out one",
    ),
    "parts": (datasets.DatasetDict(test=hub()), "test, but no images .* one of them"),
    "a name": ("digits", r"data=str gives no batches; pass .* what load_data\(\.\.\.\) returns"),
    "nothing iterable": (3, "data=int gives no batches; pass batches"),
    "a spent generator": (iter([]), "an iterator gives its batches only once, so pass a list"),
}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, CLASSES))


def fresh(data):
    return data() if callable(data) and not isinstance(data, nn.Module) else data


def evaluate(model, data):
    return npr.evaluate(model, fresh(data), batch_size=3, workers=0)


def rank(model, data):
    return npr.rank(model, p_prune=0.5, score="taylor", data=fresh(data))


@pytest.mark.parametrize("form", TAKEN)
def test_evaluate_and_rank_take_the_same(model, form):
    expected, found = evaluate(model, BATCHES), evaluate(model, TAKEN[form])
    assert (found.n, found.hits1, found.unreadable) == (N, expected.hits1, 0)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert rank(model, TAKEN[form]) == rank(model, BATCHES)  # with a hash of all in their order


@pytest.mark.parametrize("call", [evaluate, rank])
@pytest.mark.parametrize("form", REFUSED)
def test_evaluate_and_rank_refuse_the_same_in_one_line(model, call, form):
    data, message = REFUSED[form]
    with pytest.raises(NetworkPruneError, match=message) as error:
        call(model, data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_images_are_cast_to_the_networks_dtype(model, dtype):
    images = IMAGES.to(dtype)
    expected = evaluate(model, (images.float(), LABELS))
    assert evaluate(model, (images, LABELS)).loss_sum == expected.loss_sum


def test_what_load_data_returns_is_taken_by_both():
    network = npr.load_network()
    data = npr.load_data("digits", transform=network.preprocessing.transform(), limit=9)
    found = npr.evaluate(network.model, data)
    assert found.loss_sum == npr.evaluate(network.model, list(data)).loss_sum
    assert rank(network.model, data) == rank(network.model, data.batches(4))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_refusal_in_a_worker_is_one_line_too(model, workers):
    data = npr.load_data("fake:4", classes=CLASSES)
    with pytest.raises(ArgumentError, match="the data gives PIL images, which make no") as error:
        npr.evaluate(model, data, workers=workers)
    assert "\n" not in str(error.value)


def test_samples_are_put_together_and_batches_stay_as_they_are():
    def sizes(data):
        return [len(labels) for _, labels in labelled_batches(data, 3)]

    assert sizes(Samples()) == sizes(SAMPLES) == sizes((IMAGES, LABELS)) == [3, 3, 1]
    assert sizes(BATCHES) == [4, 3]
    assert sizes([*SAMPLES[:4], BATCHES[1]]) == [3, 1, 3]


def test_images_keep_dtype_and_memory_and_labels_become_int64():
    images, labels = to_batch(IMAGES, LABELS.to(torch.uint8))
    assert images is IMAGES
    assert labels.dtype is torch.int64
