"""What is exported computes what the network computes, or isn't kept."""

import stat

import pytest
import timm
import torch
from torch import nn

import network_prune as npr
from network_prune.deploy.export import export as export_module
from network_prune.deploy.export import hf_folder, programs
from tests.networks import same_bits

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
NAMES = {"packed": "n.safetensors", "safetensors": "n.safetensors", "torch": "n.pt2"}
NAMES |= {"onnx": "n.onnx"}


@pytest.fixture
def digits():
    return npr.load_network("digits-plain")


def images_of(network, n=4):
    data = npr.load_data("digits", transform=network.preprocessing.transform())
    return next(iter(data.batches(n, limit=n)))[0]


def by_onnx(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


@torch.no_grad()
def close(found, wanted):
    return torch.allclose(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def nothing_left(folder):
    return list(folder.iterdir()) == []


@pytest.mark.parametrize("to", NAMES)
def test_a_masked_network_is_written_and_stays_masked(tmp_path, digits, to):
    pruned = npr.prune_weights(digits, p_prune=0.5)
    images = images_of(digits)
    done = npr.export(digits, tmp_path / NAMES[to], to=to, images=images)
    assert pruned.summary().total.pruned > 0
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[to]]
    assert done.bytes == (tmp_path / NAMES[to]).stat().st_size
    assert stat.S_IMODE((tmp_path / NAMES[to]).stat().st_mode) & 0o044 == 0o044
    assert done.difference < 1e-5
    npr.make_permanent(digits)
    wanted = digits.model(images[:3])
    if to == "torch":
        found = torch.export.load(tmp_path / NAMES[to]).module()(images[:3])
    elif to == "onnx":
        found = by_onnx(tmp_path / NAMES[to], images[:3])
    else:
        again = npr.load_network("digits-plain", weights=tmp_path / NAMES[to])
        assert all(map(same_bits, again.model.parameters(), digits.model.parameters()))
        found = again.model(images[:3])
    assert close(found, wanted)
    assert (done.ratio < 0.9) == (to == "packed")


@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_a_network_without_its_neurons(tmp_path, to):
    network = npr.load_network("digits")
    images = images_of(network)
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network, images[:1], repeats=0)
    path = tmp_path / NAMES[to]
    done = npr.export(removed, path, to=to, network=network, images=images)
    assert "on 4 images" in done.check
    found = by_onnx(path, images) if to == "onnx" else torch.export.load(path).module()(images)
    assert close(found, removed.model(images))
    assert done.bytes < done.dense_bytes


def test_onnx_says_what_it_was_asked_for(tmp_path, digits):
    npr.export(digits, tmp_path / "a.onnx", to="onnx", opset=18, dynamic=False)
    model = onnx.load(tmp_path / "a.onnx")
    (operators,) = [entry.version for entry in model.opset_import if not entry.domain]
    assert operators == 18
    (images,) = model.graph.input
    assert [size.dim_value for size in images.type.tensor_type.shape.dim] == [2, 1, 32, 32]
    npr.export(digits, tmp_path / "b.onnx", to="onnx")
    (images,) = onnx.load(tmp_path / "b.onnx").graph.input
    assert images.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_half_precision(tmp_path, digits):
    digits.model.half()
    done = npr.export(digits, tmp_path / "a.onnx", to="onnx")
    assert done.difference < 16 * torch.finfo(torch.float16).eps


@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_what_computes_something_else_is_not_kept(tmp_path, digits, monkeypatch, to):
    name = f"write_{to}"
    write = getattr(programs, name)

    def wrong(*arguments, **options):
        compute = write(*arguments, **options)
        return lambda images: compute(images) * 1.01

    monkeypatch.setattr(export_module, name, wrong)
    with pytest.raises(npr.NetworkPruneError, match=r"differ by 1.* so it isn't kept"):
        npr.export(digits, tmp_path / NAMES[to], to=to)
    monkeypatch.setattr(
        export_module, name, lambda *a, **o: lambda images: digits.model(images)[:, :3]
    )
    with pytest.raises(npr.NetworkPruneError, match=r"gives \[2, 3\] for .* and the network"):
        npr.export(digits, tmp_path / NAMES[to], to=to)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("to", ["packed", "safetensors"])
