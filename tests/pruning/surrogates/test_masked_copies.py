"""Masked copies on the CPU: the bits of masks put on one by one, in memory that nobody sees."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import network_prune as npr
from network_prune.core.elements import ElementSet, word_count
from network_prune.core.layers import Granularity, Layer
from network_prune.pruning.drawing import Drawer
from network_prune.pruning.surrogates import bit_masks, masked_copies
from network_prune.pruning.surrogates.masked_copies import MaskedCopies, can_copy
from tests import oracle
from tests.networks import build, inputs

DTYPES = {torch.float16: np.int16, torch.float32: np.int32, torch.float64: np.int64}


def frozen(name="plain"):
    return build(name).eval().requires_grad_(False)


def wrap(model, granularity="weight", **options):
    prunable = npr.rank(model, granularity, p_prune=0.5)
    return npr.Diversified(model, prunable, **{"p_bern": 0.5, "seed": 3, **options})


def seen_by(surrogate):
    """Return a list that every forward appends its first convolution's weight to."""
    seen = []
    layer = next(m for m in surrogate.model.modules() if isinstance(m, nn.Conv2d))
    layer.register_forward_pre_hook(lambda module, _: seen.append(module.weight))
    return seen


# --- bits ---------------------------------------------------------------------------------


@st.composite
def weights(draw):
    shape = draw(st.lists(st.integers(1, 9), max_size=4))
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    special = draw(st.lists(st.sampled_from([-0.0, math.inf, -math.inf, math.nan]), max_size=5))
    values.flat[: len(special)] = special[: values.size]
    weight = torch.from_numpy(values).to(draw(st.sampled_from(list(DTYPES))))
    if weight.dim() == 4 and draw(st.booleans()):
        weight = weight.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(weight, requires_grad=False)


@given(
    st.lists(weights(), min_size=1, max_size=4),
    st.sampled_from(list(Granularity)),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.sampled_from([1, 8, 64, 1 << 16]),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_copies_have_the_bits_that_masks_by_hand_give(
    found, granularity, transposed, p_bern, block, threads
):
    """Every element in turn, in blocks of any size, on one thread and on several."""
    layers = tuple(
        Layer(str(n), tuple(weight.shape), transposed=transposed and weight.dim() > 1)
        for n, weight in enumerate(found)
    )
    counts = [word_count(layer.element_count(granularity)) for layer in layers]
    empty = ElementSet(granularity, layers, np.zeros(sum(counts), np.uint64))
    drawn = Drawer(empty.all(), p_bern=p_bern, seed=5).draw(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bit_masks, "_BLOCK", block)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        copies = MaskedCopies().copy(dict(enumerate(found)), drawn)
    for place, (layer, weight) in enumerate(zip(layers, found, strict=True)):
        is_pruned = drawn.draw.pruned(layer.name).reshape(-1).tolist()
        part = oracle.Part(weight, layer.transposed, layer.groups)
        keep = oracle.mask(part, granularity.value, is_pruned)
        bits = weight.numpy().view(DTYPES[weight.dtype])
        assert copies[place].stride() == weight.stride()
        assert copies[place].dtype == weight.dtype
        assert np.array_equal(copies[place].numpy().view(bits.dtype), np.where(keep, bits, 0))


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_frozen_network_computes_what_one_that_trains_does(granularity, memory_format):
    """The latter's masks are put on by PyTorch, under autograd."""
    results = []
    for requires_grad in (False, True):
        model = frozen().requires_grad_(requires_grad).to(memory_format=memory_format)
        surrogate, x = wrap(model, granularity), inputs(model, requires_grad=True)
        y = sum(surrogate(x) for _ in range(3))
        y.square().sum().backward()
        results += [y, x.grad]
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[1], results[3])


# --- memory -------------------------------------------------------------------------------


def test_memory_is_used_again_once_nobody_looks_at_it():
    surrogate = wrap(frozen())
    seen = seen_by(surrogate)
    places = []
    for _ in range(3):
        x = inputs(surrogate.model, requires_grad=True)
        surrogate(x).sum().backward()
        places.append(seen.pop().data_ptr())
    assert len(set(places)) == 1


@pytest.mark.parametrize(
    "keep",
    [lambda w: w, lambda w: w[:1], lambda w: w.numpy(), lambda w: w.untyped_storage()],
    ids=["the weight", "a part of it", "an array", "its storage"],
)
def test_what_somebody_keeps_of_a_masked_weight_stays_as_it_is(keep):
    surrogate = wrap(frozen())
    seen = seen_by(surrogate)
    surrogate(inputs(surrogate.model))
    kept = keep(seen.pop())
    before = np.asarray(kept).tobytes()
    for _ in range(3):
        surrogate(inputs(surrogate.model))
        seen.pop()
    assert np.asarray(kept).tobytes() == before


def test_a_backward_of_several_forwards_sees_each_under_its_own_draw():
    surrogate = wrap(frozen())
    x = inputs(surrogate.model, requires_grad=True)
    sum(surrogate(x).square().sum() for _ in range(3)).backward()
    joint, x.grad = x.grad, None
    for index in range(3):
        with surrogate.frozen(index):
            surrogate(x).square().sum().backward()
    torch.testing.assert_close(x.grad, joint)


