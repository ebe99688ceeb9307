"""The ``network-prune`` command and how it ends: 2 wrong call, 1 failed run, 128 + n signal n."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, cast

import typer

from network_prune.cli.command import OnceCommand
from network_prune.cli.commands.compare import compare_command
from network_prune.cli.commands.deploy.bench import bench_command
from network_prune.cli.commands.deploy.export import export_command
from network_prune.cli.commands.deploy.find import find_command
from network_prune.cli.commands.deploy.remove import remove_command
from network_prune.cli.commands.deploy.retrain import retrain_command
from network_prune.cli.commands.diversity import diversity_command
from network_prune.cli.commands.doctor import doctor_command
from network_prune.cli.commands.evaluate import evaluate_command
from network_prune.cli.commands.inspect import inspect_command
from network_prune.cli.commands.listing import list_command
from network_prune.cli.commands.records import records_command
from network_prune.cli.commands.report import report_command
from network_prune.cli.commands.reproduce import reproduce_command
from network_prune.cli.commands.sensitivity import sensitivity_command
from network_prune.cli.commands.sweep import sweep_command
from network_prune.cli.commands.transfer import transfer_command
from network_prune.cli.messages import printable_messages, show_traceback
from network_prune.cli.output import say
from network_prune.cli.version_line import say_version
from network_prune.core.ending import SIGNALS, ends_in_order
from network_prune.errors import OUT_OF_MEMORY, NetworkPruneError, is_out_of_memory, joined

app = typer.Typer(
    help="Prune a network's lowest-scored elements at random and see what is left of it.",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("eval", cls=OnceCommand)(evaluate_command)
app.command("inspect", cls=OnceCommand)(inspect_command)
app.command("sensitivity", cls=OnceCommand)(sensitivity_command)
app.command("diversity", cls=OnceCommand)(diversity_command)
app.command("transfer", cls=OnceCommand)(transfer_command)
app.command("remove", cls=OnceCommand)(remove_command)
app.command("bench", cls=OnceCommand)(bench_command)
app.command("export", cls=OnceCommand)(export_command)
app.command("sweep", cls=OnceCommand)(sweep_command)
app.command("reproduce", cls=OnceCommand)(reproduce_command)
app.command("find", cls=OnceCommand)(find_command)
app.command("retrain", cls=OnceCommand)(retrain_command)
app.command("records", cls=OnceCommand)(records_command)
app.command("compare", cls=OnceCommand)(compare_command)
app.command("report", cls=OnceCommand)(report_command)
app.command("list", cls=OnceCommand)(list_command)
app.command("doctor", cls=OnceCommand)(doctor_command)


def _say_version(context: typer.Context, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        say_version()
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_say_version,
            is_eager=True,
            help="Show versions and the device, and exit.",
        ),
    ] = False,
) -> None:
    """Take what is said before a command."""


_INTERRUPTED = 128 + signal.SIGINT
_ENDED = {_INTERRUPTED: "interrupted"} | {128 + n: f"ended by {n.name}" for n in SIGNALS}
# Typer brings its own copy of click in some versions and depends on click in others.
_CLICK_EXCEPTION = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; ``arguments`` are those of the process by default."""
    with ends_in_order() as ending, printable_messages():
        try:
            code = _run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            code = 1
        except OSError as error:
            code = _fail(1, f"cannot write the output: {error.strerror or error}")
        if ending.received is not None:
            code = 128 + ending.received
        if code in _ENDED:
            _fail(code, f"{_ENDED[code]}; the network and its weights are as they were")
        _leave(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        said = sys.argv[1:] if arguments is None else list(arguments)
        result = app(said, prog_name="network-prune", standalone_mode=False, obj=said)
        return result if isinstance(result, int) else 0
    except NetworkPruneError as error:
        return _fail(error.exit_code, str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except typer.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:  # click's, where an output is gone, or a shell has been answered
        return stop.code if isinstance(stop.code, int) else 1
    except OSError:
        raise
    except BaseException as error:
        if _is_interrupted(error):
            return _INTERRUPTED
        if isinstance(error, _CLICK_EXCEPTION):
            message = cast(Any, error).format_message()
            return _fail(2, message) if message else 2  # the help was shown instead
        if is_out_of_memory(error):
            return _fail(1, OUT_OF_MEMORY)
        show_traceback(error)
        return 1


def _is_interrupted(error: BaseException | None) -> bool:
    """Return whether Ctrl-C led to it, of which an import makes errors of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _fail(code: int, message: str) -> int:
    with suppress(OSError):  # of a terminal that is gone
        say(f"network-prune: error: {joined(message)}", to=sys.stderr)
    return code


def _leave(code: int) -> None:
    """Exit without Python's second attempt to flush an output that can't be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
