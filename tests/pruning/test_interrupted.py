"""The network comes back, whatever interrupts a call: exact, complete, or at the next call."""

import random
import signal
import threading
from collections import Counter
from functools import cache

import pytest
import torch
from torch import nn

import network_prune as npr
import networks
from interrupted_calls import CALLS, DATA, X, build, looks, network, thread_modes
from interrupts import interrupt, interrupt_after, interrupt_in, lines_of

# What is dropped while it is interrupted may run code that is interrupted.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# Where networks are changed, and put back.
_CHANGING = (
    "/masks/",
    "/in_place/",
    "/recalibration/",
    "/surrogates/",
    "/unfinished.py",
    "/replaced.py",
    "/hooks.py",
    "/forward.py",
)


_ANOTHER = network()


@cache
def after(name):
    """Return what the undisturbed call leaves."""
    call = build(name)
    call.run()
    return looks(call.model)


@cache
def lines(name):
    """Return the lines of ours that the undisturbed call runs."""
    return lines_of(build(name).run)


# An interruption on the first line of `__exit__`, or at the end of a Redrawer's restore, may
# leave what is on the network to `restore`; until then it is refused by name.
_LEFT_TO_RESTORE = (
    "with block",
    "recalibrate in a with block",
    "Redrawer.redraw again",
    "Redrawer.restore",
)


def became(name, call, before, wanted):
    """Say what became of a network."""
    now = networks.snapshot(call.model)
    if now == before:
        return "exact"
    if looks(call.model) == wanted:
        return "complete"
    assert name in _LEFT_TO_RESTORE, "neither as before nor complete"
    if now == call.dense:
        return "restored"
    with pytest.raises(npr.NetworkPruneError, match=r"layer '0' is pruned"):
        npr.prune_neurons(call.model, p_prune=0.5)
    return "restorable"


def check(name, wanted, disturb, *, settled):
    """Disturb a call; return what became of its network, which then works and can be restored.

    Args:
        settled: whether it is so at once, or after a call of ours on another network.
    """
    call = build(name)
    before, modes = networks.snapshot(call.model), thread_modes()
    disturb(call.run)
    if settled:
        assert thread_modes() == modes
    else:
        npr.rank(_ANOTHER, p_prune=0.5)
    found = became(name, call, before, wanted)
    if found == "restorable" or networks.masked_tensors(call.model) or "Redrawer." in name:
        call.restore()
        assert networks.snapshot(call.model) == call.dense
    plain = networks.snapshot(call.model)
    npr.prune_neurons(call.model, p_prune=0.5).restore()
    assert networks.snapshot(call.model) == plain
    return found


