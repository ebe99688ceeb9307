import time
import urllib.error
from email.message import Message
from io import BytesIO

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from network_prune.errors import RunError
from network_prune.sources.downloads import fetch_from_hub, fetch_url, find_on_hub
from network_prune.sources.networks.load import load_network

URL = "https://weights.invalid/models/net-0123abcd.pth"


@pytest.fixture
def online(offline, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: BytesIO())
    return offline


def one_line(refusal):
    return "\n" not in str(refusal.value)


def test_being_offline_names_the_file_and_where_to_put_it(offline):
    message = (
        r"^can't download resnet18-f37072fd\.pth \(Name or service not known\); "
        r"put the file into .*checkpoints or pass --weights FILE$"
    )
    with pytest.raises(RunError, match=message):
        load_network("resnet18")


def test_being_offline_names_timms_file_without_long_retries(offline):
    start = time.perf_counter()
    message = r"^can't download model\.safetensors of timm/resnet10t\.c3_in1k \(.*--weights FILE$"
    with pytest.raises(RunError, match=message) as refusal:
        load_network("timm:resnet10t")
    assert one_line(refusal)
    assert time.perf_counter() - start < 15


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (urllib.error.URLError(OSError(-2, "Name not known")), "no connection: Name not known"),
        (urllib.error.URLError("unknown url type"), "no connection: unknown url type"),
        (TimeoutError(), "no connection: timed out"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_reasons_are_short(offline, monkeypatch, error, reason):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(RunError, match=rf"net-0123abcd\.pth \({reason}\)"):
        fetch_url(URL)


def test_a_refusal_by_the_host_is_left_to_the_download(offline, monkeypatch):
    def forbid(*_, **__):
        raise urllib.error.HTTPError(URL, 403, "Forbidden", Message(), BytesIO())

    monkeypatch.setattr("urllib.request.urlopen", forbid)
    monkeypatch.setattr(torch.hub, "download_url_to_file", forbid)
    with pytest.raises(RunError, match=r"net-0123abcd\.pth \(HTTP Error 403: Forbidden\)"):
        fetch_url(URL)


def test_files_are_downloaded_once_and_checked_by_their_name(online, monkeypatch):
    calls = []

    def download(url, path, prefix, *, progress):
        calls.append((url, prefix))
        with open(path, "wb") as file:
            file.write(b"x")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    first = fetch_url(URL)
    assert fetch_url(URL) == first == online / "torch" / "checkpoints" / "net-0123abcd.pth"
    fetch_url("https://weights.invalid/net-best.pth")
    assert calls == [(URL, "0123abcd"), ("https://weights.invalid/net-best.pth", None)]


def test_a_download_with_another_hash_is_one_clear_line(online, monkeypatch):
    def download(*_, **__):
        raise RuntimeError('invalid hash value (expected "0123",\n got "4567")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(RunError, match="invalid hash value") as refusal:
        fetch_url(URL)
    assert one_line(refusal)


def test_the_hubs_second_file_is_taken_where_the_first_is_not(online, monkeypatch):
    def download(repository, name, *, cache_dir, revision):
        if name == "a.safetensors":
            raise EntryNotFoundError("no a")
        return f"/cache/{repository}/{revision}/{name}"

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    path = fetch_from_hub("owner/net@v2", ("a.safetensors", "a.bin"))
    assert str(path) == "/cache/owner/net/v2/a.bin"
    with pytest.raises(RunError, match=r"a\.safetensors of owner/net \(no such file there\)"):
        fetch_from_hub("owner/net", ("a.safetensors",))


def test_the_hubs_errors_are_one_clear_line(online, monkeypatch):
    def download(*_, **__):
        raise OSError("disk\nfull")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(RunError, match=r"\(disk full\); fill the cache .*hub"):
        fetch_from_hub("owner/net", ("a.bin",))


def test_a_file_that_the_hub_lacks_is_no_error_where_it_may_be_missing(online, monkeypatch):
    def download(*_, **__):
        raise EntryNotFoundError("no such entry")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert find_on_hub("owner/net", ("a.json", "b.json"), instead="give up") is None


def test_a_file_that_is_known_to_be_missing_needs_no_connection(offline):
    commit = "c0ffee" + "0" * 34
    lacking = offline / "hub" / "models--owner--net" / ".no_exist" / commit
    lacking.mkdir(parents=True)
    (lacking / "a.json").touch()
    (lacking.parents[1] / "snapshots" / commit).mkdir(parents=True)
    assert find_on_hub(f"owner/net@{commit}", ("a.json",), instead="give up") is None
    with pytest.raises(RunError, match=r"b\.json of owner/net \(Name or service not known\); fill"):
        find_on_hub(f"owner/net@{commit}", ("b.json",), instead="give up")


def test_a_connection_lost_on_the_way_isnt_taken_for_a_missing_file(online, monkeypatch):
    def download(*_, **__):
        raise LocalEntryNotFoundError("connection\nlost")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(RunError, match=r"\(connection lost\); .* online, or give up$"):
        find_on_hub("owner/net", ("a.json",), instead="give up")
