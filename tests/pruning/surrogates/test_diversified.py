"""Diversified: the network under a fresh draw each time, its Parameters never written."""

import copy
import pickle
import threading

import pytest
import timm
import torch
import torch.utils.checkpoint
from torch import nn

import network_prune as npr
from tests.networks import AWKWARD, build, inputs, snapshot, zeroed_by_hand

LAYERS = {"attention": (nn.Conv2d, nn.Linear), "grouped": (nn.Conv2d, nn.ConvTranspose2d)}


def wrap(model, granularity="weight", *, layers=(nn.Conv2d,), p_prune=0.5, **options):
    prunable = npr.rank(model, granularity, p_prune=p_prune, layers=layers)
    return npr.Diversified(model, prunable, **{"p_bern": 0.5, "seed": 3, **options})


def convolutions():
    return build("plain").eval()


# --- what it computes ---------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", AWKWARD)
def test_outputs_and_gradients_are_those_of_zeros_by_hand(name, granularity):
    model = build(name)
    layers = LAYERS.get(name, (nn.Conv2d,))
    surrogate = wrap(model, granularity, layers=layers)
    before = snapshot(model.eval())
    for index in range(3):
        x, twin = inputs(model, requires_grad=True), inputs(model, requires_grad=True)
        y = surrogate(x)
        assert surrogate.index == index
        y.float().square().sum().backward(inputs=[x])
        hand = zeroed_by_hand(lambda: build(name).eval(), surrogate.draw)
        expected = hand(twin)
        expected.float().square().sum().backward(inputs=[twin])
        torch.testing.assert_close(y, expected, rtol=0, atol=0)
        torch.testing.assert_close(x.grad, twin.grad, rtol=0, atol=0)
    assert snapshot(model) == before


def test_the_draws_are_those_that_the_prunable_set_names():
    surrogate = wrap(convolutions(), "connection")
    surrogate(inputs())
    surrogate(inputs())
    assert surrogate.draw == surrogate.prunable.draw(p_bern=0.5, seed=3, index=1)


def test_a_joint_backward_is_the_sum_of_separate_ones():
    model = convolutions()
    surrogate = wrap(model)
    x = inputs(requires_grad=True)
    sum(surrogate(x).square().sum() for _ in range(3)).backward()
    joint = [x.grad.clone(), *(p.grad.clone() for p in model.parameters())]
    x.grad = None
    model.zero_grad()
    for index in range(3):
        with surrogate.frozen(index):
            surrogate(x).square().sum().backward()
    separate = [x.grad, *(p.grad for p in model.parameters())]
    for one, other in zip(joint, separate, strict=True):
        torch.testing.assert_close(one, other)


def test_weights_get_gradients_only_where_they_were_kept():
    model = convolutions()
    surrogate = wrap(model, "neuron")
    surrogate(inputs()).sum().backward()
    for layer in surrogate.draw.layers:
        grad = model.get_submodule(layer.name).weight.grad
        assert not grad[~surrogate.draw.mask(layer.name)].any()
        assert grad[surrogate.draw.mask(layer.name)].any()


def test_an_optimizer_that_steps_between_draws_trains_the_full_weights():
    model = convolutions()
    surrogate = wrap(model)
    optimizer = torch.optim.SGD(surrogate.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = surrogate(inputs()).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_masked_weights_lose_nan_and_negative_zero():
    model = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([-1.0, 5.0]).reshape(2, 1, 1, 1))
    surrogate = wrap(model, p_bern=1.0)
    with torch.no_grad():
        model.weight[0] = float("nan")
    y = surrogate(torch.ones(1, 1, 1, 1))
    assert y.flatten().tolist() == [0.0, 5.0]


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_on_channels_last_the_weights_stay_so(granularity):
    model = convolutions().to(memory_format=torch.channels_last)
    seen = []
    model[3].register_forward_pre_hook(lambda m, _: seen.append(m.weight.stride()))
    wrap(model, granularity)(inputs())
    assert seen == [model[3].weight.stride()]


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_the_real_network_computes_what_it_does_under_masks(squeezenet, granularity):
    surrogate = wrap(squeezenet, granularity, p_prune=0.7)
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = surrogate(x)
        with npr.prune(squeezenet, surrogate.prunable, p_bern=0.5, seed=3, index=0):
            expected = squeezenet(x)
        assert torch.equal(found, expected)
        assert not torch.equal(found, squeezenet(x))


# --- which draw -----------------------------------------------------------------------------


