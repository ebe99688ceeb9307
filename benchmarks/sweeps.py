"""``python -m benchmarks.sweeps``: ten variants of ResNet-18 in one sweep beside ten passes."""

import argparse
import contextlib
import csv
import io
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

import network_prune
from benchmarks import plain
from benchmarks.evaluation import random_network
from benchmarks.tables import DOCS, Row, include, machine
from benchmarks.timing import Timed, ratio, time_in_turn
from network_prune.evaluation.metrics import Metrics, measure
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant
from network_prune.pruning.faster_copy.prepare import Speed, prepare
from network_prune.results.records import RecordFile
from network_prune.study.checked import check_plan
from network_prune.study.plan import make_plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.network_run import NetworkRun

BATCH = 32
# With the dense network these are ten variants.
GRID = {"method": "connections", "p_prune": [0.02, 0.05, 0.1], "p_bern": 0.5, "draws": 3}
PLAIN = "ten passes of the plain loop"
SCRIPTS = "ten runs of a script"
SETTINGS = {
    "sweep, everything off": {"channels_last": False, "fold": False},
    "sweep": {},
    "sweep, bfloat16": {"dtype": "bfloat16"},
}
COMMAND = "network-prune sweep"
PARTS = ("ways", "processes", "shares", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="JPEG photographs, made up")
    parser.add_argument("--rounds", type=int, default=2, help="rounds that medians are taken over")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    path = DOCS / "sweeps-cpu.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result |= {"machine": machine("cpu"), "images": arguments.images}
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder), images=arguments.images, threads=arguments.threads)
        measures = {
            "ways": lambda: study.compare(arguments.rounds),
            "processes": study.compare_processes,
            "shares": lambda: study.shares(arguments.rounds),
            "memory": study.memory,
        }
        for part in arguments.parts:
            result[part] = measures[part]()
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"Measured on {result['machine']}; {arguments.images} images.\n\n{table(result)}"
    print(text)
    include(text, DOCS / "speed.md", mark="sweeps")


