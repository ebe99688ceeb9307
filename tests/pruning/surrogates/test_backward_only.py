"""BackwardOnly: full outputs, and the masked weight in the gradient of each layer's input."""

import copy

import pytest
import torch
import torch.utils.checkpoint
from torch import nn
from torch.func import grad, jacrev, jvp, vmap

import network_prune as npr
from tests.networks import AWKWARD, build, inputs, snapshot, weight_of
from tests.pruning.surrogates.test_diversified import LAYERS, Checkpointed


def wrap(model, granularity="weight", *, layers=(nn.Conv2d,), **options):
    prunable = npr.rank(model, granularity, p_prune=0.6, layers=layers)
    return npr.BackwardOnly(model, prunable, **{"p_bern": 0.5, "seed": 3, **options})


def masked(model, draw, name):
    weight = weight_of(model, name).detach()
    return torch.where(draw.mask(name), weight, 0.0)


def test_two_linear_maps_by_hand():
    """y = W2 relu(W1 x): the gradient of x is M1' (relu' · M2' g), with M the masked W."""
    first = nn.Linear(3, 2, bias=False)
    second = nn.Linear(2, 1, bias=False)
    model = nn.Sequential(first, nn.ReLU(), second)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -0.1, 2.0], [0.2, 3.0, -1.0]]))
        second.weight.copy_(torch.tensor([[0.3, 4.0]]))
    prunable = npr.rank(model, p_prune=0.4, layers=[nn.Linear])
    surrogate = npr.BackwardOnly(model, prunable, p_bern=1.0)
    x = torch.tensor([[1.0, 1.0, 1.0]], requires_grad=True)
    y = surrogate(x)
    assert y.item() == pytest.approx(0.3 * 2.9 + 4 * 2.2)
    y.backward()
    # -0.1, 0.2 and 0.3 are masked, the lowest 3 of 8: only the second unit passes gradients on.
    assert x.grad.tolist() == [[0.0, 12.0, -4.0]]
    assert second.weight.grad.tolist() == [[pytest.approx(2.9), pytest.approx(2.2)]]
    assert first.weight.grad.tolist() == [[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]]


class BackwardByHand(torch.autograd.Function):
    """A convolution whose input gradient is that of another weight."""

    @staticmethod
    def forward(ctx, x, weight, other, bias, stride, padding, groups):
        ctx.save_for_backward(x, weight, other)
        ctx.options = stride, padding, (1, 1), False, (0, 0), groups
        return torch.nn.functional.conv2d(x, weight, bias, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx, grad):
        x, weight, other = ctx.saved_tensors
        back = torch.ops.aten.convolution_backward
        wanted = [True, True, ctx.needs_input_grad[3]]
        one = back(grad, x, other, [len(weight)], *ctx.options, wanted)
        return one[0], one[1], None, one[2], None, None, None


def by_hand(model, draw):
    """Return a copy of a network of convolutions with the backward written out."""
    twin = copy.deepcopy(model)
    for name in (layer.name for layer in draw.layers):
        layer = twin.get_submodule(name)
        other = masked(model, draw, name)

        def forward(x, layer=layer, other=other):
            options = layer.stride, layer.padding, layer.groups
            return BackwardByHand.apply(x, layer.weight, other, layer.bias, *options)

        layer.forward = forward
    return twin


CONVOLUTIONAL = [name for name in AWKWARD if name not in ("attention", "tied", "shared storage")]


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_outputs_are_full_and_gradients_those_written_out(name, granularity):
    model = build(name).eval()
    surrogate = wrap(model, granularity)
    before = snapshot(model)
    for index in range(2):
        x, twin = inputs(model, requires_grad=True), inputs(model, requires_grad=True)
        y = surrogate(x)
        assert surrogate.index == index
        assert torch.equal(y, model(inputs(model)))
        y.float().square().sum().backward(inputs=[x])
        by_hand(model, surrogate.draw)(twin).float().square().sum().backward(inputs=[twin])
        torch.testing.assert_close(x.grad, twin.grad)
    assert snapshot(model) == before


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_gradients_of_weights_are_those_written_out(granularity):
    model = build("plain").eval()
    surrogate = wrap(model, granularity)
    surrogate(inputs(requires_grad=True)).square().sum().backward()
    twin = by_hand(model, surrogate.draw)
    twin.zero_grad()
    twin(inputs(requires_grad=True)).square().sum().backward()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("name", ["tied", "shared storage"])
