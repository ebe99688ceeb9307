"""The first seconds of a run: Ctrl-C while it imports, and a word on a terminal."""

import builtins

import pytest

from network_prune.__main__ import main
from network_prune.cli.output import waiting


def test_an_interrupt_while_importing_ends_in_one_line(monkeypatch, capsys):
    imported = builtins.__import__

    def interrupted(name, *arguments, **options):
        if name == "network_prune.cli.main":
            raise KeyboardInterrupt
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(["eval"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == (
        "network-prune: error: interrupted before anything was done\n"
    )


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_says_what_it_waits_for_and_takes_it_away(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    with waiting("importing PyTorch"):
        during = capsys.readouterr().err
    assert during == ("importing PyTorch …" if is_terminal else "")
    assert capsys.readouterr().err == ("\r\x1b[K" if is_terminal else "")


def test_an_interrupt_that_an_import_makes_an_error_of_is_an_interrupt(monkeypatch, run):
    def interrupted(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("initialization of _C raised unreported exception") from error

    monkeypatch.setattr("network_prune.cli.commands.records.check_writable", interrupted)
    outcome = run("records", "nowhere")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.startswith("network-prune: error: interrupted")
