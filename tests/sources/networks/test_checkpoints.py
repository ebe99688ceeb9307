"""Checkpoints in the forms that training scripts write: loaded to the last bit, or refused."""

import argparse
import collections
import copy
import datetime
import pathlib
import re
import zipfile

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune as torch_prune
from torch.optim.swa_utils import AveragedModel

import network_prune
from network_prune.errors import SourceError
from network_prune.sources.digits.residual import build_network
from network_prune.sources.networks.load import load_network


def build(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_network()
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 2)
    return model.eval()


RAW, EMA = build(0), build(1)


def raw():
    return dict(RAW.state_dict())


def ema():
    return dict(EMA.state_dict())


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def in_the_middle(word):
    return {re.sub(r"^(layer\d)\.", rf"\1.{word}.", name): v for name, v in raw().items()}


def pruned():
    model = copy.deepcopy(RAW)
    parameters = [(m, "weight") for m in model.modules() if isinstance(m, nn.Conv2d)]
    torch_prune.global_unstructured(parameters, torch_prune.L1Unstructured, amount=0.3)
    return model


def pruned_by_us():
    model = copy.deepcopy(RAW)
    network_prune.prune_weights(model, p_prune=0.3)
    return model


def baked(model):
    for module in [m for m in model.modules() if hasattr(m, "weight_mask")]:
        torch_prune.remove(module, "weight")
    # torch leaves -0.0 where it prunes what is negative.
    return {name: value + 0 for name, value in model.state_dict().items()}


def optimizer():
    model = copy.deepcopy(RAW)
    made = torch.optim.Adam(model.parameters())
    model(torch.zeros(1, 1, 32, 32)).sum().backward()
    made.step()
    return made.state_dict()


LIGHTNING = {
    "epoch": 3,
    "global_step": 1000,
    "pytorch-lightning_version": "2.5.0",
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 3}}}},
    "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
    "optimizer_states": [optimizer()],
    "hyper_parameters": {"lr": 0.1, "path": pathlib.PurePosixPath("/data")},
}
TRAINING = {"epoch": 3, "optimizer": optimizer(), "best_acc1": np.float64(71.5), "arch": "digits"}

