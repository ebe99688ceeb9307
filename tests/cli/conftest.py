"""Run the command line in this process and look at what it printed."""

from dataclasses import dataclass

import pytest

from network_prune.cli.main import main


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    def call(*arguments) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(stop.value.code, printed.out, printed.err)

    return call


@pytest.fixture
def refused(run):
    """The one line of an error, after checking that it is all there is."""

    def call(*arguments, code: int = 2) -> str:
        outcome = run(*arguments)
        lines = outcome.err.splitlines()
        assert (outcome.code, len(lines)) == (code, 1), outcome
        assert lines[0].startswith("network-prune: error: ")
        return lines[0]

    return call
