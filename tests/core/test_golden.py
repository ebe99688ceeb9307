"""Masks that are fixed for good: any later, faster version has to give the same bits.

The weights come from integer arithmetic alone, so that they depend on no library.
``PYTHONPATH=tests python tests/core/test_golden.py DATA`` adds missing entries to
golden.json; it never changes one that is there.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import network_prune as npr
import oracle
from network_prune.core.layers import Granularity
from network_prune.core.scores import Norm, norm_scores

FILE = Path(__file__).with_name("golden.json")
KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)
GRANULARITIES = ["weight", "connection", "neuron"]
SCORES = ["l1", "l2", "mean-l1", "lamp", "random", "random:12345"]
SCOPES = ["global", "layer"]
P_PRUNE = [0.3, 0.7, 1.0]
P_BERN = [1.0, 0.5, 0.3, 0.9, 1e-9, 1 / 3]
NAMES = [(0, 0), (0, 1), (1, 0), (7, 1000), (2**64 - 1, 2**64 - 1)]


def small_network() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ConvTranspose2d(8, 6, 2, groups=2),
        nn.Conv2d(6, 16, 1),
        nn.Conv1d(4, 6, 3),
        nn.Conv3d(2, 3, (1, 2, 3)),
        nn.Linear(16, 10),
    )
    for i, layer in enumerate(model):
        places = torch.arange(layer.weight.numel(), dtype=torch.int64)
        values = (places * 2654435761 + 97 * i).remainder(211) - 105
        # Exact in float32, of many sizes: the order of addition shows in the sums.
        scaled = torch.ldexp(values.double(), -(places % 29)).float()
        layer.weight = nn.Parameter(scaled.reshape(layer.weight.shape))
    return model


def weights_hash(model: nn.Sequential) -> str:
    octets = b"".join(layer.weight.detach().numpy().astype("<f4").tobytes() for layer in model)
    return hashlib.sha256(octets).hexdigest()


def prunable_sets(model: nn.Module, **options) -> dict[str, npr.PrunableSet]:
    cases = itertools.product(GRANULARITIES, SCORES, SCOPES, P_PRUNE)
    return {
        f"{granularity} {score} {scope} p_prune={p}": npr.rank(
            model, granularity, p_prune=p, score=score, scope=scope, **options
        )
        for granularity, score, scope, p in cases
    }


def draws(prunable: npr.PrunableSet) -> dict[str, npr.Draw]:
    return {
        f"p_bern={p} seed={seed} index={index}": prunable.draw(p_bern=p, seed=seed, index=index)
        for p, (seed, index) in itertools.product(P_BERN, NAMES)
    }


def small_hashes() -> dict[str, str]:
    model = small_network()
    found = {name: one.sha256 for name, one in prunable_sets(model, layers=KINDS).items()}
    for granularity in GRANULARITIES:
        prunable = npr.rank(model, granularity, p_prune=0.7, layers=KINDS)
        for name, draw in draws(prunable).items():
            found[f"{granularity} p_prune=0.7 {name}"] = draw.sha256
    return found


def real_hashes(model: nn.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for granularity, scope in itertools.product(GRANULARITIES, SCOPES):
        for score in SCORES:
            prunable = npr.rank(model, granularity, p_prune=0.7, score=score, scope=scope)
            found[f"{granularity} {score} {scope} p_prune=0.7"] = prunable.sha256
        for p in (0.5, 0.3):
            draw = prunable.draw(p_bern=p, seed=1, index=2)
            found[f"{granularity} {score} {scope} p_bern={p} seed=1 index=2"] = draw.sha256
    return found


def golden(part: str) -> dict[str, str]:
    return json.loads(FILE.read_text())[part]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_small_network_weights_are_the_same_everywhere(memory_format):
    model = small_network()
    assert weights_hash(model) == golden("checks")["weights"]
    convs = nn.Sequential(model[0], model[1], model[3]).to(memory_format=memory_format)
    found = npr.rank(convs, p_prune=0.5).sha256
    assert found == golden("checks")["convolutions"]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("score", SCORES)
def test_the_oracle_agrees_on_the_small_network(granularity, score):
    model = small_network()
    parts = [oracle.Part(layer.weight.detach()) for layer in model]
    parts[2] = oracle.Part(model[2].weight.detach(), transposed=True, groups=2)
    flags = oracle.prunable(parts, granularity, p_prune=0.7, score=score, scope="global")
    pruned = oracle.draw(flags, p_bern=0.3, seed=7, index=1000)
    prunable = npr.rank(model, granularity, p_prune=0.7, score=score, layers=KINDS)
    draw = prunable.draw(p_bern=0.3, seed=7, index=1000)
    for i in range(len(model)):
        assert prunable.prunable(str(i)).flatten().tolist() == flags[i]
        assert draw.pruned(str(i)).flatten().tolist() == pruned[i]


def test_the_weights_tell_one_order_of_addition_from_another():
    rows = small_network()[0].weight.detach().abs().flatten(1)
    in_turn = rows[:, 0].clone()
    for column in rows.T[1:]:
        in_turn += column
    assert not torch.equal(in_turn, norm_scores(rows[:, None], Granularity.NEURON, Norm.L1))


def test_prunable_sets_and_draws_of_a_small_network():
    assert small_hashes() == golden("small network")


def test_prunable_sets_and_draws_of_the_real_network(squeezenet):
    assert real_hashes(squeezenet) == golden("squeezenet1_0-deep-compression")


def _add_missing(folder: Path) -> None:
    from safetensors.torch import load_file
    from torchvision.models import squeezenet1_0

    real = squeezenet1_0(weights=None)
    real.load_state_dict(load_file(folder / "squeezenet1_0-deep-compression.safetensors"))
    model = small_network()
    convs = nn.Sequential(model[0], model[1], model[3])
    computed = {
        "checks": {
            "weights": weights_hash(model),
            "convolutions": npr.rank(convs, p_prune=0.5).sha256,
        },
        "small network": small_hashes(),
        "squeezenet1_0-deep-compression": real_hashes(real),
    }
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    merged = {part: {**values, **old.get(part, {})} for part, values in computed.items()}
    FILE.write_text(json.dumps(merged, indent=1) + "\n")


if __name__ == "__main__":
    _add_missing(Path(sys.argv[1]))
