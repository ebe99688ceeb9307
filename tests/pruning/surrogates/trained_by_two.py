"""Two processes train a pruned network, and a surrogate, as one process would."""

import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import network_prune as npr

STEPS = 3


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))


def loss_of(model, rank, step):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(10 * rank + step))
    return model(x).square().mean()


def train(model, ranks):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(STEPS):
        optimizer.zero_grad()
        (sum(loss_of(model, rank, step) for rank in ranks) / len(ranks)).backward()
        optimizer.step()


def check_same(model, other):
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def check_pruned(rank):
    model, alone = build(), build()
    pruned = npr.prune_weights(model, p_prune=0.5, p_bern=0.5, seed=1)
    train(DistributedDataParallel(model), [rank])
    with npr.prune_weights(alone, p_prune=0.5, p_bern=0.5, seed=1):
        train(alone, [0, 1])
    for layer in pruned.draw.layers:
        weight = model.get_submodule(layer.name).weight
        assert not weight[~pruned.draw.mask(layer.name)].any()
    pruned.restore()
    check_same(model, alone)


def diversified():
    model = build()
    return npr.Diversified(model, npr.rank(model, p_prune=0.6), p_bern=0.5, seed=1)


def check_diversified(rank):
    surrogate, alone = diversified(), diversified()
    wrapped = DistributedDataParallel(surrogate)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (surrogate, alone)]
    for step in range(STEPS):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss_of(wrapped, rank, step).backward()
        assert surrogate.index == rank + 2 * step
        for other in range(2):
            with alone.frozen(other + 2 * step):
                (loss_of(alone, other, step) / 2).backward()
        for optimizer in optimizers:
            optimizer.step()
    check_same(surrogate, alone)
    alike = npr.Diversified(alone.model, alone.prunable, p_bern=0.5, start=7, step=1)
    loss_of(alike, 0, 0)
    assert alike.index == 7


def work(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    check_pruned(rank)
    check_diversified(rank)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    # Forks needn't import PyTorch again.
    kind = "fork" if hasattr(os, "fork") else "spawn"
    mp.start_processes(work, (sys.argv[1],), nprocs=2, start_method=kind)
    print("trained alike")
