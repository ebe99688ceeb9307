"""All that is found around network-prune, for people and as plain data."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from network_prune.cli.checkup.folders import Folder
from network_prune.cli.checkup.packages import NAME, Packages
from network_prune.errors import NetworkPruneError, failure_text
from network_prune.version import __version__

if TYPE_CHECKING:
    import torch

    from network_prune.cli.checkup.devices import Device, Speed

# What libraries are told by it; no others are shown, as they may hold secrets.
_SETTINGS: Final = (
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_PRELOAD"),
    *("HF_HUB_OFFLINE", "HF_HOME", "TORCH_HOME", "NO_COLOR", "FORCE_COLOR", "COLUMNS"),
)
_FIRST: Final = ("torch", "torchvision", "timm", "numpy")


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    Attributes:
        packages: what is installed.
        build: PyTorch's version with what it is built for; None where it can't be imported.
        folders: where downloads are kept.
        devices: those that networks can run on.
        speed: of one of them, None where it wasn't measured.
        keeps_memory: whether freed memory can be kept between evaluations; None where there is
            nothing to keep, as on other systems than Linux.
        problems: what keeps network-prune from working, each with what to do.
    """

    packages: Packages
    build: str | None
    folders: Sequence[Folder]
    devices: "Sequence[Device]"
    speed: "Speed | None"
    keeps_memory: bool | None
    problems: Sequence[str]

    def notes(self) -> Iterator[str]:
        """Yield what works less well than it could."""
        yield from filter(None, (folder.note() for folder in self.folders))
        if self.keeps_memory is False:
            yield (
                "freed memory isn't kept between evaluations, which are slower for it; another "
                "allocator than glibc's is in use: start without LD_PRELOAD"
            )

    def facts(self) -> dict[str, str]:
        """Return titles and texts of what was found, for people."""
        versions = {package.name: package.version or "missing" for package in self.packages.needed}
        first = [f"{name} {versions.pop(name)}" for name in _FIRST if name in versions]
        others = [f"{name} {version}" for name, version in versions.items()]
        missing = self.packages.missing
        whole = [name for name in self.packages.extras if name not in missing]
        kept = {True: "works", False: "doesn't work", None: "isn't needed here"}
        return {
            NAME: __version__,
            "Python": _python(),
            "packages": ", ".join([*first, *others]) or "unknown",
            **({"build": f"torch {self.build}"} if self.build else {}),
            "extras": ", ".join(whole) or "none",
            "devices": "; ".join(map(str, self.devices)) or "unknown",
            "kept memory": kept[self.keeps_memory],
            "settings": ", ".join(f"{n}={v}" for n, v in _settings().items()) or "none",
            **({"speed": str(self.speed)} if self.speed else {}),
        }

    def missing_lines(self) -> Iterator[str]:
        """Yield the extras that aren't whole, with the command that installs each."""
        for name, packages in self.packages.missing.items():
            yield f"  pip install '{NAME}[{name}]'  ({', '.join(map(str, packages))})"

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data."""
        return {
            NAME: __version__,
            "python": _python(),
            **self.packages.to_dict(),
            "torch_build": self.build,
            "folders": {folder.what: folder.to_dict() for folder in self.folders},
            "devices": [device.to_dict() for device in self.devices],
            "speed": self.speed and self.speed.to_dict(),
            "keeps_memory": self.keeps_memory,
            "settings": _settings(),
            "problems": list(self.problems),
            "notes": list(self.notes()),
        }


def check_up(*, cache_dir: Path | None, device: str, measures: bool) -> Checkup:
    """Look around, change nothing, and prune and restore an embedded network.

    Args:
        cache_dir: folder of downloads instead of the libraries' own.
        device: where to measure, as ``--device`` takes it.
        measures: whether to measure the device's speed, which takes seconds.

    Raises:
        ArgumentError: there is no such device.
    """
    packages = Packages.find()
    problems = list(packages.problems())
    if "torch" in packages.broken or any(
        p.name == "torch" and not p.version for p in packages.needed
    ):
        return Checkup(packages, None, (), (), None, None, problems)
    import torch

    from network_prune.cli.checkup.devices import find_devices
    from network_prune.evaluation.device import choose_device
    from network_prune.evaluation.memory import memory_is_kept

    chosen = choose_device(device)
    problems += _self_test(str(chosen))
    speed = None
    if measures and not problems:
        speed = _measure(chosen, problems)
    found = _folders(cache_dir), find_devices(), speed, memory_is_kept()
    return Checkup(packages, torch.__version__, *found, problems)


def _measure(device: "torch.device", problems: list[str]) -> "Speed | None":
    """Return a device's speed; where it can't compute, add that to the problems."""
    from network_prune.cli.checkup.devices import measure_speed

    try:
        return measure_speed(device)
    except Exception as error:  # of a driver or a compiler as well, which is what is asked
        problems.append(f"{device} can't compute: {failure_text(error)}; pass --device cpu")
        return None


def _folders(cache_dir: Path | None) -> list[Folder]:
    from network_prune.sources.downloads import cache_folders

    return [Folder.look(what, path) for what, path in cache_folders(cache_dir).items()]


def _self_test(device: str) -> Iterator[str]:
    """Prune, evaluate and restore an embedded network; yield what is wrong with that."""
    try:
        import torch

        from network_prune.evaluation.evaluate import evaluate
        from network_prune.pruning.masks.shortcuts import prune_connections
        from network_prune.sources.data.load import load_data
        from network_prune.sources.networks.load import load_network

        network = load_network("digits")
        data = load_data("digits", transform=network.preprocessing.transform())
        model = network.model.to(device)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with prune_connections(model, p_prune=0.2):
            evaluate(model, data.batches(limit=8), progress=False)
        after = model.state_dict()
        if not all(torch.equal(tensor, after[name]) for name, tensor in before.items()):
            yield "an embedded network isn't what it was after pruning; please report this"
    except NetworkPruneError as error:
        yield f"an embedded network can't be pruned and evaluated: {error}"
    except Exception as error:  # whatever a broken installation makes of it
        yield (
            f"an embedded network can't be pruned and evaluated on {device}: "
            f"{failure_text(error)}; install network-prune anew, or pass --device cpu"
        )


def _python() -> str:
    implementation = f"{platform.python_version()} ({platform.python_implementation()})"
    return f"{implementation}, {platform.system()} {platform.release()}, {platform.machine()}"


def _settings() -> dict[str, str]:
    from network_prune.cli.checkup.folders import home_as_tilde

    found = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    return {n: home_as_tilde(Path(v)) if v.startswith(os.sep) else v for n, v in found.items()}
