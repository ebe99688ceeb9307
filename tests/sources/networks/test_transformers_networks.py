import json
import logging
import shutil
import subprocess
import sys
import time

import pytest
import timm
import torch
from photos import photo
from safetensors.torch import load_file, save_file

import network_prune
from network_prune.errors import RunError, SourceError
from network_prune.sources.networks.load import load_network
from network_prune.sources.preprocessing import Preprocessing

transformers = pytest.importorskip("transformers")
logging.getLogger("transformers").setLevel(logging.CRITICAL)
transformers.utils.logging.disable_progress_bar()

VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
STAGES = {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
CONFIGS = {
    "ViT": VIT,
    "DeiT": VIT,
    "Beit": VIT,
    "ConvNext": STAGES,
    "ResNet": STAGES | {"embedding_size": 8, "layer_type": "bottleneck"},
    "Swin": {
        "image_size": 32,
        "patch_size": 2,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    "MobileViT": {
        "image_size": 64,
        "hidden_sizes": [16, 24, 32],
        "neck_hidden_sizes": [8, 8, 16, 16, 16, 24, 32],
        "num_attention_heads": 2,
    },
}
SQUASH = {"size": {"height": 32, "width": 32}}


def build(name, **options):
    config = getattr(transformers, f"{name}Config")(**CONFIGS[name], num_labels=5, **options)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, f"{name}ForImageClassification")(config)
    return model.eval()


def save_processor(folder, kind="ViTImageProcessor", **options):
    folder.mkdir(exist_ok=True)
    settings = {"image_processor_type": kind, **(options or SQUASH)}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@pytest.fixture
def vit(tmp_path):
    folder = tmp_path / "vit"
    build("ViT").save_pretrained(folder)
    save_processor(folder)
    return folder


def side_of(name):
    return 64 if name == "MobileViT" else 32


@pytest.mark.parametrize("name", list(CONFIGS))
def test_saved_networks_give_the_logits_that_transformers_gives(tmp_path, name):
    model = build(name)
    model.save_pretrained(tmp_path)
    side = side_of(name)
    if name == "MobileViT":
        size = {"size": {"shortest_edge": 70}, "crop_size": {"height": side, "width": side}}
        save_processor(tmp_path, "MobileViTImageProcessor", **size)
    else:
        save_processor(tmp_path)
    network = load_network(f"hf:{tmp_path}")
    assert (network.classes, network.weights) == (5, f"as saved in {tmp_path}")
    image = photo(101, 83)
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path, **pil())
    with torch.no_grad():
        expected = model(**theirs(images=image, return_tensors="pt")).logits
        actual = network.model(network.preprocessing.transform()(image)[None])
    torch.testing.assert_close(actual, expected)


def pil():
    return {"backend": "pil"} if transformers.__version__ >= "5" else {"use_fast": False}


@pytest.mark.parametrize("name", ["ResNet", "ConvNext", "ViT"])
def test_they_are_pruned_and_restored(tmp_path, name):
    build(name).save_pretrained(tmp_path)
    save_processor(tmp_path)
    network = load_network(f"hf:{tmp_path}")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = network.model(images)
        with network_prune.prune_weights(network.model, p_prune=0.9):
            assert not torch.equal(network.model(images), before)
        assert torch.equal(network.model(images), before)


def test_random_weights_are_always_the_same(vit):
    random = load_network(f"hf:{vit}", weights="none")
    assert random.weights == "none (random, seed 0)"
    assert load_network(f"hf:{vit}", weights="none").weights_sha256 == random.weights_sha256
    assert load_network(f"hf:{vit}").weights_sha256 != random.weights_sha256


@pytest.mark.parametrize("names", ["as published", "as in transformers", "with our prefix"])
def test_files_of_weights_fit_under_any_of_their_names(vit, tmp_path, names):
    network = load_network(f"hf:{vit}")
    state = network.model.state_dict()
    if names == "as published":
        state = load_file(vit / "model.safetensors")
    elif names == "as in transformers":
        state = {name.removeprefix("network."): value for name, value in state.items()}
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_network(f"hf:{vit}", weights=str(tmp_path / "w.safetensors"))
    assert loaded.weights_sha256 == network.weights_sha256


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_network_gets_as_many_outputs_as_the_checkpoints_head(vit, tmp_path, prefix):
    state = changed(vit, {"classifier.bias": (7,), "classifier.weight": (7, 16)})
    wrapped = {"state_dict": {prefix + name: value for name, value in state.items()}}
    torch.save(wrapped, tmp_path / "w.ckpt")
    network = load_network(f"hf:{vit}", weights=str(tmp_path / "w.ckpt"), warn=False)
    assert network.classes == 7
    found = [value.numpy().tobytes() for value in network.model.state_dict().values()]
    assert sorted(found) == sorted(value.numpy().tobytes() for value in state.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier.bias": None}, r"doesn't fit.*1 missing \(network\.classifier\.bias\)"),
        ({"odd": (1,)}, r"1 unexpected \(network\.odd\)"),
        ({"classifier.bias": (7,)}, r"network\.classifier\.bias is \[7\], not \[5\]"),
    ],
)
def test_files_of_weights_that_dont_fit_are_refused(vit, tmp_path, changes, message):
    save_file(changed(vit, changes), tmp_path / "w.safetensors")
    with pytest.raises(SourceError, match=message):
        load_network(f"hf:{vit}", weights=str(tmp_path / "w.safetensors"))