def test_every_start_and_step_choose_the_draws():
    surrogate = wrap(convolutions(), every=2, start=5, step=3)
    found = []
    for _ in range(6):
        surrogate(inputs())
        found.append(surrogate.index)
    assert found == [5, 5, 8, 8, 11, 11]


def test_indices_wrap_around_at_2_to_64():
    surrogate = wrap(convolutions(), start=2**64 - 1)
    surrogate(inputs())
    surrogate(inputs())
    assert surrogate.index == 0


def test_frozen_fixes_a_draw_and_isnt_counted():
    surrogate = wrap(convolutions())
    with surrogate.frozen(7) as same:
        assert same is surrogate
        one, other = surrogate(inputs()), surrogate(inputs())
        with surrogate.frozen(2):
            surrogate(inputs())
            assert surrogate.index == 2
        surrogate(inputs())
        assert surrogate.index == 7
    assert torch.equal(one, other)
    surrogate(inputs())
    assert surrogate.index == 0


def test_frozen_without_an_index_stays_at_the_last_draw_or_the_first_to_come():
    surrogate = wrap(convolutions(), start=4)
    with surrogate.frozen():
        first = surrogate(inputs())
    assert surrogate.index == 4
    assert torch.equal(surrogate(inputs()), first)
    surrogate(inputs())
    with surrogate.frozen():
        surrogate(inputs())
        assert surrogate.index == 5


def test_frozen_ends_with_an_exception():
    surrogate = wrap(convolutions())
    with pytest.raises(ZeroDivisionError), surrogate.frozen(9):
        raise ZeroDivisionError
    surrogate(inputs())
    assert surrogate.index == 0


def test_train_and_eval_change_nothing_about_drawing():
    surrogate = wrap(build("grouped"))
    outputs = []
    for mode in (True, False):
        surrogate.train(mode)
        with surrogate.frozen(1):
            outputs.append(surrogate(inputs()))
    assert torch.equal(*outputs)


def test_no_global_random_generator_is_read():
    surrogate = wrap(convolutions(), mode="dropout")
    state = torch.get_rng_state()
    surrogate(inputs())
    assert torch.equal(torch.get_rng_state(), state)


# --- dropout, the baseline ----------------------------------------------------------------


def test_dropout_prunes_any_weight_at_the_same_expected_ratio():
    model = nn.Conv2d(32, 64, 3)
    surrogate = wrap(model, p_prune=0.4, mode="dropout")
    rates = torch.zeros(model.weight.shape)
    draws = 400
    for index in range(draws):
        with surrogate.frozen(index):
            surrogate(torch.zeros(1, 32, 3, 3))
        rates += ~surrogate.draw.mask("") / draws
    assert surrogate.draw.p_bern == pytest.approx(0.2, abs=1e-4)
    assert rates.mean().item() == pytest.approx(0.2, abs=5 * (0.16 / rates.numel() / draws) ** 0.5)
    assert rates.min() > 0.2 - 6 * 0.02
    assert rates.max() < 0.2 + 6 * 0.02
    prunable = surrogate.prunable.prunable("")
    assert rates[prunable].mean().item() == pytest.approx(rates[~prunable].mean().item(), abs=0.002)


def test_dropout_rescales_what_stays():
    model = nn.Conv2d(4, 4, 1, bias=False)
    plain = wrap(model, mode="dropout")
    rescaled = wrap(model, mode="dropout", rescale=True)
    x = torch.randn(1, 4, 2, 2)
    torch.testing.assert_close(rescaled(x), plain(x) / (1 - 0.25))


# --- copies, state, threads, processes ----------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "tied", "shared storage", "attention"])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_draws_on_by_itself(name, duplicate):
    surrogate = wrap(build(name).eval())
    surrogate(inputs())
    twin = duplicate(surrogate)
    assert torch.equal(twin(inputs()), surrogate(inputs()))
    assert twin.index == surrogate.index == 1
    with torch.no_grad():
        for parameter in twin.model.parameters():
            parameter.zero_()
    assert surrogate(inputs()).any()


def test_parameters_move_with_the_module():
    surrogate = wrap(convolutions()).double()
    assert surrogate(inputs().double()).dtype == torch.float64