def test_changed_weights_are_seen_by_the_next_forward():
    surrogate = wrap(frozen())
    x = inputs(surrogate.model)
    with surrogate.frozen(0):
        before = surrogate(x)
        with torch.no_grad():
            for parameter in surrogate.model.parameters():
                parameter.mul_(0.5)
        after = surrogate(x)
        surrogate.model.to(memory_format=torch.channels_last)
        assert not torch.equal(after, before)
        torch.testing.assert_close(surrogate(x), after)


def test_forwards_in_and_out_of_inference_mode_take_turns():
    surrogate = wrap(frozen(), "connection")
    x = inputs(surrogate.model)
    results = []
    for is_on in (True, False, True, False):
        with torch.inference_mode(is_on), surrogate.frozen(0):
            results.append(surrogate(x).clone())
    assert all(torch.equal(result, results[0]) for result in results)


def test_what_fills_memory_on_after_an_interruption_reaches_no_later_copy(monkeypatch):
    """Threads may: a second Ctrl-C ends the wait for them."""
    surrogate = wrap(frozen())
    seen = seen_by(surrogate)
    surrogate(inputs(surrogate.model))
    place = seen.pop().data_ptr()
    filled = []

    def interrupted(maskings, granularity):
        filled.extend(masking.target for masking in maskings)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(masked_copies, "mask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            surrogate(inputs(surrogate.model))
    assert filled[0].data_ptr() == place
    surrogate(inputs(surrogate.model))
    assert seen.pop().data_ptr() not in {target.data_ptr() for target in filled}


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(bit_masks, "_BLOCK", 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.mark.usefixtures("two_threads")
def test_where_no_thread_starts_any_more_one_does_it_all(monkeypatch):
    """So it is in a thread that goes on when the main one has ended."""

    def refused(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    model = frozen()
    surrogate, x = wrap(model), inputs(model)
    with surrogate.frozen(0):
        expected = surrogate(x)
        monkeypatch.setattr(bit_masks, "start_new_thread", refused)
        assert torch.equal(surrogate(x), expected)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("is_main", [True, False], ids=["main", "another"])
def test_what_fails_in_any_thread_is_raised(is_main, monkeypatch):
    mask_by_blocks = bit_masks._mask_by_blocks
    begun = threading.Barrier(2)

    def fails(masking):
        begun.wait(10)  # each thread has one
        if (threading.current_thread() is threading.main_thread()) == is_main:
            raise IndexError("out of range")
        mask_by_blocks(masking)

    monkeypatch.setattr(bit_masks, "_mask_by_blocks", fails)
    surrogate = wrap(frozen())
    with pytest.raises(IndexError, match="out of range"):
        surrogate(inputs(surrogate.model))


def test_a_copy_has_memory_of_its_own():
    surrogate = wrap(frozen())
    x = inputs(surrogate.model)
    surrogate(x)
    for twin in (copy.deepcopy(surrogate), pickle.loads(pickle.dumps(surrogate))):
        with surrogate.frozen(0), twin.frozen(0):
            assert torch.equal(twin(x), surrogate(x))


# --- where it isn't done --------------------------------------------------------------------


def test_derivatives_by_torch_func_are_those_of_a_backward():
    surrogate = wrap(frozen())
    x = inputs(surrogate.model, requires_grad=True)
    with surrogate.frozen(0):
        surrogate(x).square().sum().backward()
        assert torch.equal(grad(lambda x: surrogate(x).square().sum())(x.detach()), x.grad)
        each = vmap(grad(lambda x: surrogate(x[None]).square().sum()))(x.detach())
        torch.testing.assert_close(each, x.grad)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "trace",
    [
        make_fx,
        lambda call: make_fx(call, tracing_mode="fake", _allow_non_fake_inputs=True),
        lambda call: lambda x: torch.jit.trace(call, x, check_trace=False),
    ],
    ids=["make_fx", "make_fx of fake tensors", "torch.jit"],
)
def test_what_is_traced_computes_the_draw_that_it_was_traced_under(trace):
    """A tracer doesn't see what NumPy writes."""
    surrogate = wrap(frozen())
    x = inputs(surrogate.model)
    with surrogate.frozen(0):
        traced = trace(surrogate)(x)
        expected = surrogate(x)
    surrogate(x)
    torch.testing.assert_close(traced(x), expected)


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(3),
        nn.Parameter(torch.zeros(3, device="meta")),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(3, dtype=torch.complex64), requires_grad=False),
        nn.Parameter(torch.zeros(3, dtype=torch.float8_e5m2), requires_grad=False),
    ],
    ids=["no Parameter", "no memory", "gradients wanted", "complex", "eight bits"],
)
def test_what_has_no_plain_bits_to_work_on_is_masked_by_pytorch(weight):
    assert not can_copy(weight)


def test_a_weight_that_wants_gradients_can_be_copied_where_none_are_made():
    with torch.no_grad():
        assert can_copy(nn.Parameter(torch.zeros(3)))
