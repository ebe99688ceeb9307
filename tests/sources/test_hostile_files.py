"""Whatever lies where a file is expected is refused in one line: no traceback, and no waiting."""

import io
import json
import os
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from network_prune import NetworkPruneError, load_data, load_network
from network_prune.core.files import read_elements
from network_prune.pruning.prunable import PrunableSet
from network_prune.results.images import Images
from network_prune.results.outcome_store import StoredOutcomes
from network_prune.results.study import load_study
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.fit import hash_weights
from network_prune.sources.preprocessing import MOST_PIXELS, Preprocessing
from network_prune.study.running.state_file import StateFile
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.running.state import State
from network_prune.transfer.transferred import load_transfer
from tests.exchanged_parts import forged_line

CONTENTS = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "NUL bytes": b"\0" * 10_000,
    "text": b"image,label\n",
    "one long line": b"x" * 3_000_000,
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 10_000,
    "a huge number": b'{"schema": 1, "key": ' + b"9" * 5000 + b"}\n",
    "lone surrogates": b'{"schema": 1, "\\ud800": "\\ud800"}\n',
    "NaN": b'{"schema": NaN}\n',
    "byte order mark": b"\xef\xbb\xbf{}\r\n",
    "UTF-16": "image,label\r\na,1\r\n".encode("utf-16"),
    "the wrong types": b'[1, "2", [3], {"4": null}]\n',
    "a pickle's start": b"\x80\x04",
    "a zip's start": b"PK\x03\x04" + b"\xff" * 200,
    "a tar's name": b"a" * 512 + b"\0" * 1024,
    "a header as long as can be": struct.pack("<Q", 2**63) + b"{" * 100,
    "a header of levels": struct.pack("<Q", 90_000) + b'{"a":[' + b"[" * 90_000,
}


def data(path):
    load_data(str(path), classes=10)


def study_file(path):
    load_study(path)


def study(path):
    load_study(path.parent)


def transfer(path):
    load_transfer(path.parent)


def elements(path):
    PrunableSet.load(path)


def weights(path):
    load_network("digits", weights=path)


def network(path):
    load_network(f"hf:{path.parent}")


def packed(path):
    load_network(f"packed:{path}")


READERS = {
    "records.jsonl": study,
    "transfer.jsonl": transfer,
    "study.json": study_file,
    "set.safetensors": elements,
    "weights.safetensors": weights,
    "packed.safetensors": packed,
    "weights.pt": weights,
    "weights.bin": weights,
    "labels.csv": data,
    "labels.tsv": data,
    "labels.parquet": data,
    "pictures.npz": data,
    "shard.tar": data,
    "config.json": network,
}
EVERY = pytest.mark.parametrize("file", READERS)


def told(call, *arguments):
    """The line that a call is refused in."""
    with pytest.raises(NetworkPruneError) as raised:
        call(*arguments)
    line = str(raised.value)
    assert "\n" not in line
    assert len(line) < 2000
    return line


@EVERY
@pytest.mark.filterwarnings("ignore")
def test_any_content_is_refused_by_name(tmp_path, file):
    for content in CONTENTS.values():
        (tmp_path / file).write_bytes(content)
        if READERS[file] in (study, transfer):
            # Nothing, or a line that isn't whole, is no record; others may be told as damaged.
            try:
                READERS[file](tmp_path / file)
            except NetworkPruneError as error:
                assert "\n" not in str(error)  # noqa: PT017
            continue
        assert str(tmp_path) in told(READERS[file], tmp_path / file)


@EVERY
def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path, file):
    path = tmp_path / file
    for make in (
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/dev/urandom"),
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("nowhere"),
        path.mkdir,
    ):
        make()
        assert str(tmp_path) in told(READERS[file], path)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@EVERY
def test_what_may_not_be_read_is_refused(tmp_path, file):
    (tmp_path / file).write_bytes(b"x\n")
    (tmp_path / file).chmod(0)
    assert str(tmp_path) in told(READERS[file], tmp_path / file)


