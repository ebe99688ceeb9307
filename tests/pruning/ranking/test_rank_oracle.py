"""Ranking and drawing against the slow oracle, on many small networks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import oracle

KINDS = {
    nn.Conv1d: 1,
    nn.Conv2d: 2,
    nn.Conv3d: 3,
    nn.ConvTranspose1d: 1,
    nn.ConvTranspose2d: 2,
    nn.ConvTranspose3d: 3,
}
NORMS = {
    nn.BatchNorm2d: lambda n: nn.BatchNorm2d(n),
    nn.InstanceNorm1d: lambda n: nn.InstanceNorm1d(n, affine=True),
    nn.LayerNorm: lambda n: nn.LayerNorm(n),
    nn.GroupNorm: lambda n: nn.GroupNorm(1, n),
    nn.RMSNorm: lambda n: nn.RMSNorm(n),
}
ALL = (*KINDS, nn.Linear, *NORMS)
TENSORS = [("weight",), ("weight", "bias"), ("bias", "weight")]
GRANULARITIES = ["weight", "connection", "neuron"]
SCORES = ["l1", "l2", "mean-l1", "lamp", "random", "random:7"]
VALUES = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "few": lambda rng, n: rng.choice([0.0, -0.0, 0.5, -0.5, 1.0], n),
    "zeros": lambda rng, n: rng.choice([0.0, -0.0], n),
    "denormal": lambda rng, n: rng.choice([1e-45, -3e-45, 1e-40, 0.0, -1e-39], n),
    "wide": lambda rng, n: rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-30, 4, n),
}
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
P = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, 0.3, 1e-9, 0.999999]),
    st.floats(0, 1, allow_subnormal=True),
)


def laid_out(values: torch.Tensor, layout: str) -> torch.Tensor:
    """Return the same values in another memory layout."""
    if layout == "reversed axes":
        axes = tuple(reversed(range(values.dim())))
        return values.permute(axes).contiguous().permute(axes)
    if layout == "gaps":
        wide = torch.full((2 * len(values), *values.shape[1:]), torch.nan, dtype=values.dtype)
        wide[::2] = values
        return wide[::2]
    if layout == "channels_last" and values.dim() in (4, 5):
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        return values.contiguous(memory_format=formats[values.dim()])
    return values


@st.composite
def layers(draw: st.DrawFn) -> nn.Module:
    kind = draw(st.sampled_from(ALL))
    if kind is nn.Linear:
        layer = nn.Linear(draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.booleans()))
    elif kind in NORMS:
        layer = NORMS[kind](draw(st.integers(1, 70)))
    else:
        groups = draw(st.integers(1, 3))
        depthwise = draw(st.booleans())
        ins = groups * (1 if depthwise else draw(st.integers(1, 3)))
        outs = groups * draw(st.integers(1, 3))
        kernel = tuple(draw(st.integers(1, 3)) for _ in range(KINDS[kind]))
        layer = kind(ins, outs, kernel, groups=groups)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for name, parameter in list(layer.named_parameters()):
        values = VALUES[draw(st.sampled_from(sorted(VALUES)))](rng, parameter.numel())
        values = torch.from_numpy(values).reshape(parameter.shape)
        values = values.to(draw(st.sampled_from(DTYPES)))
        layout = draw(st.sampled_from(["plain", "channels_last", "reversed axes", "gaps"]))
        setattr(layer, name, nn.Parameter(laid_out(values, layout)))
    return layer


networks = st.lists(layers(), min_size=1, max_size=4).map(lambda parts: nn.Sequential(*parts))


def named_parts(model: nn.Module, tensors=("weight",)) -> dict[str, oracle.Part]:
    parts = {}
    for i, layer in enumerate(model):
        if "Transpose" in type(layer).__name__:
            parts[f"{i}"] = oracle.Part(layer.weight.detach(), True, layer.groups)
        else:
            parts[f"{i}"] = oracle.Part(layer.weight.detach())
        if "bias" in tensors and getattr(layer, "bias", None) is not None:
            parts[f"{i}.bias"] = oracle.Part(layer.bias.detach())
    return parts


def parts_of(model: nn.Module) -> list[oracle.Part]:
    return list(named_parts(model).values())


def flat(flags: torch.Tensor) -> list[bool]:
    return flags.flatten().tolist()


@given(
    model=networks,
    granularity=st.sampled_from(GRANULARITIES),
    score=st.sampled_from(SCORES),
    scope=st.sampled_from(["global", "layer"]),
    p_prune=P,
    p_bern=P,
    seed=st.integers(0, 2**64 - 1),
    index=st.integers(0, 2**64 - 1),
    tensors=st.sampled_from(TENSORS),
)
def test_ranks_and_draws_what_the_oracle_does(
    model, granularity, score, scope, p_prune, p_bern, seed, index, tensors
):
    named = named_parts(model, tensors)
    names, parts = list(named), list(named.values())
    expected = oracle.prunable(parts, granularity, p_prune=p_prune, score=score, scope=scope)
    pruned = oracle.draw(expected, p_bern=p_bern, seed=seed, index=index)

    options = {"score": score, "scope": scope, "layers": ALL, "tensors": tensors}
    found = npr.rank(model, granularity, p_prune=p_prune, **options)
    draw = found.draw(p_bern=p_bern, seed=seed, index=index)

    assert [layer.name for layer in found.layers] == names
    assert [flat(found.prunable(name)) for name in names] == expected
    assert [flat(draw.pruned(name)) for name in names] == pruned
    assert len(found) == sum(map(sum, expected))
    assert len(draw) == sum(map(sum, pruned))
    for name, part, flags in zip(names, parts, pruned, strict=True):
        assert np.array_equal(draw.mask(name).numpy(), oracle.mask(part, granularity, flags))


@given(model=networks, granularity=st.sampled_from(GRANULARITIES), p_prune=P)
def test_pruned_network_has_the_oracle_masks(model, granularity, p_prune):
    parts = parts_of(model)
    flags = oracle.prunable(parts, granularity, p_prune=p_prune, score="l1", scope="global")
    pruned = oracle.draw(flags, p_bern=0.5, seed=3, index=4)
    found = npr.rank(model, granularity, p_prune=p_prune, layers=ALL)
    with npr.prune(model, found, p_bern=0.5, seed=3, index=4):
        for layer, part, wanted in zip(model, parts, pruned, strict=True):
            keep = oracle.mask(part, granularity, wanted)
            assert np.array_equal(layer.weight_mask.bool().numpy(), keep)
            values = layer.weight.detach().double().numpy()
            assert np.array_equal(values[keep], part.weight.double().numpy()[keep])
            assert not np.signbit(values[~keep]).any()
            assert not values[~keep].any()


@given(
    model=networks,
    granularity=st.sampled_from(GRANULARITIES),
    score=st.sampled_from(SCORES),
    p_prune=st.floats(0, 1, exclude_max=True),
)
def test_equals_the_users_rule_where_boundary_scores_differ(model, granularity, score, p_prune):
    values = oracle.scores(parts_of(model), granularity, score)
    everything = [value for part in values for value in part]
    k = int(p_prune * len(everything))
    ordered = sorted(everything)
    if k and ordered[k - 1] == ordered[k]:
        return
    found = npr.rank(model, granularity, p_prune=p_prune, score=score, layers=ALL)
    flags = [flag for layer in found.layers for flag in flat(found.prunable(layer.name))]
    assert flags == oracle.strictly_below(everything, k)


@given(model=networks, granularity=st.sampled_from(GRANULARITIES), scope=st.sampled_from("gl"))
def test_own_scores_rank_like_the_oracle(model, granularity, scope):
    scope = {"g": "global", "l": "layer"}[scope]
    rng = np.random.default_rng(0)
    shapes = {
        layer.name: layer.element_shape(layer_granularity)
        for layer_granularity in [npr.rank(model, granularity, p_prune=0, layers=ALL).granularity]
        for layer in npr.rank(model, granularity, p_prune=0, layers=ALL).layers
    }
    scores = {name: torch.from_numpy(rng.integers(-3, 4, s)) for name, s in shapes.items()}
    values = [score.flatten().tolist() for score in scores.values()]
    k = int(0.4 * sum(map(len, values)))
    expected = (
        oracle.lowest(values, k)
        if scope == "global"
        else [oracle.lowest([part], int(0.4 * len(part)))[0] for part in values]
    )
    found = npr.rank(model, granularity, p_prune=0.4, score=scores, scope=scope, layers=ALL)
    assert [flat(found.prunable(name)) for name in scores] == expected
    assert found.score == "custom"


@given(
    model=networks,
    granularity=st.sampled_from(GRANULARITIES),
    small=st.floats(0, 1),
    large=st.floats(0, 1),
    p_bern=P,
    q_bern=P,
)
def test_draws_are_nested_in_p_prune_and_in_p_bern(
    model, granularity, small, large, p_bern, q_bern
):
    small, large = sorted([small, large])
    p_bern, q_bern = sorted([p_bern, q_bern])
    inner = npr.rank(model, granularity, p_prune=small, layers=ALL)
    outer = npr.rank(model, granularity, p_prune=large, layers=ALL)
    least = inner.draw(p_bern=p_bern, seed=1, index=2)
    wider = outer.draw(p_bern=p_bern, seed=1, index=2)
    most = outer.draw(p_bern=q_bern, seed=1, index=2)
    for layer in inner.layers:
        prunable = inner.prunable(layer.name)
        assert bool((prunable <= outer.prunable(layer.name)).all())
        assert torch.equal(least.pruned(layer.name), prunable & wider.pruned(layer.name))
        assert bool((wider.pruned(layer.name) <= most.pruned(layer.name)).all())


def conv_network(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    generator = torch.Generator().manual_seed(3)
    model = nn.Sequential(nn.Conv2d(48, 96, 3), nn.Conv2d(96, 64, 3), nn.Conv2d(64, 512, 1))
    for layer in model:
        values = torch.randn(layer.weight.shape, generator=generator)
        layer.weight = nn.Parameter(values.to(dtype))
    return model


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("score", ["l1", "l2", "mean-l1", "lamp"])
def test_ranking_is_the_same_in_channels_last_and_with_any_threads(granularity, score):
    model = conv_network()
    threads = torch.get_num_threads()
    found = []
    try:
        for memory_format in [torch.contiguous_format, torch.channels_last]:
            model.to(memory_format=memory_format)
            for count in [1, 2, 3]:
                torch.set_num_threads(count)
                found.append(npr.rank(model, granularity, p_prune=0.37, score=score))
    finally:
        torch.set_num_threads(threads)
    assert len({one.sha256 for one in found}) == 1
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("p_prune", [0.29, 0.57, 0.1, 1 / 3, 1.0])
def test_exactly_int_of_p_times_n_elements_are_prunable(p_prune):
    model = nn.Sequential(nn.Conv2d(10, 10, 1), nn.Conv2d(10, 10, 3))
    assert len(npr.rank(model, p_prune=p_prune)) == int(p_prune * 1000)
    counts = npr.rank(model, p_prune=p_prune, scope="layer").elements.counts
    assert counts == {"0": int(p_prune * 100), "1": int(p_prune * 900)}


def test_ties_go_to_the_earlier_layer_and_the_earlier_place():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 1, 1))
    for layer in model:
        nn.init.constant_(layer.weight, -2.0)
    found = npr.rank(model, p_prune=0.7)
    assert flat(found.prunable("0")) == [True, True, True]
    assert flat(found.prunable("1")) == [True, False, False]


def test_ranking_and_drawing_leave_global_generators_alone():
    model = conv_network()
    torch.manual_seed(11)
    np.random.seed(11)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = npr.rank(model, p_prune=0.5, score="random").draw(p_bern=0.3, seed=1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    torch.manual_seed(12)
    np.random.seed(12)
    assert npr.rank(model, p_prune=0.5, score="random").draw(p_bern=0.3, seed=1) == first
