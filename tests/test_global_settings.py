"""Whatever PyTorch's global settings are, every public call gives what it gives without them.

Inside a torch.func transform it gives that, too, or refuses in one line.
"""

import copy
import gc
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
from network_prune.core.usual_settings import usual_settings
from network_prune.errors import StateError
from tests.networks import bits

# --- settings -----------------------------------------------------------------------------


@contextmanager
def set_by(setter, value, usual):
    setter(value)
    try:
        yield
    finally:
        setter(usual)


@contextmanager
def tensor_type(value):
    torch.set_default_tensor_type(value)
    try:
        yield
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)


def default_dtype(dtype):
    return lambda: set_by(torch.set_default_dtype, dtype, torch.float32)


SETTINGS = {
    "default device": lambda: set_by(torch.set_default_device, "meta", None),
    "device around": lambda: torch.device("meta"),
    "default float64": default_dtype(torch.float64),
    "default float16": default_dtype(torch.float16),
    "default bfloat16": default_dtype(torch.bfloat16),
    "tensor type": lambda: tensor_type(torch.DoubleTensor),
    "deterministic": lambda: set_by(torch.use_deterministic_algorithms, True, False),
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no grad": torch.no_grad,
    "enable grad": torch.enable_grad,
    "grad disabled": lambda: set_by(torch.set_grad_enabled, False, True),
}
TRANSFORMS = {
    "grad": lambda call: torch.func.grad(lambda x: (call(), x.sum())[1])(torch.ones(2)),
    "vmap": lambda call: torch.vmap(lambda x: (call(), x)[1])(torch.ones(2)),
    "jvp": lambda call: torch.func.jvp(lambda x: (call(), x)[1], *[(torch.ones(2),)] * 2),
}

# --- calls --------------------------------------------------------------------------------


def build() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3)
        rest = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))
        return nn.Sequential(first, nn.BatchNorm2d(6), nn.ReLU(), second, *rest).eval()