def test_weights_that_are_others_are_not_kept(tmp_path, digits, monkeypatch, to):
    name = {"packed": "save_packed", "safetensors": "safetensors_bytes"}[to]
    write, other = getattr(export_module, name), nn.Linear(2, 2)

    def wrong(*given, **_):
        return write(other if to == "packed" else other.state_dict(), *given[1:])

    with monkeypatch.context() as patch:
        patch.setattr(export_module, name, wrong)
        with pytest.raises(npr.NetworkPruneError, match="gives other weights, so it isn't kept"):
            npr.export(digits.model, tmp_path / NAMES[to], to=to)
    monkeypatch.setattr(export_module, "load_network", lambda *_, **__: npr.load_network("digits"))
    with pytest.raises(npr.NetworkPruneError, match="loads as another, so it isn't kept"):
        npr.export(digits, tmp_path / NAMES["packed"], to="packed")
    assert nothing_left(tmp_path)


def test_a_file_that_was_there_keeps_its_content_until_then(tmp_path, digits, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"mine")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "write_onnx", interrupted)
        with pytest.raises(KeyboardInterrupt):
            npr.export(digits, path, to="onnx")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]
    npr.export(digits, path, to="onnx")
    onnx.load(path)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else self.layer(-x)


@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_what_cannot_be_followed_is_refused_in_a_line(tmp_path, to):
    with pytest.raises(
        npr.NetworkPruneError, match=r"can't be written for .*--no-dynamic"
    ) as raised:
        npr.export(Branching(), tmp_path / NAMES[to], to=to, images=torch.ones(2, 4))
    assert "\n" not in str(raised.value)
    assert nothing_left(tmp_path)


def test_refusals(tmp_path, digits, monkeypatch):
    def refused(match, model=digits, name="a.onnx", **options):
        with pytest.raises(npr.NetworkPruneError, match=match):
            npr.export(model, tmp_path / name, **{"to": "onnx", **options})
        assert nothing_left(tmp_path)

    refused("unknown format 'onx'", to="onx")
    refused(r"doesn't end in \.pt2", to="torch")
    refused("opset=18 is ONNX's", to="torch", name="a.pt2", opset=18)
    refused("opset=0 is too small", opset=0)
    refused("opset=9 can't be written: the exporter gives 18", opset=9)
    refused("opset=99 can't be written", opset=99)
    refused("nothing says what the network takes", model=digits.model)
    refused("aren't two or more images", images=torch.ones(1, 1, 32, 32))
    refused("aren't two or more images", images="noise")
    refused("can't take images", images=torch.ones(2, 7, 32, 32))
    refused("neither timm's nor transformers'", to="hf", name="folder")
    refused("neither timm's nor transformers'", model=digits.model, to="hf", name="folder")
    refused("cannot write", name="missing/a.onnx")
    monkeypatch.setattr(programs, "require", lambda *a, **o: export_module.check_target("a", "b"))
    refused("unknown format 'b'")


def test_an_odd_output_is_refused(tmp_path):
    class Two(nn.Linear):
        def forward(self, x):
            return x, x

    with pytest.raises(npr.NetworkPruneError, match="doesn't give one tensor of finite numbers"):
        npr.export(Two(4, 3), tmp_path / "a.pt2", to="torch", images=torch.ones(2, 4))


def test_onnxruntime_that_refuses(tmp_path, digits, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such operator\nat all")

    monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
    with pytest.raises(npr.NetworkPruneError, match="onnxruntime refuses what was written"):
        npr.export(digits, tmp_path / "a.onnx", to="onnx")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("own", [{}, {"resize": 70, "crop": 64, "mean": [0.5], "std": [0.25]}])
def test_timm_loads_what_was_written(tmp_path, own):
    own = {key: value * 3 if isinstance(value, list) else value for key, value in own.items()}
    network = npr.load_network("timm:resnet10t", weights="none", preprocessing=own)
    npr.prune_weights(network, p_prune=0.5)
    folder = tmp_path / "folder"
    done = npr.export(network, folder, to="hf")
    npr.make_permanent(network)
    again = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    wanted, found = network.model.state_dict(), again.state_dict()
    assert all(same_bits(found[name], wanted[name]) for name in wanted)
    config = timm.data.resolve_data_config(model=again)
    preprocessing = network.preprocessing
    assert tuple(config["input_size"]) == preprocessing.shape
    assert tuple(config["mean"]) == preprocessing.mean
    assert int(config["input_size"][1] / config["crop_pct"]) == preprocessing.resize
    assert done.bytes == sum(path.stat().st_size for path in folder.iterdir())
    with pytest.raises(npr.NetworkPruneError, match="is there already; pass a new folder"):
        npr.export(network, folder, to="hf")
    file = folder / "model.safetensors"
    assert stat.S_IMODE(file.stat().st_mode) & 0o044 == 0o044
    options = {"weights": file, "preprocessing": own}
    loaded = npr.load_network("timm:resnet10t", **options)
    assert all(map(same_bits, loaded.model.parameters(), network.model.parameters()))


def test_what_timm_would_load_as_another_is_not_kept(tmp_path, monkeypatch):
    odd = {"crop_rounding": "down"}
    network = npr.load_network("timm:resnet10t", weights="none", preprocessing=odd)
    with pytest.raises(npr.NetworkPruneError, match="timm can't say the preprocessing"):
        npr.export(network, tmp_path / "folder", to="hf")
    monkeypatch.setattr(hf_folder, "hash_weights", id)
    with pytest.raises(npr.NetworkPruneError, match="the weights that folder gives again"):
        npr.export(network, tmp_path / "folder", to="hf")
    assert nothing_left(tmp_path)


def test_a_network_that_timm_cannot_build_is_refused(tmp_path):
    network = npr.load_network("timm:resnet10t", weights="none")
    image = torch.randn(1, 3, 64, 64)
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network, image, repeats=0)
    with pytest.raises(npr.NetworkPruneError, match="lacks neurons that its library builds"):
        npr.export(removed, tmp_path / "folder", to="hf", network=network)
    assert nothing_left(tmp_path)


