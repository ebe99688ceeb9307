"""Record a session of our commands on a terminal as a picture: docs/terminal.svg.

Run ``python scripts/record_terminal.py`` from the repository root whenever what the commands
print has changed; a test says so. It needs a Unix system and takes half a minute on a CPU.

Each command runs in a pseudo-terminal, so that it prints what people see, in their colours. Its
bars go elsewhere, since on a terminal they are gone in the end, too.
"""

import argparse
import io
import os
import pty
import shlex
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from network_prune.whole_file import write_whole

PICTURE = Path(__file__).parents[1] / "docs" / "terminal.svg"
COMMANDS = (
    "network-prune inspect --p-prune 0.2",
    "network-prune eval --p-prune 0.2 --p-bern 0.5",
    "network-prune find --method weights --max-drop 1 --step 0.1",
)
COLUMNS, LINES = 88, 50
# In place of Rich's own frame, which fetches a font from elsewhere. The dark ground is part of the
# picture, so that it reads the same on light and dark pages.
FRAME = """\
<svg viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">
<title>A terminal session of network-prune</title>
<style>
.{unique_id}-matrix {{
font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas,
"DejaVu Sans Mono", monospace; white-space: pre;
}}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def output_of(command: str) -> str:
    """Return what a command of ours prints on a terminal, with the codes of its colours.

    Raises:
        SystemExit: it failed, with what it said.
    """
    program, *arguments = shlex.split(command)
    assert program == "network-prune"
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (LINES, COLUMNS))
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [sys.executable, "-m", "network_prune", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=its,
            stderr=said,
            env=_environment(),
        ) as process:
            os.close(its)
            printed = b"".join(_read(ours))
        os.close(ours)
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}: {said.read().decode()}")
    return printed.decode()


def session(outputs: Mapping[str, str]) -> list[Text]:
    """Return the lines of a session, as wide as the terminal: commands, and what each prints."""
    lines: list[Text] = []
    for command, output in outputs.items():
        prompt = Text.assemble(("$ ", "bold green"), (command, "bold"))
        shown = (Text.from_ansi(line) for line in output.splitlines())
        lines += [*([Text()] if lines else []), prompt, *shown]
    return [part for line in lines for part in _wrapped(line)]


def as_svg(lines: Sequence[Text]) -> str:
    """Return lines of a terminal as an SVG document that needs no other file."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore")
    return console.export_svg(title="network-prune", code_format=FRAME, unique_id="terminal")


def main() -> None:
    """Run the commands and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURE, help="file to write")
    out = parser.parse_args().out
    picture = as_svg(session({command: output_of(command) for command in COMMANDS}))
    write_whole(out, picture.encode())
    print(f"wrote {out}, {len(picture.encode())} bytes")


def _environment() -> dict[str, str]:
    """Return ours without what would change colours, width, device or speed."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    own = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "CUDA_VISIBLE_DEVICES": ""}
    return {**kept, **own, "OMP_NUM_THREADS": "1"}


def _read(terminal: int) -> Iterator[bytes]:
    """Yield what is written to the other end until nobody holds that any more."""
    while True:
        try:
            found = os.read(terminal, 65536)
        except OSError:  # what Linux says then
            return
        if not found:
            return
        yield found


def _wrapped(line: Text) -> list[Text]:
    """Return a line as a terminal breaks it: after so many columns, wherever that is."""
    return list(line.divide(range(COLUMNS, line.cell_len, COLUMNS))) or [line]


if __name__ == "__main__":
    main()
