"""Say how large the download of an installation is: ``.venv/bin/python scripts/download_size.py``.

uv names the wheels that it would install here, with their sizes; nothing is installed.
"""

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# What PyTorch's CPU build does without.
CUDA = ("cuda-", "nvidia-", "triton")
HINT = "in a new .venv `TORCH=cpu` after make takes PyTorch's CPU build"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line, also where the size can't be known; exit with 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="an extra to install, too")
    parser.add_argument("--torch-backend", help="as in uv, e.g. cpu for PyTorch's CPU build")
    options = parser.parse_args(arguments)
    done = subprocess.run(
        question(options.extra, options.torch_backend),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["uv said nothing"]
        print(f"How large the download is can't be known: {lines[0].strip()}")
    else:
        print(told(tomllib.loads(done.stdout)["packages"]))


def question(extras: Sequence[str], torch_backend: str | None) -> list[str]:
    """Return the call of uv, which prints a lock file (PEP 751) for this Python."""
    uv = Path(sys.executable).with_name("uv")
    call = [uv, "pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml"]
    call += ["--python", sys.executable]
    for extra in extras:
        call += ["--extra", extra]
    if torch_backend:
        call += ["--torch-backend", torch_backend]
    return [str(part) for part in [*call, "pyproject.toml"]]


def told(packages: Sequence[dict[str, Any]]) -> str:
    """Return what to say of the packages of a lock file."""
    sizes = {package["name"]: size_of(package) for package in packages}
    known = {name: size for name, size in sizes.items() if size is not None}
    unknown = sorted(sizes.keys() - known.keys())
    whole = sum(known.values())
    cuda = sum(size for name, size in known.items() if name.startswith(CUDA))
    return "; ".join(
        [
            f"{len(sizes)} packages, {in_words(whole)} to download at most (what uv has kept "
            "isn't downloaded again)",
            *([f"and {', '.join(unknown)}, whose size isn't said"] if unknown else []),
            *([f"{HINT}, less than {in_words(whole - cuda)}"] if cuda else []),
        ]
    )


def size_of(package: dict[str, Any]) -> int | None:
    """Return the bytes of a package's wheel, the largest if there are several, or its source."""
    files = package.get("wheels") or [package.get("sdist", {})]
    sizes = [file.get("size") for file in files]
    return None if None in sizes else max(sizes)


def in_words(size: int) -> str:
    """Return a number of bytes in MB, or in GB (1000 MB)."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
