"""``python -m benchmarks.scaling``: what shards gain and cost, a model of it, and a prediction.

The model: a process takes ``start + images · (decoding + passes · computing)`` seconds, of which
it has a share of the images. It is fitted to runs of one process and of two shards, and checked
on two shards of a study that it wasn't fitted to.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.optimize import nnls

from benchmarks.sweeps import make_photographs, write_manifest
from benchmarks.tables import DOCS, include, machine
from network_prune.study.sharding.cut import Work, cut

BATCH: Final = 16
DRAWS: Final = 3  # with the dense network four passes


@dataclass(frozen=True)
class Costs:
    """What a process takes.

    Attributes:
        start: seconds until the first image, for each network.
        decoding: seconds an image, once for each network.
        computing: seconds an image and pass.
    """

    start: float
    decoding: float
    computing: float

    def of(self, images: float, passes: float) -> float:
        """Return the seconds for some images, each decoded once."""
        return self.start + images * (self.decoding + passes * self.computing)


@dataclass(frozen=True)
class Run:
    """A study that was run, and what it took.

    Attributes:
        shards: number of processes, all started at once.
        images: number of images.
        draws: number of pruned variants; the dense network comes along.
        seconds: until the last process ended.
    """

    shards: int
    images: int
    draws: int
    seconds: float

    @property
    def share(self) -> float:
        """How many images each process has."""
        return self.images / self.shards

    @property
    def passes(self) -> int:
        """How often each image is computed."""
        return self.draws + 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--images", type=int, default=128, help="JPEG photographs, made up")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--rounds", type=int, default=1, help="the shortest of so many runs counts")
    parser.add_argument(
        "--gpu-pass",
        type=float,
        default=0.3,
        help="assumed milliseconds an image and pass on a GPU",
    )
    arguments = parser.parse_args()
    n = arguments.images
    with tempfile.TemporaryDirectory() as folder:
        study = _Study(Path(folder), arguments.arch, n)

        def measured(shards: int, images: int, draws: int) -> Run:
            times = [study.seconds(shards, images, draws) for _ in range(arguments.rounds)]
            return Run(shards, images, draws, min(times))

        one, two = measured(1, n, DRAWS), measured(2, n, DRAWS)
        fitted = [one, two, measured(1, n // 4, DRAWS), measured(1, n, 0)]
        checked = measured(2, n * 2 // 3, 2 * DRAWS)
    costs = fit(fitted)
    result: dict[str, Any] = {
        "machine": machine("cpu").replace(f"--threads {os.cpu_count()}", "one thread a process"),
        "costs": vars(costs),
        "runs": [vars(run) for run in (*fitted, checked)],
        "speed-up of two shards": one.seconds / two.seconds,
        "predicted": costs.of(checked.share, checked.passes),
        "measured": checked.seconds,
    }
    (DOCS / "scaling-cpu.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table(arguments.arch, result, costs, [*fitted, checked])
    text += "\n\n" + prediction(replace(costs, computing=arguments.gpu_pass / 1000))
    print(text)
    include(text, DOCS / "scaling.md", mark="scaling")


def fit(runs: Sequence[Run]) -> Costs:
    """Return the costs that fit runs best by least squares, none below zero."""
    rows = [[1, run.share, run.share * run.passes] for run in runs]
    found, _ = nnls(np.array(rows, dtype=float), np.array([run.seconds for run in runs]))
    return Costs(*found.tolist())


def prediction(costs: Costs) -> str:
    """Return what a large study would take on 64 GPUs, and what it would wait for."""
    size = {"networks": 1000, "variants": 50, "images": 50_000, "devices": 64}
    networks, variants, images, devices = size.values()
    lines = [
        f"For {networks} networks × {variants} variants × {images} images on {devices} GPUs, with "
        f"{1000 * costs.computing:g} ms an image and pass (assumed) and start-up and decoding as "
        "above, the cut plan takes by simulation:",
        "",
        "| cores a GPU | hours | longest / mean | start-up | decoding | computing |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for workers in (1, 8):
        found = simulate(costs, **size, workers=workers)
        shares = " | ".join(f"{share:.1%}" for share in found.shares.values())
        hours, ratio = found.seconds / 3600, found.seconds / found.mean
        lines.append(f"| {workers} | {hours:.1f} | {ratio:.3f} | {shares} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Schedule:
    """What a cut study takes on so many devices.

    Attributes:
        seconds: until the last one is done.
        mean: seconds of a device on average.
        shares: of all devices' time, what goes into each of start, decoding, computing.
    """

    seconds: float
    mean: float
    shares: dict[str, float]


def simulate(
    costs: Costs, *, networks: int, variants: int, images: int, devices: int, workers: int
) -> Schedule:
    """Return what a study of many networks takes, by the pieces that each device gets.

    Decoding runs beside computing, in so many processes for each device; the slower of the two
    counts.
    """
    work = Work(variants, True, -(-images // 256))
    totals: list[float] = []
    parts = dict.fromkeys(("start", "decoding", "computing"), 0.0)
    for pieces in cut([work] * networks, devices):
        start = costs.start * len({piece.work for piece in pieces})
        total = start
        parts["start"] += start
        for piece in pieces:
            n = len(piece.batches) * 256
            decoding = n * costs.decoding / workers
            computing = n * (len(piece.variants) + 1) * costs.computing
            slower = "decoding" if decoding > computing else "computing"
            parts[slower] += max(decoding, computing)
            total += max(decoding, computing)
        totals.append(total)
    whole = sum(totals)
    return Schedule(
        max(totals), whole / devices, {name: value / whole for name, value in parts.items()}
    )


class _Study:
    """A sweep of draws of one network on made-up photographs, with random weights."""

    def __init__(self, folder: Path, arch: str, images: int) -> None:
        self._folder, self._arch = folder, arch
        make_photographs(folder, images)
        write_manifest(folder / "images.csv", [0] * images)

    def seconds(self, shards: int, images: int, draws: int) -> float:
        """Run the command in so many processes of one thread; return the seconds to the last."""
        out = self._folder / "study"
        shutil.rmtree(out, ignore_errors=True)
        pruned = ["--p-prune", 0.2, "--p-bern", 0.5, "--draws", draws, "--method", "connections"]
        command = [
            *(sys.executable, "-m", "network_prune", "sweep", "--arch", self._arch),
            *("--weights", "none", "--data", self._folder / "images.csv", "--limit", images),
            *("--batch-size", BATCH, "--workers", 0, "--out", out),
            *(pruned if draws else ["--p-prune", 0]),
        ]
        start = time.perf_counter()
        started = [
            subprocess.Popen(
                [*map(str, command), "--shard", f"{number}/{shards}"],
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for number in range(1, shards + 1)
        ]
        if [code for process in started if (code := process.wait())]:
            raise SystemExit("a shard failed")
        return time.perf_counter() - start


def table(arch: str, result: dict[str, Any], costs: Costs, runs: Sequence[Run]) -> str:
    """Return runs, costs and the prediction as Markdown."""
    rows = [
        f"| {run.shards} | {run.images} | {run.passes} | {run.seconds:.1f} | "
        f"{costs.of(run.share, run.passes):.1f} |"
        for run in runs
    ]
    return "\n".join(
        [
            f"Measured on {result['machine']}: {arch}, batches of {BATCH}; the last run wasn't "
            "fitted to.",
            "",
            "| processes | images | passes | seconds | by the model |",
            "|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"Two shards are {result['speed-up of two shards']:.2f} times as fast as one process. "
            f"Start-up {costs.start:.1f} s, decoding {1000 * costs.decoding:.1f} ms an image, "
            f"computing {1000 * costs.computing:.1f} ms an image and pass.",
        ]
    )


if __name__ == "__main__":
    main()
