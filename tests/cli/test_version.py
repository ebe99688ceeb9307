"""``--version``: one line, which says at once what needs no PyTorch."""

import builtins
import platform
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from network_prune.version import __version__


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_versions_and_device_stand_on_one_line(run, option):
    outcome = run(option)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        f"network-prune {__version__}, Python {platform.python_version()}, "
        f"torch {version('torch')}, cpu (1 thread)\n"
    )


def test_threads_are_those_that_torch_uses(run):
    torch.set_num_threads(2)
    try:
        assert run("--version").out.endswith(", cpu (2 threads)\n")
    finally:
        torch.set_num_threads(1)


def test_a_command_is_left_alone(run):
    assert run("--version", "eval", "--no-such-option").code == 0


def test_what_is_known_is_printed_before_torch_is_imported(run, monkeypatch, capsys):
    imported = builtins.__import__
    before = []

    def watched(name, *arguments, **options):
        if name == "network_prune.evaluation.device" and not before:
            before.append(capsys.readouterr().out)
            raise OSError("libtorch.so: cannot open shared object file")
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", watched)
    outcome = run("--version")
    assert before[0].startswith(f"network-prune {__version__}, Python ")
    assert outcome.out == ", no device: OSError: libtorch.so: cannot open shared object file\n"
    assert outcome.code == 0


def test_torch_may_be_missing(run, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert ", no torch, " in run("--version").out
