"""The first seconds of a run: Ctrl-C while it imports, and a word on a terminal."""

import builtins
import subprocess
import sys

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


def test_records_are_listed_without_waiting_for_torch(run, tmp_path):
    run("sweep", "--limit", 4, "--p-prune", 0.2, "--out", tmp_path)
    code = (
        "import sys, network_prune.__main__ as command\n"
        "try: command.main(sys.argv[1:])\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    listed = subprocess.run([sys.executable, "-c", code, "records", str(tmp_path)])
    assert listed.returncode == 0


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


def test_the_package_itself_imports_hardly_anything():
    code = (
        "import sys; before = {*sys.modules}; import network_prune; "
        "sys.exit(bool({'ast', 'zipfile'} & ({*sys.modules} - before)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