def test_threads_on_one_network_wait_for_each_other():
    model = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(4))).eval()
    one, other = wrap(model, p_bern=1.0), wrap(model, "neuron", p_bern=1.0)
    expected = {surrogate: surrogate(inputs()) for surrogate in (one, other)}
    wrong = []

    def work(surrogate):
        for _ in range(50):
            if not torch.equal(surrogate(inputs()), expected[surrogate]):
                wrong.append(surrogate)

    threads = [threading.Thread(target=work, args=(s,)) for s in (one, other, one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_after_an_exception_inside_the_parameters_are_back(interruption):
    model = convolutions()
    surrogate = wrap(model)

    def fail(module, args):
        raise interruption

    handle = model[3].register_forward_pre_hook(fail)
    before = snapshot(model)
    with pytest.raises(interruption):
        surrogate(inputs())
    assert snapshot(model) == before
    handle.remove()
    surrogate(inputs())
    assert surrogate.index == 1


# --- compiled -----------------------------------------------------------------------------

# Dynamo looks at the .grad of its inputs and hides the warning, which an error filter undoes.
hidden = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


@hidden
@pytest.mark.parametrize("name", ["plain", "frozen", "tied", "attention"])
def test_one_compilation_serves_all_draws(name):
    layers = LAYERS.get(name, (nn.Conv2d,))
    surrogate = wrap(build(name).eval(), layers=layers)
    # Importing it takes longer than most files of tests.
    from torch._dynamo.testing import CompileCounterWithBackend

    counter = CompileCounterWithBackend("aot_eager")
    eager = copy.deepcopy(surrogate)
    surrogate.compile(backend=counter)
    for _ in range(5):
        x, twin = inputs(requires_grad=True), inputs(requires_grad=True)
        y, expected = surrogate(x), eager(twin)
        torch.testing.assert_close(y, expected)
        y.sum().backward(inputs=[x])
        expected.sum().backward(inputs=[twin])
        torch.testing.assert_close(x.grad, twin.grad)
    assert counter.frame_count == 1


@hidden
def test_compiling_from_outside_leaves_drawing_alone():
    surrogate = wrap(convolutions())
    expected = [copy.deepcopy(surrogate)(inputs())]
    compiled = torch.compile(surrogate, backend="aot_eager")
    torch.testing.assert_close(compiled(inputs()), expected[0])
    assert surrogate.index == 0


@hidden
def test_a_compiled_one_can_be_copied():
    surrogate = wrap(convolutions())
    surrogate.compile(backend="aot_eager")
    twin = pickle.loads(pickle.dumps(copy.deepcopy(surrogate)))
    torch.testing.assert_close(twin(inputs()), surrogate(inputs()))


# --- refused ------------------------------------------------------------------------------


class Checkpointed(nn.Module):
    """Computes its middle again in the backward."""

    def __init__(self, use_reentrant):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3)
        self.middle = nn.Conv2d(4, 4, 3)
        self.use_reentrant = use_reentrant

    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(
            self.middle, self.first(x), use_reentrant=self.use_reentrant
        )


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_inside_is_refused(use_reentrant):
    model = Checkpointed(use_reentrant)
    surrogate = wrap(model)
    before = snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="checkpointing would compute a forward again"):
        surrogate(inputs(requires_grad=True))
    assert snapshot(model) == before


def test_checkpointing_inside_without_gradients_is_right():
    surrogate = wrap(Checkpointed(use_reentrant=False))
    with torch.no_grad():
        y = surrogate(inputs())
    hand = zeroed_by_hand(lambda: copy.deepcopy(surrogate.model), surrogate.draw)
    assert torch.equal(y, hand.middle(hand.first(inputs())))


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_around_is_refused(use_reentrant):
    surrogate = wrap(convolutions())
    with pytest.raises(npr.NetworkPruneError, match="turn it off in the network"):
        torch.utils.checkpoint.checkpoint(
            surrogate, inputs(requires_grad=True), use_reentrant=use_reentrant
        )


def test_timms_checkpointing_is_refused_until_it_is_off():
    model = timm.create_model("resnet10t", num_classes=3)
    surrogate = wrap(model.train())
    x = torch.randn(2, 3, 32, 32, requires_grad=True)
    model.set_grad_checkpointing(True)
    with pytest.raises(npr.NetworkPruneError, match=r"set_grad_checkpointing\(False\)"):
        surrogate(x)
    model.set_grad_checkpointing(False)
    surrogate(x).sum().backward()
    assert x.grad.any()


@hidden
def test_checkpointing_inside_is_right_when_compiled():
    model = Checkpointed(use_reentrant=False)
    surrogate = wrap(model)
    x, twin = inputs(requires_grad=True), inputs(requires_grad=True)
    surrogate.compile(backend="aot_eager")
    surrogate(x).square().sum().backward()

    def build():
        return copy.deepcopy(model)

    hand = zeroed_by_hand(build, surrogate.draw)
    hand.middle(hand.first(twin)).square().sum().backward()
    torch.testing.assert_close(x.grad, twin.grad)


