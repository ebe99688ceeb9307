"""What all tests share: the hypothesis profile, real inputs, a browser, the command line."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import nn

from network_prune.cli.main import main
from network_prune.sources.networks import catalogue

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

# Small tensors gain nothing from threads, and lose much where other work wants the cores; the
# variable is for the processes that tests start.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The files that take longest, begun first: at the end they would leave the other workers idle.
LONGEST = (
    "cli/test_mlflow.py",
    "study/engines/test_ray.py",
    "test_examples.py",
    "test_site.py",
    "test_docs.py",
    "study/test_sweep.py",
    "study/sharding/test_shard_runs.py",
    "study/test_disturbed_runs.py",
    "study/sharding/test_disturbed_shards.py",
    "cli/test_exits.py",
    "cli/test_shard_command.py",
    "cli/test_bad_input.py",
    "pruning/test_public_networks.py",
    "pruning/surrogates/test_distributed.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-tables",
        action="store_true",
        help="write the tables in README.md and docs/ anew from what their tests find",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # pytest-xdist keeps the order of the next hook


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _sort(items)
    if config.option.markexpr or config.option.keyword:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def _sort(items: list[pytest.Item]) -> None:
    """Put `LONGEST` first, and then the files of many tests."""
    tests = Counter(item.path for item in items)
    folder = Path(__file__).parent
    first = {folder / name: place for place, name in enumerate(LONGEST)}
    places = {path: (first.get(path, len(first)), -count) for path, count in tests.items()}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True)
def auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine with a GPU find the figures of others; tests of GPUs name their device."""
    monkeypatch.setattr("network_prune.evaluation.device._fastest", lambda: "cpu")


@pytest.fixture(autouse=True)
def gradients_stay_on() -> Iterator[None]:
    """Find out which test leaves gradients off for all that follow."""
    yield
    is_on = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    torch.set_grad_enabled(True)
    assert is_on


@pytest.fixture(autouse=True)
def lines_are_as_long_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no width or colour of the place where tests run decide what is printed."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def timm_is_listed_once() -> Iterator[None]:
    """Let errors name the nearest networks at once: listing timm's takes a second each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "list_timm", cache(catalogue.list_timm))
        yield


@pytest.fixture(scope="session")
def test_data() -> Path:
    folder = os.environ.get("NETWORK_PRUNE_TEST_DATA")
    if not folder:
        pytest.skip("NETWORK_PRUNE_TEST_DATA isn't set: the folder with the real network")
    return Path(folder)


@pytest.fixture(scope="session")
def browser():
    """Chromium; the tests of pages as people see them are skipped where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def squeezenet(test_data: Path) -> nn.Module:
    """Return the trained SqueezeNet, about two thirds of whose weights are exactly zero."""
    from safetensors.torch import load_file
    from torchvision.models import squeezenet1_0

    with torch.random.fork_rng():
        model = squeezenet1_0(weights=None)
    model.load_state_dict(load_file(test_data / "squeezenet1_0-deep-compression.safetensors"))
    return model.eval()


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    def call(*arguments) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(stop.value.code, printed.out, printed.err)

    return call


@pytest.fixture
def refused(run):
    """The one line of an error, after checking that it is all there is."""

    def call(*arguments, code: int = 2) -> str:
        outcome = run(*arguments)
        lines = outcome.err.splitlines()
        assert (outcome.code, len(lines)) == (code, 1), outcome
        assert lines[0].startswith("network-prune: error: ")
        return lines[0]

    return call
