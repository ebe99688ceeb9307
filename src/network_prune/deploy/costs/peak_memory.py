"""How much memory a network's forward pass takes at most."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.profiler import ProfilerActivity, profile

_EVENT = "[memory]"


def peak_bytes(action: Callable[[], object], device: torch.device) -> int | None:
    """Return the bytes that PyTorch allocates at most at once during ``action``.

    What was allocated before isn't counted. On the CPU PyTorch's profiler tells each allocation;
    what libraries allocate by themselves isn't seen.

    Returns:
        None on devices other than CUDA and the CPU, which don't tell.
    """
    if device.type == "cuda":
        return _on_cuda(action, device)
    return _on_cpu(action) if device.type == "cpu" else None


def _on_cuda(action: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    action()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _on_cpu(action: Callable[[], object]) -> int:
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        action()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    allocated = sorted(
        ((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == _EVENT),
        key=lambda each: each[0],
    )
    now = most = 0
    for _, count in allocated:
        now += count
        most = max(most, now)
    return most