def png(width, height):
    """The shortest picture of that size: black, one bit a pixel."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((1 + -(-width // 8)) * height), 9)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture
def folder(tmp_path):
    """Ten class folders with a picture each; the third has another one, called x.png."""
    for label in range(10):
        (tmp_path / f"data/{label}").mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / f"data/{label}/a.png")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            png(60000, 1),
            "cannot use image 3/x.png: 60000 x 1 pixels become 3840000 x 64 when the shorter side "
            f"is resized to 64; a picture may have {MOST_PIXELS} then",
        ),
        (png(60000, 60000), "cannot read image 3/x.png: Image size (3600000000 pixels) exceeds"),
        ("fifo", "3/x.png is a pipe; pass a plain file"),
        ("/dev/zero", "3/x.png is a device; pass a plain file"),
        ("/dev/urandom", "3/x.png is a device; pass a plain file"),
        ("x.png", "Too many levels of symbolic links"),
    ],
    ids=["long", "large", "pipe", "zeros", "noise", "loop"],
)
def test_pictures_that_blow_up_or_never_end_are_named_and_counted(run, folder, content, line):
    path = folder / "3" / "x.png"
    if content == "fifo":
        os.mkfifo(path)
    elif isinstance(content, str):
        path.symlink_to(content)
    else:
        path.write_bytes(content)
    options = ("eval", "--data", folder, "--workers", 0, "--resize", 64, "--crop", 64)
    if content != "x.png":  # of a link to itself the size can't be found out
        refused = run(*options)
        assert refused.code == 2
        assert line in refused.err
        assert "--skip-unreadable" in refused.err
    skipped = run(*options, "--skip-unreadable", "--exif", "turn")
    assert skipped.code == 0, skipped.err
    assert "1 unreadable images were left out" in skipped.out


def test_usual_panoramas_are_resized():
    image = Image.new("RGB", (4000, 200))
    shape = (3, 224, 224)
    assert Preprocessing().transform()(image).shape == shape
    with pytest.raises(NetworkPruneError, match="100000 x 1 pixels become 25600000 x 256"):
        Preprocessing().transform()(Image.new("RGB", (100_000, 1)))


def test_arrays_that_say_more_than_they_hold_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 8, 8)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        archive.writestr("labels.npy", header.getvalue())
    assert "its header says uint8 [1000000000000, 8, 8], but it has 128 bytes" in told(data, path)


@pytest.mark.parametrize("name", ["a.npz", "a.pt"])
def test_little_that_unpacks_to_very_much_is_refused(tmp_path, name):
    path = tmp_path / name
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy" if name == "a.npz" else "archive/data.pkl", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (110, 1000, 1000)}
        )
        for _ in range(110):
            file.write(bytes(1_000_000))
    with zipfile.ZipFile(path, "a") as archive, archive.open("labels.npy", "w") as file:
        np.save(file, np.zeros(110, np.int64))
    line = told(data if name == "a.npz" else weights, path)
    assert "bytes, more than 100 times its size; save it without compression" in line


def test_members_of_a_tar_that_say_more_than_it_holds_are_refused(tmp_path):
    path = tmp_path / "a.tar"
    for size in (10**12, -1):
        with tarfile.open(path, "w") as shard:
            for name in ("a.jpg", "a.cls"):
                member = tarfile.TarInfo(name)
                member.size = 0
                shard.addfile(member)
        content = bytearray(path.read_bytes())
        content[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
        path.write_bytes(content)
        told(data, path)


@pytest.mark.parametrize("depth", [1, 4, 100])
def test_weights_of_dicts_in_dicts_are_found_or_refused(tmp_path, depth):
    path = tmp_path / "a.pt"
    content = {}
    for _ in range(depth):
        content = {f"a{n}": content for n in range(200)}
    torch.save(content, path)
    line = told(Checkpoint, str(path))
    assert "holds no state dict" in line or "holds more than 10000 dicts" in line
    content["a0"] = content
    torch.save(content, path)
    told(Checkpoint, str(path))


def test_names_of_layers_may_be_lone_surrogates():
    network = torch.nn.Sequential()
    network.add_module("\ud800", torch.nn.Linear(1, 1))
    assert len(hash_weights(network)) == 64


@pytest.mark.parametrize("name", ["a b/c", "a/b/c", "é/b", "../x", "a?b=c", "x" * 5000, ""])
@pytest.mark.parametrize("form", ["hf:{}", "hub:{}:entry", "timm:{}", "{}"])
def test_odd_names_of_networks_are_refused_offline(monkeypatch, form, name):
    monkeypatch.setattr("network_prune.sources.downloads.TIMEOUT_SECONDS", 0.01)
    if (form, name) != ("{}", ""):
        told(load_network, form.format(name))


@pytest.mark.parametrize("name", ["a b/c", "a/b/c", "é/b", "../x", "a?b=c", "x" * 5000, ""])
def test_odd_names_of_data_are_refused_offline(monkeypatch, name):
    monkeypatch.setattr("network_prune.sources.downloads.TIMEOUT_SECONDS", 0.01)
    told(load_data, f"hf:{name}")
    told(load_data, name)


STATES = (
    b"",
    b"[" * 100_000,
    b"null",
    b"[]",
    b'{"seconds": "x", "seconds_drawing": 0, "passes": 0, "predictions": null}',
    b'{"seconds": NaN, "seconds_drawing": 0, "passes": 0, "predictions": null}',
    b'{"seconds": -1, "seconds_drawing": 0, "passes": 0, "predictions": null}',
    b'{"seconds": 0, "seconds_drawing": 0, "passes": 1e999, "predictions": null}',
    b'{"seconds": 0, "seconds_drawing": 0, "passes": 0, "predictions": 3}',
    b'{"seconds": 0, "seconds_drawing": 0, "passes": 0, "predictions": "AAAA"}',
    b'{"seconds": 0, "seconds_drawing": 0, "passes": ' + b"9" * 5000 + b', "predictions": null}',
)


@pytest.mark.parametrize("content", STATES, ids=range(len(STATES)))
def test_a_state_of_anything_is_told_and_computed_anew(tmp_path, content):
    """Also with a right checksum, which a stranger may make."""
    key, notices = "k" * 16, []
    text = content.replace(b"{", b'{"key":"%s","digests":"",' % key.encode())
    (tmp_path / f"partial-{key}.json").write_bytes(forged_line(text))
    assert StateFile(tmp_path, key).read(State.from_dict, notices.append) is None
    assert len(notices) == 1


@pytest.mark.parametrize(
    "head",
    [
        "",
        "[" * 100_000,
        "3",
        "{}",
        {"networks": ["a"], "points": -3, "n": 1},
        {"networks": ["a"], "points": 1, "n": -1},
        {"networks": ["a"], "points": "1", "n": 1},
        {"networks": ["a"], "points": 1, "n": 10**30},
        {"networks": "ab", "points": 1, "n": 0},
        {"networks": [3], "points": 1, "n": 0},
        {"networks": [], "points": 1, "n": 1},
    ],
    ids=range(11),
)
def test_predictions_and_images_of_anything_are_no_predictions_and_images(head):
    content = (head if isinstance(head, str) else json.dumps(head)).encode() + b"\n" + bytes(96)
    with pytest.raises(ValueError, match=r".*"):
        Predictions.from_bytes(content)
    with pytest.raises(ValueError, match=r".*"):
        Images.from_bytes(content)


def test_outcomes_of_anything_arent_there(tmp_path):
    name = "0" * 64
    lines = [b"[" * 100_000, b'"data":3}', b'"data":"A"}', b'"data":null}', b"\xff\0", b""]
    for line in lines:
        content = b'{"sha256":"' + name.encode() + b'",' + line + b"\n"
        (tmp_path / "outcomes.jsonl").write_bytes(content)
        assert StoredOutcomes(tmp_path).get(name) is None


def test_sets_of_elements_of_anything_are_refused(tmp_path):
    from safetensors.numpy import save_file

    for content in ("[" * 100_000, "3", "{}", '{"layers": [], "granularity": 1e999}'):
        metadata = {"format": "network-prune/1", "kind": "prunable set", "content": content}
        save_file({"words": np.zeros(1, np.uint64)}, tmp_path / "a.safetensors", metadata)
        line = told(
            lambda: read_elements(
                tmp_path / "a.safetensors", kind="prunable set", settings={}, usual={}
            )
        )
        assert "is damaged" in line