def test_a_shared_weight_is_masked_wherever_it_is_used(name):
    model = build(name).eval()
    surrogate = wrap(model, p_bern=1.0)
    x, twin = inputs(requires_grad=True), inputs(requires_grad=True)
    surrogate(x).square().sum().backward(inputs=[x])
    other = by_hand(model, surrogate.draw)
    weight = masked(model, surrogate.draw, "first")
    layer = other.second
    layer.forward = lambda x: BackwardByHand.apply(
        x, layer.weight, weight, layer.bias, layer.stride, layer.padding, 1
    )
    other(twin).square().sum().backward(inputs=[twin])
    torch.testing.assert_close(x.grad, twin.grad)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize(
    "derive",
    [
        lambda f, x: grad(f)(x),
        lambda f, x: vmap(grad(f))(x[:, None]),
        lambda f, x: jvp(f, (x,), (x,)),
        lambda f, x: jacrev(f)(x),
    ],
)
def test_derivatives_by_torch_func_are_refused_in_one_line(derive):
    surrogate = wrap(build("plain").eval())
    with pytest.raises(npr.NetworkPruneError, match=r"^BackwardOnly .*; call backward\(\) .*\Z"):
        derive(lambda x: surrogate(x).sum(), inputs())


def test_gradients_through_vmap_are_those_without_it():
    model = build("plain").eval()
    x, twin = inputs(requires_grad=True), inputs(requires_grad=True)
    wrap(model)(x).square().sum().backward()
    vmap(wrap(model))(twin[:, None]).square().sum().backward()
    torch.testing.assert_close(twin.grad, x.grad)


def test_weights_are_known_by_identity_not_by_shape():
    """Two layers of one shape, of which one is ranked."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)).eval()
    prunable = npr.rank(model, p_prune=1.0, include=["0"])
    x = inputs(requires_grad=True)
    seen = []
    model[1].register_full_backward_hook(lambda m, given, taken: seen.append(given[0]))
    npr.BackwardOnly(model, prunable, p_bern=1.0)(x).sum().backward()
    assert not x.grad.any()
    assert seen[0].any()


def test_attention_by_the_sum_of_its_linear_parts():
    """With all projections pruned no gradient passes the attention, and outputs are full."""
    model = build("attention").eval()
    prunable = npr.rank(model, p_prune=1.0, layers=LAYERS["attention"], include=["attention*"])
    x = inputs(requires_grad=True)
    surrogate = npr.BackwardOnly(model, prunable, p_bern=1.0)
    y = surrogate(x)
    torch.testing.assert_close(y, model(inputs()))
    y.sum().backward()
    assert not x.grad.any()
    with surrogate.frozen(0):
        npr.BackwardOnly(model, prunable, p_bern=0.0)(x).sum().backward()
    assert x.grad.any()


def test_a_joint_backward_uses_each_forwards_own_draw():
    surrogate = wrap(build("plain").eval())
    x = inputs(requires_grad=True)
    (surrogate(x).sum() + surrogate(x).square().sum()).backward()
    joint, x.grad = x.grad, None
    with surrogate.frozen(0):
        surrogate(x).sum().backward()
    with surrogate.frozen(1):
        surrogate(x).square().sum().backward()
    torch.testing.assert_close(joint, x.grad)


def test_a_gradient_of_the_gradient_reaches_the_weights_that_were_kept():
    model = nn.Conv2d(1, 1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    x = torch.ones(1, 1, 1, 1, requires_grad=True)
    for p_bern, expected in ((0.0, 4.0), (1.0, 0.0)):
        model.weight.grad = None
        surrogate = npr.BackwardOnly(model, npr.rank(model, p_prune=1.0), p_bern=p_bern)
        (grad,) = torch.autograd.grad(surrogate(x).sum(), x, create_graph=True)
        grad.square().sum().backward()
        assert model.weight.grad.item() == expected  # d(w²)/dw = 2w


def test_dropout_masks_any_weight():
    model = nn.Conv2d(1, 200, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.arange(1.0, 201.0).reshape(200, 1, 1, 1))
    prunable = npr.rank(model, p_prune=0.5)
    surrogate = npr.BackwardOnly(model, prunable, p_bern=1.0, mode="dropout")
    x = torch.ones(1, 1, 1, 1, requires_grad=True)
    surrogate(x).sum().backward()
    kept = surrogate.draw.mask("").flatten()
    assert x.grad.item() == torch.arange(1.0, 201.0)[kept].sum().item()
    assert kept[:100].any()
    assert not kept[100:].all()


def test_modifying_a_kept_tensor_before_the_backward_is_refused():
    model = build("plain").eval()
    surrogate = wrap(model)
    y = surrogate(inputs(requires_grad=True)).sum()
    with torch.no_grad():
        model[3].weight.mul_(2.0)
    with pytest.raises(npr.NetworkPruneError, match=r"shape \[6, 8, 3, 3\] .* modified in place"):
        y.backward()


def test_autocast_is_refused():
    surrogate = wrap(build("plain").eval())
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(npr.NetworkPruneError, match="turn autocast off"),
    ):
        surrogate(inputs(requires_grad=True))


def test_compiling_is_refused():
    with pytest.raises(npr.NetworkPruneError, match="leave compile out"):
        wrap(build("plain")).compile()


def test_checkpointing_is_refused():
    surrogate = wrap(Checkpointed(use_reentrant=False))
    with pytest.raises(npr.NetworkPruneError, match="checkpointing would compute a forward again"):
        surrogate(inputs(requires_grad=True))
