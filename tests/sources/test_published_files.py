"""Published weights are what their names say, from the cache too."""

import hashlib
import threading

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save, save_file

from network_prune import load_network
from network_prune.errors import SourceError
from network_prune.sources.downloads import cache_in, hub_cache, libraries_told, torch_cache
from network_prune.sources.published_files import check_hash, digits_in, weights_text

NAME = "timm--resnet10t.c3_in1k"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("resnet18-f37072fd.pth", "f37072fd"),
        ("net-2020abcd-f37072fd.pth.tar", "f37072fd"),
        ("mobilenet_v3_large-8738ca79.pth", "8738ca79"),
        ("net-best.pth", None),
        ("net-12345.pth", None),
        ("net.pth", None),
    ],
)
def test_names_of_torchs_host_say_the_hash(name, digits):
    assert digits_in(name) == digits


def test_random_weights_under_torchvisions_name_are_refused(tmp_path):
    path = tmp_path / "torch" / "checkpoints" / "squeezenet1_0-b66bff10.pth"
    path.parent.mkdir(parents=True)
    torch.save(load_network("squeezenet1_0", weights="none").model.state_dict(), path)
    found = sha256(path.read_bytes())[:8]
    message = (
        rf"squeezenet1_0-b66bff10\.pth isn't the file that its name says: its SHA-256 is {found}, "
        r"not b66bff10; remove .*squeezenet1_0-b66bff10\.pth to have it downloaded anew, or pass"
    )
    with pytest.raises(SourceError, match=message):
        load_network("squeezenet1_0", cache_dir=tmp_path)
    assert str(path) in load_network("squeezenet1_0", weights=str(path)).weights


def in_hub_cache(tmp_path, content, name, *, linked=True):
    """Put a file of weights where the hub's client keeps it, under a hash."""
    repository = tmp_path / "huggingface" / "hub" / f"models--{NAME}"
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (snapshot, repository / "refs", repository / "blobs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    if linked:
        (repository / "blobs" / name).write_bytes(content)
        (snapshot / "model.safetensors").symlink_to(f"../../blobs/{name}")
    else:
        (snapshot / "model.safetensors").write_bytes(content)
    return repository / "blobs" / name


@pytest.fixture(scope="module")
def content():
    return save(load_network("timm:resnet10t.c3_in1k", weights="none").model.state_dict())


@pytest.mark.parametrize("hashed", [sha256, git_sha1])
def test_files_of_the_hub_are_checked_by_the_hash_they_are_kept_under(tmp_path, content, hashed):
    blob = in_hub_cache(tmp_path, content, hashed(content))
    assert load_network("timm:resnet10t", cache_dir=tmp_path).weights == "c3_in1k"
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    kind = {sha256: "SHA-256", git_sha1: r"SHA-1 \(git\)"}[hashed]
    with pytest.raises(SourceError, match=rf"its {kind} is \w+, not {blob.name}; remove {blob} to"):
        load_network("timm:resnet10t", cache_dir=tmp_path)


def test_weights_without_a_hash_are_called_unverified(tmp_path, content, run):
    in_hub_cache(tmp_path, content, "unused", linked=False)
    options = ("--arch", "timm:resnet10t", "--cache-dir", tmp_path, "--data", "fake:2")
    shown = run("eval", *options, "--p-prune", 0, "--workers", 0)
    assert "c3_in1k, unverified" in shown.out
    assert "c3_in1k, unverified" in run("inspect", *options[:4]).out


def test_one_file_without_a_hash_leaves_all_unverified(tmp_path):
    contents = {f"a-{sha256(b'x')[:8]}.pth": b"x", "b.pth": b"y"}
    paths = [tmp_path / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    assert [check_hash(path) for path in paths] == [True, False]
    assert weights_text("V1", paths[0]) == "V1"
    assert weights_text("V1", *paths) == "V1, unverified"


def test_a_users_own_file_is_what_it_is_whatever_its_name(tmp_path):
    path = tmp_path / "mine-0123abcd.safetensors"
    save_file(load_network(weights="none").model.state_dict(), path)
    assert load_network(weights=path).weights == str(path)


def test_a_cache_folder_is_felt_by_no_other_thread(tmp_path):
    def folders():
        return torch.hub.get_dir(), huggingface_hub.constants.HF_HUB_CACHE

    before, seen = (*folders(), str(torch_cache()), hub_cache()), []
    with cache_in(tmp_path):
        look = threading.Thread(
            target=lambda: seen.append((*folders(), str(torch_cache()), hub_cache()))
        )
        look.start()
        look.join()
        assert (str(torch_cache()), hub_cache()) == (
            str(tmp_path / "torch"),
            str(tmp_path / "huggingface" / "hub"),
        )
        with libraries_told():
            assert folders() == (str(torch_cache()), hub_cache())
        assert folders() == before[:2]
    assert seen == [before]