def test_transformers_load_what_was_written(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        hidden_sizes=[8, 16], depths=[1, 1], embedding_size=8, layer_type="basic", num_labels=5
    )
    source, folder = tmp_path / "source", tmp_path / "folder"
    transformers.ResNetForImageClassification(config).eval().save_pretrained(source)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(source)
    network = npr.load_network(f"hf:{source}")
    npr.prune_weights(network, p_prune=0.5)
    npr.export(network, folder, to="hf")
    npr.make_permanent(network)
    again = npr.load_network(f"hf:{folder}")
    assert again.weights_sha256 == npr.load_network(f"hf:{folder}").weights_sha256
    assert all(map(same_bits, again.model.parameters(), network.model.parameters()))
    assert again.preprocessing == network.preprocessing
    theirs = transformers.AutoModelForImageClassification.from_pretrained(folder)
    assert all(map(same_bits, theirs.parameters(), network.model.parameters()))
    npr.save_packed(network, tmp_path / "a.safetensors", made={})
    packed = npr.load_network(f"packed:{tmp_path / 'a.safetensors'}")
    assert all(map(same_bits, packed.model.parameters(), network.model.parameters()))
    other = npr.load_network(f"hf:{source}", preprocessing={"mean": [0.1] * 3})
    with pytest.raises(npr.NetworkPruneError, match="its image processor says"):
        npr.export(other, tmp_path / "other", to="hf")


@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_real_photographs_on_the_real_squeezenet(tmp_path, test_data, to):
    name = "squeezenet1_0-deep-compression.safetensors"
    network = npr.load_network("squeezenet1_0", weights=test_data / name)
    npr.prune_weights(network, p_prune=0.8)
    data = npr.load_data(
        test_data / "imagenet-compatible" / "images.csv",
        transform=network.preprocessing.transform(),
        limit=6,
        classes=network.classes,
    )
    images = torch.cat([images for images, _ in data.batches()])
    done = npr.export(network, tmp_path / NAMES[to], to=to, images=images)
    assert "on 6 images" in done.check
    assert done.difference < 1e-5
    npr.make_permanent(network)
    path = tmp_path / NAMES[to]
    found = by_onnx(path, images) if to == "onnx" else torch.export.load(path).module()(images)
    assert torch.equal(found.argmax(1), network.model(images).argmax(1))


def test_a_network_changed_in_more_than_its_tensors_is_not_packed(tmp_path):
    network = npr.load_network("digits")
    for module in network.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1.0
    with pytest.raises(npr.NetworkPruneError, match="digits doesn't build this network"):
        npr.export(network, tmp_path / "n.safetensors", to="packed")
    assert nothing_left(tmp_path)


def test_a_network_that_gives_nan_is_packed(tmp_path, digits):
    with torch.no_grad():
        next(digits.model.parameters()).fill_(float("nan"))
    npr.export(digits, tmp_path / "n.safetensors", to="packed")
    loaded = npr.load_network(f"packed:{tmp_path / 'n.safetensors'}")
    assert bool(next(loaded.model.parameters()).isnan().all())
