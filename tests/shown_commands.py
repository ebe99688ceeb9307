"""The commands that pages show: found, and told apart by whether they run here."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import typer

from network_prune.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
OURS = {
    ("network-prune",): (),
    ("python", "eval.py"): ("eval",),
}
# What a command, behind its page, has in it that can't be run here, and why.
NEEDS = {
    "imagenet": "ImageNet or its compatible photographs; tests/sources/test_real_inputs.py",
    "IMAGENET": "ImageNet",
    "images.csv": "the ImageNet-compatible photographs",
    "labels.csv": "images with targets; tests/transfer/test_real_photographs.py",
    "others.csv": "the ImageNet-compatible photographs",
    "--arch resnet": "published weights or minutes; tests/sources, tests/deploy",
    "/shared/study": "a disk of several machines; tests/study/sharding",
    "--engine ray": "a cluster; tests/study/engines/test_ray.py",
    "--mlflow": "a server; tests/cli/test_mlflow.py",
    "--watch": "somebody who ends it; tests/cli/test_report.py",
    "METHOD": "a method put in its place",
    "--p-prune P ": "a fraction put in its place",
    "study#1f3a": "keys that are other ones for each machine; tests/cli/test_compare.py",
    "old new": "two studies of yours; tests/cli/test_compare.py",
    "removal.md network-prune inspect": "what the command before it writes",
}
# What begins a line that isn't one of our commands, and what runs it instead.
OTHERS = {
    ".venv/bin/python -m benchmarks": "tests/test_benchmarks.py",
    "OMP_NUM_THREADS": "a loop of the shell; tests/cli/test_shard_command.py",
    "awk": "the ImageNet-compatible photographs",
    "done": "a loop of the shell",
    "for": "a loop of the shell",
    "make": "what runs the tests, or minutes",
    "mlflow server": "tests/cli/test_mlflow.py",
    "pip install": "the network",
    "python -m pytest": "the tests themselves",
    "ray": "tests/study/engines/test_ray.py",
    "sbatch": "a cluster; tests/test_docs.py reads its script",
    "torchrun": "tests/study/sharding",
}
# What makes a command small enough for a test, where it has the option and doesn't say it.
SMALL = {
    "limit": "20",
    "repeats": "2",
    "surrogate": "digits",
    "goal": "untargeted",
    "passes": "5",
    "seeds": "1",
}
# Files that pages take for granted, in the folder where their commands run.
PLAN = "method: weights\np_prune: [0.2, 0.4]\nlimit: 20\n"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of a block of commands, with those that it goes on with.

    Attributes:
        page: the page's path from the repository's root.
        text: the command, without comments, in one line.
    """

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words as the shell takes them."""
        return shlex.split(self.text.replace("[--draws 3]", ""))

    @property
    def arguments(self) -> list[str] | None:
        """What our command is called with; None for another program."""
        for start, more in OURS.items():
            if tuple(self.words[: len(start)]) == start:
                return [*more, *self.words[len(start) :]]
        return None

    @property
    def reason(self) -> str | None:
        """Why it isn't run here; None if it is."""
        if self.arguments is None:
            return next((why for start, why in OTHERS.items() if self.text.startswith(start)), None)
        place = f"{self.page} {self.text}"
        return next((why for part, why in NEEDS.items() if part in place), None)


def shown_in(page: Path) -> list[Shown]:
    """Return the commands of a page's blocks, in their order."""
    blocks = re.findall(
        r"^```console\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    name = page.relative_to(ROOT).as_posix()
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    texts = (" ".join(re.sub(r"\s+# .*|^# .*", "", line).split()) for line in lines)
    return [Shown(name, text) for text in texts if text]


def commands():
    """Return our commands by name, as the command line has them."""
    return typer.main.get_command(app).commands


def options_of(command) -> dict[str, str]:
    """Return an option's name by what is written for it."""
    found = {}
    for parameter in command.params:
        for written in (*parameter.opts, *parameter.secondary_opts):
            found[written.replace("_", "-")] = parameter.name
    return found


def parsed(arguments):
    """Parse a command line as far as names go; raises for an option that isn't there."""
    group = typer.main.get_command(app)
    top = group.make_context("network-prune", ["--help"], resilient_parsing=True)
    command = group.commands[arguments[0]]
    context = type(top)(command, info_name=arguments[0], parent=top)
    return command.make_parser(context).parse_args(args=list(arguments[1:]))


def made_small(arguments):
    """Return a call's arguments with those that make it small."""
    has = options_of(commands()[arguments[0]])
    said = {has.get(word.partition("=")[0].replace("_", "-")) for word in arguments}
    more = [
        word
        for name, value in SMALL.items()
        if name in has.values() and name not in said
        for word in (f"--{name}", value)
    ]
    return [*arguments, *more]
