"""DistributedDataParallel: two processes train a pruned network as one would."""

import subprocess
import sys

import pytest
import torch

SCRIPT = """
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import network_prune as npr

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))

def loss_of(model, rank, step):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(10 * rank + step))
    return model(x).square().mean()

def train(model, ranks):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        (sum(loss_of(model, rank, step) for rank in ranks) / len(ranks)).backward()
        optimizer.step()

def work(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    model = build()
    pruned = npr.prune_weights(model, p_prune=0.5, p_bern=0.5, seed=1)
    train(DistributedDataParallel(model), [rank])
    alone = build()
    with npr.prune_weights(alone, p_prune=0.5, p_bern=0.5, seed=1):
        train(alone, [0, 1])
    for layer in pruned.draw.layers:
        weight = model.get_submodule(layer.name).weight
        assert not weight[~pruned.draw.mask(layer.name)].any()
    pruned.restore()
    for one, other in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    dist.destroy_process_group()

if __name__ == "__main__":
    torch.set_num_threads(1)
    mp.spawn(work, (sys.argv[1],), nprocs=2)
    print("trained alike")
"""

DIVERSIFIED = """
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import network_prune as npr

def build():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    return npr.Diversified(model, npr.rank(model, p_prune=0.6), p_bern=0.5, seed=1)

def loss_of(surrogate, rank, step):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(10 * rank + step))
    return surrogate(x).square().mean()

def work(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    surrogate, alone = build(), build()
    wrapped = DistributedDataParallel(surrogate)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (surrogate, alone)]
    for step in range(3):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss_of(wrapped, rank, step).backward()
        assert surrogate.index == rank + 2 * step
        for other in range(2):
            with alone.frozen(other + 2 * step):
                (loss_of(alone, other, step) / 2).backward()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(surrogate.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    alike = npr.Diversified(alone.model, alone.prunable, p_bern=0.5, start=7, step=1)
    loss_of(alike, 0, 0)
    assert alike.index == 7
    dist.destroy_process_group()

if __name__ == "__main__":
    torch.set_num_threads(1)
    mp.spawn(work, (sys.argv[1],), nprocs=2)
    print("trained alike")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without distributed")
@pytest.mark.parametrize("program", [SCRIPT, DIVERSIFIED], ids=["pruned", "diversified"])
def test_two_processes_train_as_one_does(program, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(program)
    command = [sys.executable, str(script), str(tmp_path / "meeting")]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "trained alike" in outcome.stdout, outcome.stderr