# What is saved, and the weights that are in it for the network.
LOADED = {
    "flat": (raw, raw),
    "flat, with an epoch beside": (lambda: {"epoch": 3, **raw(), "best": 0.5}, raw),
    "state_dict": (lambda: {"state_dict": raw(), **TRAINING}, raw),
    "model": (lambda: {"model": raw(), **TRAINING}, raw),
    "model_state_dict": (lambda: {"model_state_dict": raw(), **TRAINING}, raw),
    "net": (lambda: {"net": raw(), "acc": 93.1, "epoch": 7}, raw),
    "network": (lambda: {"network": raw()}, raw),
    "a key of their own": (lambda: {"weights_of_mine": raw(), **TRAINING}, raw),
    "two levels deep": (lambda: {"checkpoint": {"state_dict": raw(), **TRAINING}}, raw),
    "model.state_dict": (lambda: {"model": {"state_dict": raw()}, **TRAINING}, raw),
    "OrderedDict": (lambda: collections.OrderedDict(state_dict=RAW.state_dict()), raw),
    "defaultdict": (lambda: {"model": collections.defaultdict(list, raw())}, raw),
    "Parameters": (lambda: dict(RAW.named_parameters()) | dict(RAW.named_buffers()), raw),
    "DataParallel": (lambda: {"state_dict": prefixed("module.", raw())}, raw),
    "torch.compile": (lambda: prefixed("_orig_mod.", raw()), raw),
    "both of them": (lambda: prefixed("module._orig_mod.", raw()), raw),
    "compiled stages": (lambda: in_the_middle("_orig_mod"), raw),
    "checkpointed stages": (lambda: in_the_middle("_checkpoint_wrapped_module"), raw),
    "Lightning, model.": (lambda: {"state_dict": prefixed("model.", raw()), **LIGHTNING}, raw),
    "Lightning, net.": (lambda: {"state_dict": prefixed("net.", raw()), **LIGHTNING}, raw),
    "Lightning, backbone.": (lambda: {"state_dict": prefixed("backbone.", raw())}, raw),
    "Lightning, a loss beside": (
        lambda: {"state_dict": {**prefixed("model.", raw()), "criterion.weight": torch.ones(10)}},
        raw,
    ),
    "Lightning, two prefixes": (lambda: {"state_dict": prefixed("model.module.", raw())}, raw),
    "timm, with EMA": (lambda: {"state_dict": raw(), "state_dict_ema": ema(), **TRAINING}, ema),
    "timm, EMA is null": (lambda: {"state_dict": raw(), "state_dict_ema": None}, raw),
    "torchvision, with EMA": (
        lambda: {"model": raw(), "model_ema": AveragedModel(EMA).state_dict(), **TRAINING},
        ema,
    ),
    "BasicSR": (lambda: {"params": raw(), "params_ema": ema()}, ema),
    "EMA without statistics": (
        lambda: {"model": raw(), "model_ema": dict(EMA.named_parameters())},
        raw,
    ),
    "Namespace": (lambda: {"model": raw(), "args": argparse.Namespace(lr=0.1, data="x")}, raw),
    "settings of other kinds": (
        lambda: {
            "model": raw(),
            "mean": np.zeros(3),
            "path": pathlib.Path("x"),
            "when": datetime.datetime(2020, 1, 1),
            "losses": collections.deque([1.0, 2.0], maxlen=5),
            "counts": collections.defaultdict(list, a=[1]),
            "args": argparse.Namespace(inner=argparse.Namespace(scale=np.float32(2))),
            "torch": torch.__version__,
        },
        raw,
    ),
    "pruned by torch": (lambda: pruned().state_dict(), lambda: baked(pruned())),
    "pruned by torch, in Lightning": (
        lambda: {"state_dict": prefixed("model.", pruned().state_dict())},
        lambda: baked(pruned()),
    ),
    "pruned by us": (lambda: pruned_by_us().state_dict(), lambda: baked(pruned_by_us())),
}
REFUSED = {
    "arrays of NumPy": (
        lambda: {"model": {name: value.numpy() for name, value in raw().items()}},
        r"holds no state dict of tensors: 'conv1\.0\.weight' is an array of NumPy; save torch",
    ),
    "a list": (lambda: [raw()], "holds a list, not a state dict$"),
    "a tensor": (lambda: torch.zeros(3), "holds a Tensor, not a state dict$"),
    "no tensors": (lambda: TRAINING | {"optimizer": {}}, "holds no state dict; it holds 'epoch'"),
    "a whole network": (lambda: RAW, r"needs code to load \(.*refused; save the state dict alone"),
    "student and teacher": (
        lambda: {"student": prefixed("module.", raw()), "teacher": ema()},
        r"under student and teacher; say which with --weights FILE:KEY, e\.g\. .*w\.pth:student$",
    ),
    "two networks of one module": (
        lambda: {"state_dict": prefixed("q.", raw()) | prefixed("k.", ema())},
        r"under state_dict\.q and state_dict\.k; say which .*w\.pth:state_dict\.q$",
    ),
    "a network of which it is a small part": (
        lambda: prefixed("part.", raw()) | {f"other.{n}": torch.zeros(1) for n in range(200)},
        r"under part; say which with --weights FILE:KEY, e\.g\. .*w\.pth:part$",
    ),
    "weights beside": (lambda: raw() | {"odd": torch.ones(1)}, r"1 unexpected \(odd\)$"),
    "weights missing, under a prefix": (
        lambda: {n: v for n, v in prefixed("model.", raw()).items() if n != "model.fc.bias"},
        r"doesn't fit the network: 1 missing \(fc\.bias\)$",
    ),
    "classes of its own": (
        lambda: {"model": raw(), "config": Settings()},
        r"needs code to load \(\w*\.?test_checkpoints\.Settings\)",
    ),
}