def changed(folder, changes):
    state = load_file(folder / "model.safetensors")
    for name, shape in changes.items():
        if shape is None:
            del state[name]
        else:
            state[name] = torch.zeros(shape)
    return state


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier.bias": None}, r"trained classifier: 1 missing \(classifier\.bias\)"),
        ({"classifier.bias": (7,)}, r"classifier\.bias is \[7\], not \[5\]"),
    ],
)
def test_networks_without_a_trained_classifier_are_refused(vit, changes, message):
    save_file(changed(vit, changes), vit / "model.safetensors")
    with pytest.raises(SourceError, match=message):
        load_network(f"hf:{vit}")


def test_weights_that_the_classifier_doesnt_use_are_left_out(vit):
    before = load_network(f"hf:{vit}").weights_sha256
    save_file(changed(vit, {"pooler.extra": (3,)}), vit / "model.safetensors")
    assert load_network(f"hf:{vit}").weights_sha256 == before


def test_half_precision_is_loaded_as_float32(tmp_path):
    build("ViT").half().save_pretrained(tmp_path)
    save_processor(tmp_path)
    for weights in ("default", "none"):
        model = load_network(f"hf:{tmp_path}", weights=weights).model
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_weights_in_parts_and_in_torch_files_are_read(vit):
    whole = load_network(f"hf:{vit}").weights_sha256
    state = load_file(vit / "model.safetensors")
    (vit / "model.safetensors").unlink()
    torch.save(state, vit / "pytorch_model.bin")
    assert load_network(f"hf:{vit}").weights_sha256 == whole
    (vit / "pytorch_model.bin").unlink()
    names = sorted(state)
    parts = {"a.safetensors": names[:7], "b.safetensors": names[7:]}
    for part, inside in parts.items():
        save_file({name: state[name] for name in inside}, vit / part)
    index = {"weight_map": {name: part for part, inside in parts.items() for name in inside}}
    (vit / "model.safetensors.index.json").write_text(json.dumps(index))
    assert load_network(f"hf:{vit}").weights_sha256 == whole
    (vit / "b.safetensors").unlink()
    with pytest.raises(SourceError, match=r"has no b\.safetensors, which its model\.safetensors\."):
        load_network(f"hf:{vit}")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"a": "../x.safetensors"}}, "asks for files outside its folder"),
        ({"weights": {}}, r"index\.json isn't an index of weights \(KeyError"),
    ],
)
def test_indices_of_weights_that_cant_be_used_are_refused(vit, index, message):
    (vit / "model.safetensors").unlink()
    (vit / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match=message):
        load_network(f"hf:{vit}")


def test_weights_that_need_code_are_refused(vit):
    (vit / "model.safetensors").unlink()
    torch.save(torch.nn.Linear(1, 1), vit / "pytorch_model.bin")
    with pytest.raises(SourceError, match="needs code to load"):
        load_network(f"hf:{vit}")


def test_code_that_a_repository_brings_is_never_run(vit):
    (vit / "own.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    config = json.loads((vit / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (vit / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=r"needs code of its own .*is never run") as refusal:
        load_network(f"hf:{vit}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"has no config\.json; pass what save_pretrained wrote"),
        ("{", r"config\.json can't be read as JSON"),
        ("[]", r"config\.json holds a list, not a configuration"),
        ("{}", r"config\.json names no model_type"),
        ('{"model_type": "bert"}', "is a bert, which transformers has no image classifier for"),
        ('{"model_type": "no-such"}', "can't be loaded: ValueError: .*no-such"),
        ('{"model_type": "vit", "hidden_act": "no-such"}', "can't be built: KeyError: 'no-such'"),
    ],
)
def test_folders_that_hold_no_classifier_are_refused(vit, config, message):
    (vit / "config.json").unlink()
    if config is not None:
        (vit / "config.json").write_text(config)
    with pytest.raises(SourceError, match=message) as refusal:
        load_network(f"hf:{vit}", weights="none")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "weights", "message"),
    [
        ("hf:{}", "V1", "has no weights 'V1'; pass default, none or a file"),
        ("hf:{}/gone", "default", "is neither a folder nor ORG/NAME; pass hf:ORG/NAME"),
        ("hf:", "default", "'' is neither a folder"),
        ("hf:a/b/c", "default", "'a/b/c' is neither a folder"),
    ],
)
def test_what_cant_be_had_is_refused(vit, spec, weights, message):
    with pytest.raises(SourceError, match=message):
        load_network(spec.format(vit), weights=weights)