class Study:
    """Ten variants on made-up photographs, evaluated in several ways.

    Args:
        folder: where photographs, weights and records go.
        images: number of photographs.
        threads: torch's threads, for other processes.
    """

    def __init__(self, folder: Path, *, images: int, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._weights = folder / "resnet18.safetensors"
        self._manifest = folder / "images.csv"
        model = random_network("resnet18")
        save_file(model.state_dict(), self._weights)
        make_photographs(folder, images)
        write_manifest(self._manifest, [0] * images)
        answers = plain.evaluate(model, self._manifest, BATCH)[0].argmax(1)
        # Every second answer is moved, so that half are hits.
        answers[::2] = (answers[::2] + 1) % 1000
        write_manifest(self._manifest, answers.tolist())
        self._plan = {
            **GRID,
            "arch": "resnet18",
            "weights": str(self._weights),
            "data": str(self._manifest),
            "batch_size": BATCH,
            "workers": 0,
        }
        self._variants = next(iter(make_plan(self._plan).variants.values()))
        self._model = model
        self._masks = [self._masks_of(variant) for variant in self._variants]

    def compare(self, rounds: int) -> list[Row]:
        """Return a row for each way to evaluate the ten variants."""
        found: dict[str, Any] = {}
        things = {PLAIN: Timed(lambda: found.update({PLAIN: self._plain()}), repeats=1)}
        for way, options in SETTINGS.items():
            things[way] = Timed(
                lambda way=way, options=options: found.update({way: self._sweep(options)}),
                repeats=1,
            )
        times = time_in_turn(things, rounds=rounds)
        expected = [measure(logits, labels) for logits, labels in found[PLAIN]]
        rows: list[Row] = []
        for way in things:
            row = _row(times, way, PLAIN)
            if way in SETTINGS:
                row |= _same_figures([record["metrics"] for record in found[way]], expected)
            rows.append(row)
        return rows

    def compare_processes(self) -> list[Row]:
        """Return a row for ten runs of a script, and one for the command that does the same."""
        things = {
            SCRIPTS: Timed(self._scripts, repeats=1),
            COMMAND: Timed(self._command, repeats=1),
        }
        times = time_in_turn(things, rounds=1)
        return [_row(times, way, SCRIPTS) for way in things]

    def shares(self, rounds: int) -> dict[str, float]:
        """Return what switching takes of a sweep, and a sweep's time over a bare loop's."""
        plan = make_plan(self._plan)
        network, variants = next(iter(plan.variants.items()))
        study = ReadyNetwork(network, variants, plan.options, check_plan(plan))
        switching: list[float] = []

        def run() -> None:
            with tempfile.TemporaryDirectory() as out, RecordFile(Path(out)) as file:
                NetworkRun(study, file, lambda event: None).run(progress=True)

        things = {
            "sweep": Timed(run, repeats=1),
            "bare loop": Timed(lambda: bare_loop(study, variants), repeats=1),
        }
        with (
            _timed_switches(switching),
            contextlib.redirect_stderr(io.StringIO()),
            network_prune.kept_memory(),
        ):
            times = time_in_turn(things, rounds=rounds)
        sweeps = sum(each["sweep"] for each in times) * (rounds + 1) / rounds
        return {
            "a sweep's time over that of a bare loop": ratio(times, "sweep", "bare loop"),
            "share of a sweep's time that switching variants takes": sum(switching) / sweeps,
        }

    def memory(self) -> dict[str, float]:
        """Return the peak memory of a sweep of 100 variants over that of one of 10."""
        few, many = (statistics.median(self._peak(count) for _ in range(3)) for count in (10, 100))
        return {"peak memory at 100 variants over that at 10": many / few}

    def _peak(self, count: int) -> int:
        """Return the bytes that a process takes at most for variants that all rank anew."""
        plan = {
            **{name: self._plan[name] for name in ("arch", "weights", "data", "workers")},
            "method": "weights",
            "p_prune": [(number + 1) / 200 for number in range(count - 1)],
            **{"resize": 64, "crop": 64, "batch_size": 8, "limit": 16},
        }
        with tempfile.TemporaryDirectory() as out:
            code = (
                "import json, sys, network_prune\n"
                "from benchmarks.memory import status\n"
                "with network_prune.kept_memory():\n"
                "    network_prune.sweep(json.loads(sys.argv[1]), out=sys.argv[2])\n"
                "print(status('VmHWM'))"
            )
            return int(_run([sys.executable, "-c", code, json.dumps(plan), out]).split()[-1])

    def _plain(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        found = [plain.evaluate(self._model, self._manifest, BATCH)]
        for masks in self._masks:
            originals = {
                name: self._model.get_submodule(name).weight.detach().clone() for name in masks
            }
            plain.mask(self._model, masks)
            found.append(plain.evaluate(self._model, self._manifest, BATCH))
            plain.unmask(self._model, originals)
        return found

    def _sweep(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as out, network_prune.kept_memory():
            return network_prune.sweep({**self._plan, **options}, out=out, progress=False)

    def _scripts(self) -> None:
        command = [sys.executable, "-m", "benchmarks.plain", self._weights, self._manifest]
        command += ["--batch-size", BATCH, "--threads", self._threads]
        for p_prune in [0, *(variant.p_prune for variant in self._variants)]:
            _run([*command, "--p-prune", p_prune, "--p-bern", GRID["p_bern"]])

    def _command(self) -> None:
        with tempfile.TemporaryDirectory() as out:
            plan = Path(out) / "plan.yaml"
            plan.write_text(json.dumps(self._plan), encoding="utf-8")
            _run([sys.executable, "-m", "network_prune", "sweep", plan, "--out", out])

    def _masks_of(self, variant: Any) -> dict[str, torch.Tensor]:
        prunable = variant.rank(self._model)
        draw = prunable.draw(p_bern=variant.p_bern, seed=variant.seed, index=variant.index)
        return {layer.name: draw.mask(layer.name).float() for layer in draw.layers}


@torch.no_grad()
def bare_loop(study: ReadyNetwork, variants: Sequence[Variant]) -> list[int]:
    """Return each variant's hits, by nothing but reading, redrawing, computing and counting."""
    batches = list(DataLoader(study.data.dataset, BATCH))
    model = prepare(study.loaded.model, Speed()).model
    hits = [_count_hits(study, model, batches)]
    for _, same in itertools.groupby(variants, lambda variant: variant.at(index=0)):
        draws = list(same)
        prunable = draws[0].rank(study.loaded.model)
        redrawer = network_prune.Redrawer(
            model, prunable, p_bern=draws[0].p_bern, seed=draws[0].seed
        )
        with redrawer:
            for variant in draws:
                redrawer.redraw(variant.index)
                hits.append(_count_hits(study, model, batches))
    return hits


def _count_hits(study: ReadyNetwork, model: nn.Module, batches: list[list[Tensor]]) -> int:
    hits = 0
    for images, labels in batches:
        inputs = study.loaded.preprocessing.normalise(images)
        logits = model(inputs.contiguous(memory_format=torch.channels_last))
        hits += int((logits.argmax(1) == labels).sum())
    return hits


@contextlib.contextmanager
def _timed_switches(seconds: list[float]) -> Generator[None]:
    """Append the seconds of each switch to a list."""
    original = Switcher.switch

    def switch(self: Switcher, variant: Variant | None) -> Runner:
        start = time.perf_counter()
        try:
            return original(self, variant)
        finally:
            seconds.append(time.perf_counter() - start)

    with mock.patch.object(Switcher, "switch", switch):
        yield


def _row(times: list[dict[str, float]], way: str, peer: str) -> Row:
    seconds = statistics.median(each[way] for each in times)
    return {"way": way, "seconds": seconds, "peer": peer, "times as fast": ratio(times, peer, way)}


def _same_figures(found: list[dict[str, int]], expected: list[Metrics]) -> Row:
    pairs = list(zip(found, expected, strict=True))
    hits = sum(metrics["hits1"] == other.hits1 for metrics, other in pairs)
    losses = sum(metrics["loss_sum"] == other.loss_sum for metrics, other in pairs)
    return {"same hits": f"{hits} of {len(pairs)}", "same loss": f"{losses} of {len(pairs)}"}


def make_photographs(folder: Path, count: int) -> None:
    """Write pictures with edges, gradients and noise as JPEG files of a photograph's size."""
    y, x = np.mgrid[:375, :500]
    for number in range(count):
        noise = np.random.RandomState(number).randint(0, 40, (375, 500, 3))
        bars = 60 * ((x // (7 + number % 13) + y // (5 + number % 17)) % 3)
        base = np.stack([x // 2, y // 2, bars], axis=2)
        picture = Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8))
        picture.save(folder / f"{number}.jpg", quality=90)


def write_manifest(path: Path, labels: list[int]) -> None:
    """Write a manifest of the photographs beside it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        writer.writerows((f"{number}.jpg", label) for number, label in enumerate(labels))


def _run(command: list[Any]) -> str:
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def table(result: dict[str, Any]) -> str:
    """Return what was measured in Markdown."""
    lines = [
        "| ten variants of resnet18 | seconds | times as fast | as | same hits | same loss |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for row in [*result.get("ways", ()), *result.get("processes", ())]:
        figures = f"{row['seconds']:.1f} | {row['times as fast']:.2f}"
        same = f"{row.get('same hits', '–')} | {row.get('same loss', '–')}"
        lines.append(f"| {row['way']} | {figures} | {row['peer']} | {same} |")
    lines += ["", "| measure | |", "|---|--:|"]
    others = result.get("shares", {}) | result.get("memory", {})
    return "\n".join([*lines, *(f"| {name} | {value:.3f} |" for name, value in others.items())])


if __name__ == "__main__":
    main()
