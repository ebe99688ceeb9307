"""``--quiet`` leaves results and errors alone; ``--verbose`` tells on stderr what is decided."""

import logging
import sys
import warnings

import typer

from network_prune.cli.loudness import loudness
from network_prune.cli.main import app
from network_prune.cli.output import mention, say, waiting
from network_prune.display.progress import progress_bar

COMPUTING = (
    "bench",
    "diversity",
    "doctor",
    "eval",
    "export",
    "find",
    "inspect",
    "remove",
    "reproduce",
    "retrain",
    "sensitivity",
    "sweep",
    "transfer",
)
# One draw, of which all at p_bern 1 are the same, which is worth a remark.
CALL = ("eval", "--limit", 8, "--draws", 2)


def test_all_commands_that_compute_have_both():
    commands = typer.main.get_command(app).commands
    having = {
        name
        for name, command in commands.items()
        if {"--quiet", "--verbose"} <= {each for p in command.params for each in p.opts}
    }
    assert having == {*COMPUTING}


def test_quiet_leaves_the_rows_and_no_remark(run):
    usual, quiet = run(*CALL), run(*CALL, "-q")
    assert (usual.code, quiet.code, quiet.err) == (0, 0, "")
    remark = "warning: at p_bern 1 all draws are the same; one is evaluated"
    assert remark in usual.out
    kept = [line for line in usual.out.splitlines() if not line.startswith("warning")]
    assert quiet.out.splitlines() == kept
    assert sum(line.startswith("| ") for line in kept) > 2


def test_a_quiet_sweep_says_not_where_its_records_are(run, tmp_path):
    outcome = run("sweep", "--limit", 8, "--out", tmp_path / "study", "--quiet")
    assert "variants are recorded" not in outcome.out
    assert "variants are recorded" in run("sweep", "--limit", 8, "--out", tmp_path / "study").out


def test_a_quiet_search_prints_its_result_alone(run):
    call = ("find", "--limit", 20, "--step", 0.5, "--method", "weights", "--max-drop", 50)
    usual, quiet = run(*call), run(*call, "--quiet")
    assert (usual.code, quiet.code) == (0, 0)
    lines = [line for line in usual.out.splitlines() if not line.startswith("warning: ")]
    found = quiet.out.splitlines()
    assert lines[-len(found) :] == found
    assert 0 < len(found) < len(lines) - 2


def test_quiet_still_tells_errors(refused):
    assert "p_prune=7.0 is outside [0, 1]" in refused("eval", "--quiet", "-p", 7)


def test_quiet_draws_nothing_on_a_terminal(run, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "\r" in run(*CALL).err
    assert run(*CALL, "--quiet").err == ""


def test_nothing_but_results_and_errors_gets_through(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    before = sys.stderr, logging.root.manager.disable, warnings.filters[:]
    with loudness(quiet=True, verbose=False):
        say("a result", "warning: of something", "note: of something")
        say("warning: of something", to=sys.stderr)
        say("an error", to=sys.stderr)
        say()
        mention("how far it is")
        warnings.warn("a library's", stacklevel=1)
        logging.getLogger("somebody").warning("a library's")
        with waiting("importing"), progress_bar(total=2, label="x", unit="img", shown=None) as bar:
            bar.update()
        sys.stderr.write("")
    assert capsys.readouterr() == ("a result\n\n", "an error\n")
    assert before == (sys.stderr, logging.root.manager.disable, warnings.filters[:])


def test_verbose_tells_once_what_is_decided(run):
    call = ("eval", "--limit", 8, "--draws", 3, "--p-bern", 0.5, "--json")
    usual, verbose = run(*call), run(*call, "-v")
    assert (usual.code, usual.err, verbose.code) == (0, "", 0)
    told = verbose.err.splitlines()
    assert "device: cpu (1 thread)" in told
    assert any("a copy of the network is computed: channels last, " in line for line in told)
    assert any(line.endswith("BatchNorms folded") for line in told)
    assert "images are read by this process" in told
    assert len(told) == len({*told})
    logger = logging.getLogger("network_prune")
    assert (logger.level, logger.handlers) == (logging.NOTSET, [])


def test_verbose_tells_what_variants_share(run):
    call = ("eval", "--limit", 8, "--include", "layer3.*", "--draws", 3, "--p-bern", 0.5)
    told = run(*call, "--verbose").err.splitlines()
    assert any(line.startswith("variants share ") and "% of the work" in line for line in told)


def test_verbose_tells_that_a_network_is_computed_itself(run, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def hooked():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    net.register_forward_hook(lambda module, images, logits: None)\n"
        "    return net\n"
    )
    options = ("--data", "fake:4", "--resize", 8, "--crop", 8)
    told = run("eval", "-v", "--arch", f"{tmp_path / 'net.py'}:hooked", *options).err.splitlines()
    assert any(line.startswith("the network itself is computed, no faster") for line in told)


def test_verbose_tells_which_file_of_the_cache_is_used(run, tmp_path):
    import torch
    from torchvision.models import squeezenet1_1

    folder = tmp_path / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(squeezenet1_1(weights=None).state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")
    call = ("inspect", "-a", "squeezenet1_1", "--cache-dir", tmp_path, "-p", 0.1, "-v")
    assert f"weights: {folder / 'squeezenet1_1-b8a52dc0.pth'}, which was there" in run(*call).err


def test_both_at_once_are_refused(refused):
    assert "--quiet and --verbose exclude each other; pass one" in refused("eval", "-q", "-v")