class Settings:
    pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.pth"


def loaded(weights):
    return load_network(weights=str(weights), warn=False)


def same(model, state):
    ours = model.state_dict()
    assert ours.keys() == state.keys()
    for name, value in ours.items():
        assert value.dtype == state[name].dtype
        assert value.numpy().tobytes() == state[name].detach().numpy().tobytes(), name


@pytest.mark.parametrize("zipped", [True, False], ids=["zipped", "old"])
@pytest.mark.parametrize("form", LOADED)
def test_checkpoints_load_to_the_last_bit(path, form, zipped):
    content, expected = LOADED[form]
    torch.save(content(), path, _use_new_zipfile_serialization=zipped)
    same(loaded(path).model, expected())


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_checkpoint_of_the_network_is_refused_in_one_line(path, form):
    content, message = REFUSED[form]
    torch.save(content(), path)
    with pytest.raises(SourceError, match=message) as refusal:
        loaded(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_safetensors_files_may_have_prefixes(tmp_path, prefix):
    save_file(prefixed(prefix, raw()), tmp_path / "w.safetensors")
    same(loaded(tmp_path / "w.safetensors").model, raw())


@pytest.mark.filterwarnings("ignore:`torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.*:FutureWarning")
def test_archives_of_code_are_refused_and_say_what_to_save(path):
    image = torch.zeros(1, 1, 32, 32)
    torch.jit.trace(RAW, image).save(path)
    message = (
        r"w\.pth is a TorchScript archive, which holds code, so it is refused; save the weights "
        r"alone: torch\.save\(torch\.jit\.load\('w\.pth'\)\.state_dict\(\), 'weights\.pth'\)$"
    )
    with pytest.raises(SourceError, match=message):
        loaded(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/archive_format", "pt2")
    with pytest.raises(SourceError, match=r"archive of torch\.export.*torch\.export\.load"):
        loaded(path)


@pytest.mark.parametrize("name", ["timm, with EMA", "torchvision, with EMA", "state_dict", "model"])
def test_the_key_that_timm_takes_is_taken(path, name):
    torch.save(LOADED[name][0]() | {"best_acc1": 71.5}, path)
    theirs = timm.models.load_state_dict(str(path))
    theirs.pop("n_averaged", None)
    same(loaded(path).model, theirs)


def test_what_was_taken_is_told_and_what_else_is_there(path):
    torch.save({"state_dict": raw(), "state_dict_ema": ema()}, path)
    network = loaded(path)
    assert network.weights == f"{path}:state_dict_ema"
    assert network.notes == (
        "the weights are state_dict_ema of w.pth, which holds state_dict too; "
        "--weights FILE:KEY takes others, e.g. w.pth:state_dict",
    )
    with pytest.warns(UserWarning, match="the weights are state_dict_ema of"):
        load_network(weights=path)
    chosen = loaded(f"{path}:state_dict")
    same(chosen.model, raw())
    assert (chosen.weights, chosen.notes) == (f"{path}:state_dict", ())
    torch.save(raw(), path)
    assert chosen.weights_sha256 == loaded(path).weights_sha256
    assert (loaded(path).weights, loaded(path).notes) == (str(path), ())


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        (
            {"model_ema": dict(EMA.named_parameters())},
            r"model_ema of w\.pth isn't taken: it lacks 28 tensors \(conv1\.1\.running_me.*, …\)$",
        ),
        (
            {"ema": {"decay": 0.99, "shadow_params": list(EMA.parameters())}},
            r"ema\.shadow_params of w\.pth isn't taken: it is a list of tensors without names$",
        ),
    ],
)
def test_averaged_weights_that_do_not_fit_are_told(path, beside, reason):
    torch.save({"model": raw(), **beside}, path)
    (note,) = loaded(path).notes
    assert re.match(reason, note)
    assert loaded(f"{path}:model").notes == ()


