"""``python -m benchmarks.scaling``: what shards and Ray gain and cost, a model, and a prediction.

The model: a process takes ``start + images · (decoding + passes · computing)`` seconds, of which
it has a share of the images; on Ray something is added to the start. It is fitted to runs of one
process, of two shards and of two nodes of Ray's, but for decoding, which is measured by itself, and
checked on runs that it wasn't fitted to.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.optimize import nnls

from benchmarks.sweeps import make_photographs, write_manifest
from benchmarks.tables import DOCS, include, machine
from network_prune import load_data, load_network
from network_prune.evaluation.reading import Reading
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
        ray: seconds that Ray adds to a study.
    """

    start: float
    decoding: float
    computing: float
    ray: float

    def of(self, run: "Run") -> float:
        """Return the seconds of a run."""
        return float(np.dot(run.counts, (self.start, self.decoding, self.computing, self.ray)))


@dataclass(frozen=True)
class Run:
    """A study that was run, and what it took.

    Attributes:
        processes: number of shards, all started at once, or of Ray's nodes with a core each.
        images: number of images.
        draws: number of pruned variants; the dense network comes along.
        on_ray: whether Ray's nodes did it.
        seconds: until the last process ended.
    """

    processes: int
    images: int
    draws: int
    on_ray: bool
    seconds: float

    @property
    def counts(self) -> tuple[float, ...]:
        """How often each of the costs comes up in a process."""
        share = self.images / self.processes
        return 1, share, share * self.passes, self.on_ray

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
    with tempfile.TemporaryDirectory() as folder, ray_nodes(2) as address:
        study = _Study(Path(folder), arguments.arch, n, address)

        def measured(processes: int, images: int, draws: int, *, on_ray: bool = False) -> Run:
            took = study.on_ray if on_ray else study.in_shards
            times = [took(processes, images, draws) for _ in range(arguments.rounds)]
            return Run(processes, images, draws, on_ray, min(times))

        fitted = [
            measured(1, n, DRAWS),
            measured(2, n, DRAWS),
            measured(2, n, DRAWS, on_ray=True),
            measured(1, n // 4, DRAWS),
        ]
        checked = [
            measured(2, n * 2 // 3, 2 * DRAWS),
            measured(2, n // 2, 2 * DRAWS, on_ray=True),
        ]
        decoding = min(study.decoding() for _ in range(arguments.rounds))
    costs = fit(fitted, decoding)
    result: dict[str, Any] = {
        "machine": machine("cpu").replace(f"--threads {os.cpu_count()}", "one thread a process"),
        "costs": vars(costs),
        "fitted": [vars(run) for run in fitted],
        "checked": [vars(run) for run in checked],
    }
    (DOCS / "scaling-cpu.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table(arguments.arch, result["machine"], costs, fitted, checked)
    text += "\n\n" + prediction(replace(costs, computing=arguments.gpu_pass / 1000))
    print(text)
    include(text, DOCS / "scaling.md", mark="scaling")


def fit(runs: Sequence[Run], decoding: float) -> Costs:
    """Return the costs beside decoding that fit runs best by least squares, none below zero."""
    rows = np.array([run.counts for run in runs], dtype=float)
    rest = np.array([run.seconds for run in runs]) - decoding * rows[:, 1]
    (start, computing, ray), _ = nnls(np.delete(rows, 1, axis=1), rest)
    return Costs(float(start), decoding, float(computing), float(ray))


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

    def __init__(self, folder: Path, arch: str, images: int, ray_address: str) -> None:
        self._folder, self._arch, self._ray_address = folder, arch, ray_address
        self._images = folder / "images.csv"
        make_photographs(folder, images)
        write_manifest(self._images, [0] * images)

    def decoding(self) -> float:
        """Return the seconds an image that one process needs to read and prepare it."""
        transform = load_network(self._arch, weights="none").preprocessing.transform()
        data = load_data(self._images, transform=transform)
        start = time.perf_counter()
        with Reading(data, label="decoding", batch_size=BATCH, workers=0) as batches:
            for _ in batches:
                pass
        return (time.perf_counter() - start) / data.n

    def in_shards(self, shards: int, images: int, draws: int) -> float:
        """Return the seconds of so many processes, one of them for the whole study or shards."""
        which = [["--shard", f"{number}/{shards}"] for number in range(1, shards + 1)]
        return self._seconds(images, draws, which)

    def on_ray(self, _: int, images: int, draws: int) -> float:
        """Return the seconds on all nodes of Ray's."""
        return self._seconds(
            images, draws, [["--engine", "ray", "--ray-address", self._ray_address]]
        )

    def _seconds(self, images: int, draws: int, processes: Sequence[Sequence[str]]) -> float:
        """Run the command of one thread with each of these options; return until the last ends."""
        out = self._folder / "study"
        shutil.rmtree(out, ignore_errors=True)
        command = [
            *(sys.executable, "-m", "network_prune", "sweep", "--arch", self._arch),
            *("--weights", "none", "--data", self._images, "--limit", images),
            *("--batch-size", BATCH, "--workers", 0, "--out", out),
            *("--p-prune", 0.2, "--p-bern", 0.5, "--draws", draws, "--method", "connections"),
        ]
        start = time.perf_counter()
        started = [
            subprocess.Popen(
                [*map(str, command), *more],
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for more in processes
        ]
        if [code for process in started if (code := process.wait())]:
            raise SystemExit("a process failed")
        return time.perf_counter() - start


@contextmanager
def ray_nodes(count: int) -> Generator[str]:
    """Run a cluster of so many nodes of Ray's, a core each; yield its address."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9")
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {
        "num_cpus": 1,
        "object_store_memory": 500 * 2**20,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(count - 1):
            cluster.add_node(**node)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def table(
    arch: str, where: str, costs: Costs, fitted: Sequence[Run], checked: Sequence[Run]
) -> str:
    """Return runs, costs and the prediction as Markdown."""
    one, shards, nodes = (run.seconds for run in fitted[:3])
    rows = [
        f"| {run.processes}{' on Ray' if run.on_ray else ''} | {run.images} | {run.passes} | "
        f"{run.seconds:.1f} | {costs.of(run):.1f} |"
        for run in (*fitted, *checked)
    ]
    return "\n".join(
        [
            f"Measured on {where}: {arch}, batches of {BATCH}; the last {len(checked)} runs "
            "weren't fitted to.",
            "",
            "| processes | images | passes | seconds | by the model |",
            "|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"Two shards are {one / shards:.2f} times as fast as one process, two nodes of Ray's "
            f"{one / nodes:.2f} times. Start-up {costs.start:.1f} s, decoding "
            f"{1000 * costs.decoding:.1f} ms an image, computing {1000 * costs.computing:.1f} ms "
            f"an image and pass; Ray adds {costs.ray:.1f} s to a study.",
        ]
    )


if __name__ == "__main__":
    main()