def points(name, most):
    """Return up to so many numbers of lines, of those that change networks, each once, or all."""
    if most is None:
        return range(1, len(lines(name)) + 1)
    first = {line: number for number, line in reversed(list(enumerate(lines(name), 1)))}
    chosen = sorted(
        number
        for (code, _), number in first.items()
        if any(part in code.co_filename for part in _CHANGING)
    )
    return chosen[:: -(-len(chosen) // most)]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("most", [8, pytest.param(None, marks=pytest.mark.slow)])
def test_a_call_interrupted_at_any_line_leaves_the_network_exact_or_complete(name, most, capsys):
    wanted, found = after(name), Counter()
    for point in points(name, most):
        found[check(name, wanted, lambda run, p=point: interrupt(run, p), settled=True)] += 1
    with capsys.disabled():
        print(f"\n{name}: {dict(found)}", end="") if most is None else None


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("most", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_second_interruption_while_the_first_is_undone_is_settled_by_the_next_call(
    name, most, capsys
):
    wanted, found = after(name), Counter()
    later = (1, 6) if most == 3 else range(1, 30)
    for first in points(name, most):
        for second in later:
            disturb = lambda run, p=(first, second): interrupt(run, *p)  # noqa: E731
            found[check(name, wanted, disturb, settled=False)] += 1
    with capsys.disabled():
        print(f"\n{name}: {dict(found)}", end="") if most != 3 else None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timers of signals")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("times", [3, pytest.param(600, marks=pytest.mark.slow)])
def test_a_signal_at_any_moment_leaves_the_network_exact_or_complete(name, times, capsys):
    wanted, found = after(name), Counter()
    chance = random.Random(0)
    seconds = interrupt_after(build(name).run, 60.0)
    for _ in range(times):
        moment = chance.uniform(1e-6, seconds)
        disturb = lambda run, moment=moment: interrupt_after(run, moment)  # noqa: E731
        found[check(name, wanted, disturb, settled=True)] += 1
    with capsys.disabled():
        print(f"\n{name}: {dict(found)}", end="") if times > 3 else None


def test_an_interruption_on_the_first_line_of_leaving_a_with_block_leaves_the_masks_to_restore():
    disturb = lambda run: interrupt_in(run, npr.Pruned.__exit__.__code__)  # noqa: E731
    assert check("with block", after("with block"), disturb, settled=True) == "restorable"


# --- what the network's own code raises -----------------------------------------------------


def fail_in_hook(model, error):
    def fail(*_):
        raise error

    model[3].register_forward_hook(fail)


def fail_in_pre_hook(model, error):
    def fail(*_):
        raise error

    model[3].register_forward_pre_hook(fail)


def fail_in_train(model, error):
    def fail(mode=True):
        raise error

    model[4].train = fail


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("fail", [fail_in_hook, fail_in_pre_hook, fail_in_train])
@pytest.mark.parametrize(
    "name", ["Diversified", "BackwardOnly", "Ensemble", "rank by loss", "evaluate itself"]
)
def test_what_the_networks_own_code_raises_leaves_it_exact(name, fail, error):
    call = build(name)
    fail(call.model, error)
    before, modes = networks.snapshot(call.model), thread_modes()
    if fail is fail_in_train and not call.model.training:
        call.run()
    else:
        with pytest.raises((error, npr.NetworkPruneError)):
            call.run()
    assert networks.snapshot(call.model) == before
    assert thread_modes() == modes


def test_modes_are_back_though_a_module_refuses_to_train():
    model = network().train()

    def refuse(mode=True):
        if mode:
            raise ValueError("no more training")
        return nn.Module.train(model[4], mode)

    model[4].train = refuse
    model.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="no more training"):
        npr.evaluate(model, DATA, progress=False)
    assert all(module.training for module in model.modules())
    npr.rank(model, p_prune=0.5)


# --- threads --------------------------------------------------------------------------------


def in_thread(work):
    """Run in another thread, which must come to an end."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.parametrize("kind", [npr.Diversified, npr.BackwardOnly])
def test_no_turn_is_kept_that_other_threads_wait_for(kind):
    model = network().eval()
    prunable = npr.rank(model, p_prune=0.5)
    surrogate, other = (kind(model, prunable, p_bern=0.5) for _ in range(2))
    for first in points("Diversified", 5):
        for second in (1, 2, 5):
            interrupt(lambda: surrogate(X), first, second)
            thread, results = in_thread(lambda: other(X))
            thread.join(20)
            assert results


def test_what_another_thread_is_at_isnt_taken_for_unfinished():
    model = network().eval()
    surrogate = npr.Diversified(model, npr.rank(model, p_prune=1.0), p_bern=1.0)
    reached, go_on = threading.Event(), threading.Event()

    def wait(*_):
        reached.set()
        go_on.wait(20)

    handle = model[0].register_forward_pre_hook(wait)
    thread, results = in_thread(lambda: surrogate(X))
    assert reached.wait(20)
    npr.rank(network(), p_prune=0.5)
    with pytest.raises(RuntimeError, match="in the loop"):
        surrogate_fails(network().eval())
    go_on.set()
    thread.join(20)
    handle.remove()
    assert torch.equal(results[0], surrogate(X))


def surrogate_fails(model):
    def fail(*_):
        raise RuntimeError("in the loop")

    model.register_forward_pre_hook(fail)
    npr.Diversified(model, npr.rank(model, p_prune=0.5), p_bern=0.5)(X)
