"""Write a network as a folder that timm or transformers load."""

from pathlib import Path
from typing import Any

from torch import nn

from network_prune.deploy.export.compared import OtherError
from network_prune.errors import UnsupportedNetworkError
from network_prune.sources.networks.from_transformers import Classifier, save_transformers
from network_prune.sources.networks.load import LoadedNetwork, base_of, load_network
from network_prune.sources.networks.packed.structure import Structure
from network_prune.sources.networks.weights.fit import hash_weights
from network_prune.sources.preprocessing import from_timm

_TIMM, _HF = "timm:", "hf:"
_INSTEAD = "pass --to packed, onnx or torch"


def check_hf(network: LoadedNetwork | None) -> None:
    """Refuse a network of which neither library knows the architecture.

    Raises:
        UnsupportedNetworkError: it is one.
    """
    if network is None or not network.arch.startswith((_TIMM, _HF)):
        name = "the network" if network is None else network.arch
        raise UnsupportedNetworkError(
            f"{name} is neither timm's nor transformers', whose folders --to hf writes; {_INSTEAD}"
        )


def write_hf(model: nn.Module, folder: Path, network: LoadedNetwork) -> str:
    """Write the folder and see that the library loads the same from it; return how.

    Args:
        model: the network, without masks, on the CPU; it may be changed.
        folder: where to; it is there and empty.
        network: what it was loaded as.

    Raises:
        UnsupportedNetworkError: the library can't build it.
        OtherError: what was loaded isn't the same.
    """
    _check_whole(model, network)
    write = _write_timm if network.arch.startswith(_TIMM) else _write_transformers
    return write(model, folder, network)


def _check_whole(model: nn.Module, network: LoadedNetwork) -> None:
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if Structure.of(model, base_of(network, shapes)):
        raise UnsupportedNetworkError(
            f"{network.arch} lacks neurons that its library builds it with; {_INSTEAD}"
        )


def _write_timm(model: nn.Module, folder: Path, network: LoadedNetwork) -> str:
    import timm

    wanted = network.preprocessing
    known: Any = model
    config: dict[str, Any] = dict(known.pretrained_cfg)
    if from_timm(config, name=network.arch) != wanted:
        config |= {
            "input_size": wanted.shape,
            # timm rounds down.
            "crop_pct": wanted.crop / (wanted.resize + 1e-6),
            "interpolation": wanted.interpolation,
            "mean": wanted.mean,
            "std": wanted.std,
            "crop_mode": wanted.crop_mode,
        }
    known.pretrained_cfg = config
    named = {"label_names": list(network.class_names)} if network.class_names else None
    timm.models.save_for_hf(model, str(folder), model_config=named, safe_serialization=True)
    again: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    _check_same(again, model, folder)
    if from_timm(again.pretrained_cfg, name=network.arch) != wanted:
        raise OtherError(f"timm can't say the preprocessing {wanted}; pass --to packed or onnx")
    return "timm loads the same bits (local-dir:FOLDER)"


def _write_transformers(model: nn.Module, folder: Path, network: LoadedNetwork) -> str:
    assert isinstance(model, Classifier)
    save_transformers(model, folder, network.arch)
    again = load_network(f"hf:{folder}", warn=False)
    _check_same(again.model, model, folder)
    if again.preprocessing != network.preprocessing:
        raise OtherError(
            f"its image processor says {again.preprocessing}, not {network.preprocessing}; leave "
            f"out --resize, --crop and their kin, or {_INSTEAD}"
        )
    return "transformers loads the same bits (hf:FOLDER)"


def _check_same(again: nn.Module, model: nn.Module, folder: Path) -> None:
    if hash_weights(again) != hash_weights(model):
        raise OtherError(f"the weights that {folder.name} gives again are others; {_INSTEAD}")