@pytest.mark.parametrize(
    "beside", [{"ema": {"decay": torch.tensor(0.9)}}, {"schema": [RAW.fc.bias]}]
)
def test_what_is_no_averaged_weights_is_not_told(path, beside):
    torch.save({"model": raw(), **beside}, path)
    assert loaded(path).notes == ()


def test_a_loss_beside_weights_is_left_empty(path):
    loss = nn.CrossEntropyLoss(weight=torch.ones(10))
    torch.save({"model": raw(), "criterion": loss}, path)
    same(loaded(path).model, raw())


def test_a_key_that_lies_deeper_is_pointed_to(path):
    torch.save({"state_dict": prefixed("model.", raw()) | prefixed("ema_model.", ema())}, path)
    with pytest.raises(SourceError, match=r"; did you mean .*w\.pth:state_dict\.ema_model\?$"):
        loaded(f"{path}:ema_model")
    torch.save({"run": {"model": raw()}}, path)
    with pytest.raises(SourceError, match=r"; did you mean .*w\.pth:run\.model\?$"):
        loaded(f"{path}:model")


@pytest.mark.parametrize("zipped", [True, False], ids=["zipped", "old"])
def test_another_protocol_of_pickle_is_named(path, zipped):
    torch.save(raw(), path, pickle_protocol=4, _use_new_zipfile_serialization=zipped)
    with pytest.raises(SourceError, match=r"w\.pth was saved with pickle_protocol=4, of which"):
        loaded(path)


def test_what_was_left_out_and_baked_in_is_told(path):
    torch.save(prefixed("model.", pruned().state_dict()) | {"loss.weight": torch.ones(1)}, path)
    network = loaded(path)
    assert network.weights == f"{path}:model"
    assert network.notes == (
        "1 tensors of w.pth that the network lacks: loss.weight",
        "14 weights of w.pth had masks of torch.nn.utils.prune, which are applied",
    )


@pytest.mark.parametrize(
    "key", ["q", "state_dict.q", "state_dict.wrapped.q", "state_dict", "outer.inner"]
)
def test_a_key_names_a_dict_or_a_prefix_in_one(path, key):
    content = prefixed(f"{key.rpartition('.')[2]}.", ema()) | prefixed("other.", raw())
    for step in reversed(key.split(".")[:-1]):
        content = {step: content}
    torch.save(content, path)
    same(loaded(f"{path}:{key}").model, ema())


def test_a_key_that_is_absent_lists_those_that_are_there(path):
    torch.save({"state_dict": raw(), "state_dict_ema": ema(), "epoch": 3}, path)
    message = r"w\.pth holds no weights under 'ema'; it holds state_dict, state_dict_ema$"
    with pytest.raises(SourceError, match=message):
        loaded(f"{path}:ema")
    torch.save(prefixed("q.", raw()) | prefixed("k.", ema()), path)
    with pytest.raises(SourceError, match=r"holds no weights under 'ema'; it holds k, q$"):
        loaded(f"{path}:ema")


@pytest.mark.parametrize("name", ["epoch:3.pth", "C:w.pth", "odd:name", "a:b:c.ckpt"])
def test_files_may_have_colons_in_their_names(tmp_path, name):
    torch.save({"state_dict": raw(), "state_dict_ema": ema()}, tmp_path / name)
    same(loaded(tmp_path / name).model, ema())
    same(loaded(f"{tmp_path / name}:state_dict").model, raw())


@pytest.mark.parametrize(
    "weights", ["gone.pth", "gone.pth:model", "C:\\gone.pth", "x/gone.pth:a.b"]
)
def test_a_missing_file_is_named_without_its_key(weights):
    name = weights if weights.startswith("C:") else weights.partition(":")[0]
    with pytest.raises(SourceError, match=f"^no weights file {re.escape(name)}$"):
        loaded(weights)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


class Setting(argparse.Namespace):
    pass