def test_a_folder_without_weights_says_so(vit):
    (vit / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"has no model\.safetensors; pass --weights none"):
        load_network(f"hf:{vit}")


def test_without_an_image_processor_the_call_says_the_preprocessing(vit):
    (vit / "preprocessor_config.json").unlink()
    message = (
        r"has no preprocessor_config\.json; say what the network takes with "
        r"--resize --crop --interpolation --mean --std$"
    )
    with pytest.raises(SourceError, match=message):
        load_network(f"hf:{vit}")
    said = Preprocessing(40, 32, "bicubic", (0.5,) * 3, (0.25,) * 3)
    options = {"resize": 40, "crop": 32, "interpolation": "bicubic"}
    options |= {"mean": said.mean, "std": said.std}
    assert load_network(f"hf:{vit}", preprocessing=options).preprocessing == said


def test_without_transformers_the_extra_is_named(vit, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r"needs the package transformers: pip install 'network-prune\[transformers\]'"
    with pytest.raises(SourceError, match=message):
        load_network(f"hf:{vit}")


def fill_cache(offline, folder, revision="main"):
    """Put the files of ``folder`` where the hub's client keeps those of org/net."""
    cached = offline / "hub" / "models--org--net"
    shutil.copytree(folder, cached / "snapshots" / ("c0ffee" + "0" * 34))
    (cached / "refs").mkdir()
    (cached / "refs" / revision).write_text("c0ffee" + "0" * 34)
    return cached / "snapshots" / ("c0ffee" + "0" * 34)


@pytest.mark.parametrize(("spec", "revision"), [("hf:org/net", "main"), ("hf:org/net@v2", "v2")])
def test_what_is_in_the_cache_needs_no_connection(offline, vit, spec, revision):
    fill_cache(offline, vit, revision)
    network = load_network(spec)
    assert network.weights == "published, revision c0ffee" + "0" * 34
    assert network.weights_sha256 == load_network(f"hf:{vit}").weights_sha256


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_being_offline_names_the_file_and_where_to_put_it(offline, vit, name):
    (fill_cache(offline, vit) / name).unlink()
    start = time.perf_counter()
    message = (
        rf"^can't download {name} of org/net \(Name or service not known\); fill the cache .*hub "
        r"on a machine that is online, or save the network and pass hf:FOLDER$"
    )
    with pytest.raises(RunError, match=message):
        load_network("hf:org/net")
    assert time.perf_counter() - start < 15


def test_a_repository_without_a_configuration_says_so(offline, monkeypatch):
    monkeypatch.setattr(
        "network_prune.sources.networks.from_transformers.find_on_hub", lambda *_, **__: None
    )
    with pytest.raises(SourceError, match=r"hf:org/net has no config\.json, so that"):
        load_network("hf:org/net")


def test_nothing_is_written_where_there_is_no_terminal(vit):
    code = f"from network_prune import load_network; load_network('hf:{vit}')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_timm_says_what_loads_it(tmp_path, file):
    folder = tmp_path / "own"
    folder.mkdir()
    model = timm.create_model("resnet10t", num_classes=7).eval()
    settings = {"input_size": [3, 64, 64], "interpolation": "bilinear", "crop_pct": 0.8}
    settings |= {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "num_classes": 7}
    config = {"architecture": "resnet10t", "num_classes": 7, "pretrained_cfg": settings}
    (folder / "config.json").write_text(json.dumps(config))
    (save_file if "safe" in file else torch.save)(model.state_dict(), folder / file)
    with pytest.raises(SourceError, match=r"is a network of timm; pass --arch timm:") as refusal:
        load_network(f"hf:{folder}")
    words = str(refusal.value).rpartition("pass --arch ")[2].split()
    said = dict(zip(words[1::2], words[2::2], strict=True))
    means = {name: tuple(map(float, said[f"--{name}"].split(","))) for name in ("mean", "std")}
    sizes = {name: int(said[f"--{name}"]) for name in ("resize", "crop")}
    options = {"interpolation": said["--interpolation"], **sizes, **means}
    network = load_network(words[0], weights=said["--weights"], preprocessing=options)
    assert network.classes == 7
    assert torch.equal(network.model.fc.weight, model.fc.weight)
    assert network.preprocessing == Preprocessing(
        80, 64, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("timm/resnet10t.c3_in1k", "pass timm:resnet10t.c3_in1k$"),
        (
            "me/own",
            "pass --arch timm:resnet10t .*--weights FILE, its model.safetensors downloaded$",
        ),
    ],
)
def test_repositories_of_timm_say_what_loads_them(offline, tmp_path, monkeypatch, name, advice):
    config = {"architecture": "resnet10t", "pretrained_cfg": {"input_size": [3, 64, 64]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(
        "network_prune.sources.networks.from_transformers.find_on_hub",
        lambda *_, **__: tmp_path / "config.json",
    )
    with pytest.raises(SourceError, match=advice):
        load_network(f"hf:{name}")
