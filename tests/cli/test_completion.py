"""Completion, asked for as the shells ask: by variables, of a process of its own or of this one."""

import os
import shutil
import subprocess
import sys

import pytest

from network_prune.cli.completion import completes
from network_prune.sources.network_names import network_names
from network_prune.sources.networks.from_timm import list_timm
from network_prune.sources.networks.from_torchvision import list_torchvision

NAME = "_NETWORK_PRUNE_COMPLETE"
# Runs the command line, and says which of the heavy libraries it imported.
ANSWER = """
import atexit, sys
from network_prune.__main__ import main
heavy = ("torch", "torchvision", "timm", "numpy")
atexit.register(lambda: print(*(name for name in heavy if name in sys.modules), file=sys.stderr))
main()
"""


@pytest.fixture
def bash(run, monkeypatch):
    """The answer to what stands before the cursor in bash."""

    def call(*words):
        monkeypatch.setenv(NAME, "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["network-prune", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        outcome = run()
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out.split()

    return call


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["ev"], ["eval"]),
        (["re"], ["remove", "reproduce", "retrain", "records", "report"]),
        (["eval", "--met"], ["--method"]),
        (["eval", "--method", ""], ["connections", "neurons", "weights"]),
        (["eval", "-m", "n"], ["neurons"]),
        (["eval", "--method=w"], ["weights"]),
        (["eval", "--method", "weights,"], ["weights,connections", "weights,neurons"]),
        (["inspect", "--method", "weights,"], []),  # which takes one
        (["sweep", "--score", "mean"], ["mean-l1"]),
        (["sweep", "--scope", "layer,a"], ["layer,alone"]),
        (["sweep", "--layers", "conv2d,lin"], ["conv2d,linear"]),
        (["sweep", "--tensors", "weight,"], ["weight,bias"]),
        (["sweep", "--preset", ""], ["published"]),
        (["sweep", "--engine", ""], ["ray"]),
        (["sweep", "-p", "0.2", "-p", "0.3", "--exif", "t"], ["turn"]),
        (["export", "--to", "o"], ["onnx"]),
        (["report", "--format", "p"], ["png", "pdf"]),
        (["retrain", "--optimizer", ""], ["sgd", "adamw"]),
        (["transfer", "--goal", "t"], ["targeted"]),
        (["transfer", "--loss", ""], ["cross-entropy", "logit"]),
        (["transfer", "--victim", "resnet1"], ["resnet18", "resnet101", "resnet152"]),
        (
            ["eval", "--arch", "digits"],
            ["digits", "digits-plain", "digits-attention", "digits-mixer"],
        ),
        (["eval", "-a", "vgg16"], ["vgg16", "vgg16_bn"]),
        (["eval", "-w", "d"], ["default"]),
        (["eval", "--data", ""], []),  # bash offers files
        (
            ["eval", "--limit", "3", "--limit", "4", "--dev"],
            ["--device"],
        ),  # wrong, but not finished
    ],
)
def test_bash_is_offered(bash, words, answer):
    assert bash(*words) == answer


def test_other_shells_are_offered_the_same(run, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "network-prune eval --method ")
    monkeypatch.setenv(NAME, "complete_zsh")
    assert '"connections"\n"neurons"\n"weights"' in run().out
    monkeypatch.setenv(NAME, "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert run().out.split() == ["connections", "neurons", "weights"]
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "is-args")
    assert run().code == 0
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "network-prune eval --data ")
    assert run().code == 1  # fish offers files


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_shown_and_gets_what_it_reads(tmp_path, shell):
    home = {
        **os.environ,
        "HOME": str(tmp_path),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    call = [sys.executable, "-c", ANSWER]
    options = {"env": home, "capture_output": True, "text": True, "check": False}
    shown = subprocess.run([*call, "--show-completion", shell], **options)
    assert (shown.returncode, shown.stderr.strip()) == (0, "")
    assert f"{NAME}=complete_{shell}" in shown.stdout
    done = subprocess.run([*call, "--install-completion", shell], **options)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(shown.stdout.strip() in path.read_text() for path in written)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes(tmp_path):
    command = tmp_path / "network-prune"
    command.write_text(f"#!{sys.executable}\n{ANSWER}")
    command.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"\n'
        "export _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1\n"
        "source <(network-prune --show-completion bash)\n"
        "COMP_WORDS=(network-prune sweep --method con); COMP_CWORD=3\n"
        '_network_prune_completion network-prune; echo "${COMPREPLY[@]}"\n'
        "COMP_WORDS=(network-prune sweep -a resnet18); COMP_CWORD=3\n"
        '_network_prune_completion network-prune; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.strip()) == ("connections\nresnet18\n", "")


def test_names_of_networks_are_those_that_the_libraries_list():
    embedded = {"digits", "digits-plain", "digits-attention", "digits-mixer"}
    assert {*network_names()} - embedded - {"timm:"} == {*list_torchvision()}
    known = {name.partition(".")[0] for name in list_timm()}
    offered = network_names("timm:")
    assert known <= {*offered}
    assert len(offered) == len({*offered})


def test_names_without_the_libraries(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert network_names("timm:") == []
    assert network_names()[0] == "digits"


def test_a_name_said_already_is_not_offered_again():
    assert completes(["a", "ab", "b"], several=True)("a,") == ["a,ab", "a,b"]
    assert completes(["a", "ab", "b"])("a") == ["a", "ab"]
