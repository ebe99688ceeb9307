"""Networks that timm names: ``timm:resnet50``, ``timm:resnet50.a1_in1k``."""

from pathlib import Path
from typing import Any

from torch import nn

from network_prune.errors import SourceError, unknown_name
from network_prune.sources.downloads import fetch_from_hub, fetch_url
from network_prune.sources.networks.architecture import Architecture, Published, unfit
from network_prune.sources.preprocessing import Preprocessing, from_timm


def open_timm(spec: str) -> Architecture:
    """Return the ways to make timm's network ``spec``, ``timm:NAME`` or ``timm:NAME.TAG``.

    Raises:
        SourceError: timm has no such network, or it has no classifier.
    """
    # timm takes seconds to import, and networks of other kinds don't need it.
    import timm

    name = spec.removeprefix("timm:")
    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        raise SourceError(unknown_name("timm network", name, sorted(known)))

    def blank() -> nn.Module:
        _check_classifier(name)
        return timm.create_model(name, pretrained=False)

    def published(weights: str | None) -> Published:
        return _with_weights(name if weights is None else _tagged(name, weights))

    def preprocessing(model: nn.Module) -> Preprocessing:
        config: Any = model.pretrained_cfg
        return from_timm(config, name=spec)

    return Architecture(blank, published, preprocessing)


def is_classifier(name: str) -> bool:
    """Return whether timm's ``name`` classifies, with preprocessing that we can do."""
    try:
        config = _check_classifier(name)
        from_timm(config, name=name)
    except SourceError:
        return False
    return True


def _tagged(name: str, tag: str) -> str:
    import timm

    family = name.partition(".")[0]
    names = timm.list_pretrained(f"{family}.*")
    tags = [tagged.partition(".")[2] for tagged in names]
    if tag not in tags:
        raise SourceError(unknown_name(f"weights for timm:{family}", tag, tags))
    return f"{family}.{tag}"


def _with_weights(name: str) -> Published:
    import timm

    if not timm.models.is_model_pretrained(name):
        raise SourceError(
            f"timm has no weights for {name}; pass --weights none for random ones, or a file"
        )
    config = _check_classifier(name)
    path = _fetch(config)
    try:
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
    except MemoryError:
        raise
    except Exception as error:
        raise unfit(path, f"timm:{name}", error) from error
    tag = config.get("tag") or "default"
    return Published(model, tag, from_timm(config, name=f"timm:{name}"))


def _check_classifier(name: str) -> dict[str, Any]:
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None:
        return {}
    if config.num_classes == 0:
        raise SourceError(f"timm:{name} has no classifier, it only computes features")
    return config.to_dict()


def _fetch(config: dict[str, Any]) -> Path:
    repository = config.get("hf_hub_id")
    if not repository:
        return fetch_url(config["url"])
    name = config.get("hf_hub_filename") or "pytorch_model.bin"
    if not name.endswith(".bin"):
        return fetch_from_hub(repository, (name,))
    if name.endswith("pytorch_model.bin"):
        safe = name.removesuffix("pytorch_model.bin") + "model.safetensors"
    else:
        safe = name.removesuffix(".bin") + ".safetensors"
    return fetch_from_hub(repository, (safe, name))