def test_a_pruned_network_is_refused():
    model = convolutions()
    prunable = npr.rank(model, p_prune=0.5)
    npr.prune(model, prunable)
    with pytest.raises(npr.NetworkPruneError, match="layer '0' is pruned already"):
        npr.Diversified(model, prunable, p_bern=0.5)


def test_a_network_that_is_pruned_meanwhile_is_refused():
    surrogate = wrap(convolutions())
    npr.prune(surrogate.model, surrogate.prunable)
    with pytest.raises(npr.NetworkPruneError, match="weight of layer '0' was pruned, exchanged"):
        surrogate(inputs())
    npr.restore(surrogate.model)
    redrawer = npr.Redrawer(surrogate.model, surrogate.prunable, p_bern=0.5)
    redrawer.redraw()
    with pytest.raises(npr.NetworkPruneError, match="weight of layer '0' was pruned, exchanged"):
        surrogate(inputs())
    redrawer.restore()
    surrogate(inputs())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_bern": 1.5}, r"p_bern=1.5 is outside \[0, 1\]"),
        ({"seed": -1}, r"seed=-1 is outside"),
        ({"mode": "drop"}, "unknown mode 'drop'; did you mean dropout"),
        ({"rescale": True}, "rescale=True goes with mode='dropout'"),
        ({"rescale": True, "mode": "dropout", "p_bern": 1.0, "p_prune": 1.0}, "a ratio of 1"),
        ({"every": 0}, "every=0 would never reach another draw"),
        ({"step": 0}, "step=0 would never reach another draw"),
        ({"every": 1.5}, "every=1.5 is not an integer"),
        ({"start": -1}, "start=-1 is outside"),
    ],
)
def test_wrong_values_are_refused(options, message):
    with pytest.raises(npr.NetworkPruneError, match=message):
        wrap(convolutions(), **options)


def test_a_wrong_frozen_index_is_refused():
    surrogate = wrap(convolutions())
    with pytest.raises(npr.NetworkPruneError, match="index=-1 is outside"), surrogate.frozen(-1):
        pass


# --- a faster copy --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [npr.Diversified, npr.BackwardOnly])
@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_a_prepared_network_computes_the_same_but_for_rounding(kind, granularity):
    model = build("plain").eval()
    before = snapshot(model)
    prunable = npr.rank(model, granularity, p_prune=0.5)
    results = []
    for prepare in (False, True):
        surrogate = kind(model, prunable, p_bern=0.5, seed=3, prepare=prepare)
        x = inputs(model, requires_grad=True)
        y = surrogate(x)
        y.square().sum().backward(inputs=[x])
        results.append((surrogate, y, x.grad))
    (_, y, slope), (prepared, prepared_y, prepared_slope) = results
    torch.testing.assert_close(prepared_y, y)
    torch.testing.assert_close(prepared_slope, slope, rtol=1e-4, atol=1e-5)
    assert snapshot(model) == before
    assert prepared.model is not model
    assert not any(parameter.requires_grad for parameter in prepared.model.parameters())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in prepared.modules())


def test_a_prepared_network_keeps_the_norms_and_biases_that_are_ranked():
    model = build("plain").eval()
    everything = {"layers": (nn.BatchNorm2d, nn.Conv2d), "tensors": ("weight", "bias")}
    prunable = npr.rank(model, "weight", p_prune=0.5, **everything)
    prepared = npr.Diversified(model, prunable, p_bern=0.5, prepare=True)
    plain = npr.Diversified(model, prunable, p_bern=0.5)
    torch.testing.assert_close(prepared(inputs(model)), plain(inputs(model)))
    assert any(isinstance(m, nn.BatchNorm2d) for m in prepared.modules())


@pytest.mark.parametrize("kind", [npr.Diversified, npr.BackwardOnly])
def test_a_network_prepared_in_inference_mode_gives_gradients_behind_it(kind):
    model = build("plain").eval()
    prunable = npr.rank(model, "weight", p_prune=0.5)
    with torch.inference_mode():
        surrogate = kind(model, prunable, p_bern=0.5, prepare=True)
        surrogate(inputs(model))
    x = inputs(model, requires_grad=True)
    surrogate(x).sum().backward()
    assert x.grad is not None


def test_a_network_that_cannot_be_copied_is_computed_as_it_is():
    model = build("plain").eval()
    prunable = npr.rank(model, "weight", p_prune=0.5)
    model.register_forward_hook(lambda module, args, result: None)
    surrogate = npr.Diversified(model, prunable, p_bern=0.5, prepare=True)
    assert surrogate.model is model