MODEL = build()
KINDS = ("weight", "connection", "neuron")
SETS = {kind: npr.rank(MODEL, kind, p_prune=0.5) for kind in KINDS}
IMAGES = torch.randn(11, 3, 9, 9, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(11) % 7
SCORE = {name: torch.arange(n).double().reshape(s) for name, n, s in
         [("0", 162, (6, 3, 3, 3)), ("3", 432, (8, 6, 3, 3))]}  # fmt: skip


def values(model: nn.Module) -> list[str]:
    return [bits(value) for value in model.state_dict().values()]


def rank(score="l1", kind="neuron", **options):
    return lambda: npr.rank(MODEL, kind, p_prune=0.5, score=score, **options).sha256


def draw():
    one = SETS["weight"].draw(p_bern=0.5, seed=3, index=2)
    return one.sha256, bits(one.mask("0"))


def masks(kind, **options):
    def call():
        model = copy.deepcopy(MODEL)
        with npr.prune(model, SETS[kind], p_bern=0.5, **options) as pruned:
            pruned.redraw()
            found = values(model), pruned.summary()
        return found, values(model)

    return call


def permanent():
    model = copy.deepcopy(MODEL)
    npr.prune_neurons(model, p_prune=0.4, with_norm=True)
    npr.make_permanent(model)
    npr.prune_weights(model, p_prune=0.4)
    npr.restore(model)
    npr.prune_connections(model, p_prune=0.4)
    return values(model)


def in_place(kind):
    def call():
        model = copy.deepcopy(MODEL)
        with npr.Redrawer(model, SETS[kind], p_bern=0.5) as redrawer:
            redrawer.redraw()
            redrawer.redraw()
            found = values(model)
        return found, values(model)

    return call


def surrogate(kind, **options):
    def call():
        model = npr.Ensemble([kind(copy.deepcopy(MODEL), SETS["weight"], p_bern=0.5, **options)])
        with torch.autocast("cpu", enabled=False):
            return bits(model(IMAGES))

    return call


def evaluate(loader=False, **options):
    data = TensorDataset(IMAGES, LABELS)

    def call():
        batches = DataLoader(data, 4) if loader else data
        found = npr.evaluate(MODEL, batches, batch_size=4, **options)
        return found.n, found.hits1, found.hits5, found.loss_sum

    return call


def load(spec, weights="none"):
    def call():
        found = npr.load_network(spec, weights=weights)
        made = {(p.dtype, p.device, p.is_inference()) for p in found.model.parameters()}
        return found.weights_sha256, found.classes, made

    return call


def data(spec):
    def call():
        loaded = npr.load_network("digits")
        found = npr.load_data(spec, transform=loaded.preprocessing.transform())
        return [(bits(x), y.tolist()) for x, y in found.batches(batch_size=3, workers=0, limit=5)]

    return call


def sweep(measure=None, **options):
    some = {"data": "digits", "limit": 4, "method": "neurons", "p_prune": [0.3], **options}

    def call():
        with npr.kept_memory():
            found = npr.sweep(some, measure=measure, progress=False)
        return [(r["key"], r["draw_sha256"], r["metrics"], r.get("diversity")) for r in found]

    return call


BATCHES = [(IMAGES, LABELS)]
LINEAR = {"layers": [nn.Conv2d, nn.Linear]}
CALLS = {
    **{f"rank {score}": rank(score, **LINEAR) for score in ("l1", "l2", "mean-l1", "random")},
    "rank lamp": rank("lamp", "weight"),
    "rank taylor": rank("taylor", data=BATCHES),
    "rank gradient": rank("gradient", data=DataLoader(TensorDataset(IMAGES, LABELS), 4)),
    "rank custom": rank(SCORE, "weight"),
    "draw": draw,
    **{f"prune {kind}": masks(kind) for kind in KINDS},
    "prune with norm": masks("neuron", with_norm=True),
    "shortcuts": permanent,
    **{f"Redrawer {kind}": in_place(kind) for kind in KINDS},
    "Diversified": surrogate(npr.Diversified),
    "dropout": surrogate(npr.Diversified, mode="dropout", rescale=True),
    "BackwardOnly": surrogate(npr.BackwardOnly),
    "evaluate": evaluate(),
    "evaluate a loader": evaluate(loader=True),
    "evaluate itself": evaluate(fold=False, channels_last=False),
    "evaluate amp": evaluate(amp=True),
    "evaluate dtype": evaluate(dtype="bfloat16"),
    "digits": load("digits", "default"),
    "torchvision": load("shufflenet_v2_x0_5"),
    "timm": load("timm:test_vit"),
    "data": data("digits"),
    "fake data": data("fake:3"),
    "sweep": sweep(),
    "sweep taylor": sweep(score="taylor", p_bern=0.5),
    "diversity": sweep(npr.DrawsCompared(2), p_bern=0.5),
}


@pytest.fixture(scope="module")
def usual():
    return {name: call() for name, call in CALLS.items()}


@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_call_gives_what_it_gives_without_the_setting(setting, name, usual):
    with SETTINGS[setting]():
        found = CALLS[name]()
    assert found == usual[name]
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("name", [name for name in CALLS if name != "draw"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_inside_a_transform_a_call_is_refused_in_one_line(transform, name):
    with pytest.raises(StateError, match=r"^inside a torch\.func transform .* before, and .*\Z"):
        TRANSFORMS[transform](CALLS[name])


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_inside_a_transform_draws_are_the_same(transform):
    found = []
    TRANSFORMS[transform](lambda: found.append(SETS["weight"].draw(p_bern=0.5, seed=3, index=2)))
    assert (found[0].sha256, bits(found[0].mask("0"))) == draw()


def test_a_network_pruned_before_can_not_be_baked_inside_a_transform():
    model = copy.deepcopy(MODEL)
    with npr.prune_weights(model, p_prune=0.5), pytest.raises(StateError, match="do that before"):
        TRANSFORMS["grad"](lambda: npr.make_permanent(model))


def test_settings_of_the_caller_are_back_after_an_error():
    with default_dtype(torch.float64)(), torch.device("meta"):
        with pytest.raises(npr.NetworkPruneError, match="unknown network"):
            npr.load_network("resnet18x")
        assert torch.get_default_dtype() is torch.float64
        assert torch.empty(1).is_meta


def test_a_context_that_ends_when_it_is_collected_leaves_gradients_alone():
    """As one does whose end is cut short by Ctrl-C, and whose frame an error holds on to."""
    with torch.no_grad():
        context = usual_settings()
        context.__enter__()
        assert torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    del context
    gc.collect()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_put_back_as_they_were(around):
    with around():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        with usual_settings():
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == (True, False)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
