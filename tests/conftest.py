"""What all tests share: the hypothesis profile and the real inputs."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import nn

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

# Small tensors gain nothing from threads, and lose much where other work wants the cores.
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-tables",
        action="store_true",
        help="write the tables in docs/ anew from what their tests find",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr or config.option.keyword:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def test_data() -> Path:
    folder = os.environ.get("NETWORK_PRUNE_TEST_DATA")
    if not folder:
        pytest.skip("NETWORK_PRUNE_TEST_DATA isn't set: the folder with the real network")
    return Path(folder)


@pytest.fixture
def squeezenet(test_data: Path) -> nn.Module:
    """Return the trained SqueezeNet, about two thirds of whose weights are exactly zero."""
    from safetensors.torch import load_file
    from torchvision.models import squeezenet1_0

    with torch.random.fork_rng():
        model = squeezenet1_0(weights=None)
    model.load_state_dict(load_file(test_data / "squeezenet1_0-deep-compression.safetensors"))
    return model.eval()