def test_what_stands_beside_weights_runs_nothing(path, tmp_path):
    torch.save({"model": raw(), "args": argparse.Namespace(x=Trap(tmp_path / "ran"))}, path)
    with pytest.raises(SourceError, match=r"needs code to load \(getattr\)"):
        loaded(path)
    torch.save({"model": raw(), "args": Setting(lr=1)}, path)
    with pytest.raises(SourceError, match=r"needs code to load \(.*Setting\)"):
        loaded(path)
    assert not (tmp_path / "ran").exists()


HEADS = ["digits", "resnet18", "squeezenet1_0", "timm:resnet10t", "timm:test_vit"]


@pytest.mark.parametrize("spec", HEADS)
def test_a_network_gets_as_many_outputs_as_the_checkpoints_head(path, spec):
    if spec == "digits":
        model = build_network(7)
    elif spec.startswith("timm:"):
        model = timm.create_model(spec.removeprefix("timm:"), num_classes=7)
    else:
        model = torchvision.models.get_model(spec, num_classes=7, weights=None)
    torch.save({"state_dict": prefixed("model.", model.state_dict())}, path)
    with pytest.warns(UserWarning, match=r"^w\.pth doesn't say its preprocessing, and its outputs"):
        network = load_network(spec, weights=str(path))
    assert network.classes == 7
    same(network.model, model.state_dict())
    said = network.preprocessing
    assert said == load_network(spec, weights=None).preprocessing
    asked = {"resize": said.resize, "crop": said.crop, "mean": said.mean, "std": said.std}
    assert load_network(spec, weights=str(path), preprocessing=asked).notes == ()


@pytest.mark.parametrize("spec", ["digits", "timm:test_vit"])
def test_a_head_as_published_has_its_preprocessing(path, spec):
    torch.save(load_network(spec, weights=None).model.state_dict(), path)
    assert load_network(spec, weights=path).notes == ()


def test_a_head_of_other_inputs_is_refused(path):
    state = build_network(7).state_dict() | {"fc.weight": torch.zeros(7, 5)}
    torch.save(state, path)
    with pytest.raises(SourceError, match=r"fc\.weight is \[7, 5\], not \[10, 96\], fc\.bias"):
        loaded(path)


def test_networks_of_ones_own_are_told_to_have_the_checkpoints_outputs(path, tmp_path):
    (tmp_path / "net.py").write_text(
        "from network_prune.sources.digits.residual import build_network\n"
        "def make():\n"
        "    model = build_network()\n"
        "    model.default_cfg = {'input_size': (1, 32, 32), 'mean': (0.3,), 'std': (0.4,)}\n"
        "    return model\n"
    )
    torch.save(build_network(7).state_dict(), path)
    with pytest.raises(SourceError, match=r"; make the network with 7 outputs, as the file's has$"):
        load_network(f"{tmp_path / 'net.py'}:make", weights=str(path))


def test_timms_networks_take_the_names_of_their_first_authors(path):
    """Names as facebookresearch/ConvNeXt writes them."""
    model = timm.create_model("convnext_atto", num_classes=5)
    renamed = {}
    for name, value in model.state_dict().items():
        theirs = name.replace("stem.", "downsample_layers.0.").replace(".blocks.", ".")
        theirs = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", theirs)
        theirs = theirs.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        theirs = theirs.replace("head.norm", "norm").replace("head.fc", "head")
        renamed[theirs] = value.flatten(1) if "pwconv" in theirs and value.dim() == 4 else value
    torch.save({"model": renamed, "args": argparse.Namespace(lr=0.1)}, path)
    network = load_network("timm:convnext_atto", weights=str(path), warn=False)
    assert network.classes == 5
    same(network.model, model.state_dict())


def test_the_weights_of_other_picture_sizes_are_not_resampled(path):
    model = timm.create_model("test_vit", img_size=96)
    torch.save(prefixed("pre_logits.", {"odd": torch.ones(1)}) | model.state_dict(), path)
    with pytest.raises(SourceError, match=r"1 of another shape \(pos_embed is"):
        load_network("timm:test_vit", weights=str(path))
