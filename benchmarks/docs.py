"""Where figures are published: the machine they are from and the pages they stand in."""

import platform
from pathlib import Path

import torch

FOLDER = Path(__file__).parents[1] / "docs"


def machine(device: str) -> str:
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    name = torch.cuda.get_device_name() if device.startswith("cuda") else processor
    return f"{name}, torch {torch.__version__} with --threads {torch.get_num_threads()}"


def include(text: str, mark: str, *, page: Path = FOLDER / "speed.md") -> None:
    """Put ``text`` between the page's comments ``mark`` and ``end of mark``."""
    first, last = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    head, _, rest = page.read_text(encoding="utf-8").partition(first)
    _, _, tail = rest.partition(last)
    page.write_text(f"{head}{first}\n{text}\n{last}{tail}", encoding="utf-8")
