"""A file that isn't the weights it is named as is called what it is; nothing of it is run."""

import bz2
import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from network_prune.errors import SourceError
from network_prune.sources.networks.weights.files import read_file
from network_prune.sources.networks.weights.pickles import look_into

STATE = {"weight": torch.zeros(2)}
CODE = r"needs code to load \({}\), which could do anything, so it is refused; save the state dict"
CUT = r"cut off.*copy or download it anew"
FOREIGN = "is a pickle that torch.save didn't write; load it where you trust it"


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/network-prune-was-here",)


def saved(what, **options):
    file = io.BytesIO()
    torch.save(what, file, **options)
    return file.getvalue()


def zipped(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


def old_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def array(write):
    file = io.BytesIO()
    write(file, np.zeros(2))
    return file.getvalue()


ZIP = saved(STATE)
OLD = saved(STATE, _use_new_zipfile_serialization=False)
SYSTEM = CODE.format(rf"{os.system.__module__}\.system")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
KINDS = {
    "evil": (saved({"a": Command()}), SYSTEM),
    "evil old": (saved({"a": Command()}, _use_new_zipfile_serialization=False), SYSTEM),
    "evil 4": (saved({"a": Command()}, pickle_protocol=4), SYSTEM),
    **{f"evil pickle {p}": (pickle.dumps([Command()], p), SYSTEM) for p in range(6)},
    "evil cut": (saved({"a": Command()}, _use_new_zipfile_serialization=False)[:-3], SYSTEM),
    "memo": (
        b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x940h\x00h\x01\x93.",
        CODE.format(r"(builtins\.)?eval"),
    ),
    "module": (saved(torch.nn.Linear(2, 2)), CODE.format(r"torch\.nn\.modules\.linear\.Linear")),
    "joblib": (
        pickle.dumps(Command())[:-1] + bytes(40),  # arrays stand between its pickles
        SYSTEM,
    ),
    "protocol 4": (saved(STATE, pickle_protocol=4), "was saved with pickle_protocol=4"),
    **{f"pickle {p}": (pickle.dumps({"a": np.zeros(3)}, p), FOREIGN) for p in range(6)},
    "script": (zipped("a/constants.pkl"), "is a TorchScript archive, which holds code"),
    "tar": (old_tar(), "is a tar archive, as PyTorch before 0.1.10 wrote, which needs code"),
    "cut zip": (ZIP[:-1], CUT),
    "cut zip early": (ZIP[:9], CUT),
    "cut old": (OLD[:-1], CUT),
    "cut old pickle": (OLD[: len(OLD) // 2], CUT),
    "cut old early": (OLD[:1], CUT),
    "safetensors": (save(STATE), "is a safetensors file; rename it to .safetensors"),
    "html": (b"<!DOCTYPE html>\n<html><title>404</title></html>", "is a page of HTML or XML"),
    "xml": (b'<?xml version="1.0"?><Error/>', "is a page of HTML or XML"),
    "json": (json.dumps({"error": "gone"}).encode(), "is text in JSON, as servers answer with"),
    "lfs": (LFS, "is a pointer of git-lfs, not the file itself; git lfs pull it"),
    "gzip": (gzip.compress(ZIP), "is a compressed file; unpack it"),
    "bz2": (bz2.compress(ZIP), "is a compressed file; unpack it"),
    "zlib": (zlib.compress(ZIP), "is a compressed file; unpack it"),
    "npz": (array(np.savez), "is an npz file of NumPy"),
    "npy": (array(np.save), "is an array of NumPy"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "is an HDF5 file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(90), "is a picture"),
    "other zip": (zipped("readme.txt"), "is a zip archive that torch.save didn't write"),
    "damaged zip": (zipped("a/data.pkl"), "is damaged; copy or download it anew"),
    "zeros": (bytes(1000), "is empty at its start, as a broken copy is"),
    "empty": (b"", "is empty$"),
    "noise": (np.random.default_rng(3).bytes(500), "is no torch weights file, or cut off near"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_called_what_it_is(tmp_path, kind):
    content, message = KINDS[kind]
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(SourceError, match=message) as refusal:
        read_file(tmp_path / "weights.pth")
    assert "\n" not in str(refusal.value)
    if message != CUT:
        assert "is cut off" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ZIP, "isn't safetensors, but a file of torch.save; rename it to .pth"),
        (OLD, "isn't safetensors, but a file of torch.save; rename it to .pth"),
        (LFS, r"\(.*\); it is a pointer of git-lfs"),
        (KINDS["html"][0], r"\(.*\); it is a page of HTML"),
        (save(STATE)[:-1], r"\(.*\); it may be cut off or of another format"),
    ],
    ids=["zip", "old", "lfs", "html", "cut off"],
)
def test_a_file_that_is_no_safetensors_is_called_what_it_is(tmp_path, content, message):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_file(tmp_path / "a.safetensors")


@pytest.mark.parametrize("content", [ZIP, OLD], ids=["zip", "old"])
def test_weights_are_read_as_ever(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    assert torch.equal(read_file(tmp_path / "weights.pth")["weight"], STATE["weight"])
    found = look_into(tmp_path / "weights.pth")
    assert (found.is_whole, found.protocol) == (True, 2)
    assert "torch._utils._rebuild_tensor_v2" in found.names


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(0, len(OLD) - 1), st.sampled_from([OLD, ZIP]), st.booleans())
def test_files_cut_anywhere_say_so_and_need_no_code(tmp_path, place, content, is_safe):
    name = "a.safetensors" if is_safe else "a.pth"
    (tmp_path / name).write_bytes(content[:place])
    with pytest.raises(SourceError, match=r"cut off|is empty|rename it to \.pth") as refusal:
        read_file(tmp_path / name)
    assert "code" not in str(refusal.value)
