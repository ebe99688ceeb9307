"""``network-prune doctor``: what is there, what is missing, and what can't work."""

import importlib
import importlib.metadata
import json
import re

import pytest
import torch

from network_prune.cli.checkup import devices
from network_prune.cli.checkup.folders import Folder, home_as_tilde, size_text
from network_prune.evaluation import memory

QUICK = ("doctor", "--no-speed", "--device", "cpu")


@pytest.fixture
def versions(monkeypatch):
    """Change which versions of packages seem to be installed; None for none."""
    real, changed = importlib.metadata.version, {}

    def version(name):
        found = changed.get(name, real)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name) if found is real else found

    monkeypatch.setattr(importlib.metadata, "version", version)
    return changed


def test_all_is_well_and_said(run):
    outcome = run(*QUICK)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("network-prune  0.")
    assert f"torch {importlib.metadata.version('torch')}, torchvision" in outcome.out
    cpu = f"cpu: {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread"
    assert cpu in outcome.out
    assert lines[-1] == "all that is needed works"
    assert "speed" not in outcome.out


def test_json_is_for_reports_and_names_no_home(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    path = tmp_path / "doctor.json"
    outcome = run(*QUICK, "--json", "--output", path)
    found = json.loads(outcome.out)
    assert json.loads(path.read_text()) == found
    assert str(tmp_path) not in outcome.out
    assert found["folders"]["published weights"]["path"] == "~/.cache/torch/hub/checkpoints"
    assert found["settings"]["HF_HOME"] == "~/hub"
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert found["devices"][0]["threads"] == torch.get_num_threads()
    assert (found["speed"], found["problems"], found["broken"]) == (None, [], {})


def test_the_command_of_each_missing_extra_is_said(run, versions):
    versions |= {"ray": None, "matplotlib": "3.0"}
    outcome = run(*QUICK)
    assert outcome.code == 0
    assert "  pip install 'network-prune[ray]'  (ray is missing)" in outcome.out
    line = r"  pip install 'network-prune\[report\]'  \(matplotlib 3\.0, which isn't >=[\d.]+\)"
    assert re.search(line, outcome.out)
    extras = json.loads(run(*QUICK, "--json").out)["extras"]
    assert extras["ray"] == {"is_whole": False, "packages": {"ray": None}}
    assert "dev" not in extras


def test_what_is_needed_and_too_old_or_missing_ends_with_1(run, versions):
    versions |= {"timm": "0.1", "pillow": None}
    outcome = run(*QUICK)
    assert outcome.code == 1
    old = r"problem: timm 0\.1, which isn't (>=[\d.]+); run pip install 'timm\1'\n"
    assert re.search(old, outcome.out)
    assert re.search(r"problem: pillow is missing; run pip install 'pillow>=[\d.]+'", outcome.out)
    assert outcome.err == ("network-prune: error: 2 of what is needed can't work, as said above\n")


def test_a_package_that_isnt_installed_as_one_is_told(run, monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    outcome = run(*QUICK)
    assert outcome.code == 1
    assert "problem: network-prune isn't installed as a package" in outcome.out


@pytest.mark.parametrize("name", ["torchvision", "torch"])
def test_a_compiled_package_that_cannot_be_imported_is_told(run, monkeypatch, name):
    real = importlib.import_module

    def imported(wanted, *others):
        if wanted == name:
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(wanted, *others)

    monkeypatch.setattr(importlib, "import_module", imported)
    outcome = run(*QUICK)
    assert outcome.code == 1
    why = "(RuntimeError: operator torchvision::nms does not exist)"
    assert f"problem: {name} can't be imported {why}; install versions of torch" in outcome.out


def test_a_network_that_cannot_be_pruned_here_is_told(run, monkeypatch):
    def broken(*_, **__):
        raise OSError("no such instruction")

    monkeypatch.setattr("network_prune.pruning.masks.shortcuts.prune_connections", broken)
    outcome = run(*QUICK)
    assert outcome.code == 1
    assert "can't be pruned and evaluated on cpu: OSError: no such instruction" in outcome.out


def test_a_device_that_isnt_there_is_refused(refused):
    assert "device='xpu:7' isn't available here" in refused("doctor", "--device", "xpu:7")


def test_the_speed_is_that_of_real_batches(run, monkeypatch):
    monkeypatch.setattr(devices, "BATCH", 2)
    monkeypatch.setattr(devices, "_SECONDS", 0.2)
    found = json.loads(run("doctor", "--device", "cpu", "--json").out)["speed"]
    assert (found["device"], found["network"], found["batch_size"]) == ("cpu", "resnet18", 2)
    assert 0.1 < found["images_a_second"] < 100_000
    assert found["batches"] >= 1


def test_a_device_that_cannot_compute_is_told(run, monkeypatch):
    def broken(device):
        raise RuntimeError(f"no kernel image for {device}")

    monkeypatch.setattr(devices, "measure_speed", broken)
    outcome = run("doctor", "--device", "cpu")
    assert outcome.code == 1
    assert "problem: cpu can't compute: RuntimeError: no kernel image for cpu" in outcome.out


def test_downloads_are_told_with_their_sizes(run, tmp_path):
    checkpoints = tmp_path / "torch" / "checkpoints"
    hub = tmp_path / "huggingface" / "hub" / "models--timm--resnet18.a1_in1k"
    for folder, size in ((checkpoints, 3_400_000), (hub / "blobs", 1234)):
        folder.mkdir(parents=True)
        (folder / "resnet18-f37072fd.pth").write_bytes(bytes(size))
    (hub / "snapshot").symlink_to(hub / "blobs" / "resnet18-f37072fd.pth")
    (hub.parent / ".locks").mkdir()
    outcome = run(*QUICK, "--cache-dir", tmp_path)
    assert "1 entry of 3.4 MB: resnet18-f37072fd.pth 3.4 MB" in outcome.out
    assert "1 entry of 1.2 kB: timm/resnet18.a1_in1k 1.2 kB" in outcome.out
    assert "datasets, which isn't there yet" in outcome.out
    found = json.loads(run(*QUICK, "--cache-dir", tmp_path, "--json").out)["folders"]
    assert found["networks of the hub"]["entries"] == {"timm/resnet18.a1_in1k": 1234}


def test_nothing_is_made(run, tmp_path):
    outcome = run(*QUICK, "--cache-dir", tmp_path / "new")
    assert outcome.code == 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_note(run, tmp_path):
    (tmp_path / "file").touch()
    outcome = run(*QUICK, "--cache-dir", tmp_path / "file")
    assert outcome.code == 0
    assert "note: " in outcome.out
    assert "so published weights that aren't there can't be downloaded" in outcome.out


def test_names_of_files_are_shown_as_text(tmp_path):
    (tmp_path / "\x1b[2J").write_bytes(b"1")
    folder = Folder.look("weights", tmp_path)
    assert "\x1b" not in "".join(folder.lines())
    assert "\x1b" not in str(folder.to_dict())


def test_the_largest_are_named_and_the_others_counted(tmp_path):
    for size in range(1, 9):
        (tmp_path / f"n{size}").write_bytes(bytes(size))
    first, names = Folder.look("weights", tmp_path).lines()
    assert first.endswith("8 entries of 36 bytes:")
    assert names == "n8 8 bytes, n7 7 bytes, n6 6 bytes, n5 5 bytes, n4 4 bytes, and 3 more"


def test_paths_and_sizes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_as_tilde(tmp_path / "a") == "~/a"
    assert home_as_tilde(tmp_path) == "~"
    assert home_as_tilde(tmp_path.parent) == str(tmp_path.parent)
    assert [size_text(n) for n in (999, 1000, 2_340_000, 5 * 10**9)] == [
        "999 bytes", "1.0 kB", "2.3 MB", "5.0 GB",
    ]  # fmt: skip


@pytest.mark.skipif(memory._glibc() is None, reason="there is glibc's alone to ask")
def test_kept_memory_is_seen_to_work_and_not_to(monkeypatch, run):
    assert memory.memory_is_kept() is True
    monkeypatch.setattr(memory, "_KEEPING", {})
    assert memory.memory_is_kept() is False
    assert "note: freed memory isn't kept" in run(*QUICK).out


def test_where_there_is_no_glibc_there_is_nothing_to_keep(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.memory_is_kept() is None
