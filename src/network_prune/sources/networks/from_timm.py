"""Networks that timm names: ``timm:resnet50``, ``timm:resnet50.a1_in1k``.

timm takes seconds to import, and networks of other kinds don't need it.
"""

import re
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from network_prune.errors import SourceError, one_line, unknown_name
from network_prune.extras import is_installed, require
from network_prune.sources.downloads import fetch_from_hub, fetch_url
from network_prune.sources.imagenet import synsets_of
from network_prune.sources.networks.architecture import Architecture, Published, unfit
from network_prune.sources.networks.weights.files import State
from network_prune.sources.preprocessing import Preprocessing, from_timm
from network_prune.sources.published_files import weights_text

_IMAGENET_TAG = re.compile(r"in(1|12|21|22)k$")


def open_timm(spec: str) -> Architecture:
    """Return the ways to make timm's network ``spec``, ``timm:NAME`` or ``timm:NAME.TAG``.

    Raises:
        SourceError: timm isn't installed, has no such network, or it has no classifier.
    """
    require("timm", what=spec)
    import timm

    name = spec.removeprefix("timm:")
    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        raise SourceError(unknown_name("timm network", name, sorted(known)))

    def preprocessing(model: nn.Module) -> Preprocessing:
        config: Any = model.pretrained_cfg
        return from_timm(config, name=spec)

    def resized(outputs: int | None) -> Architecture:
        def blank() -> nn.Module:
            _configuration(name)
            return build_timm(spec, outputs)

        return Architecture(
            blank,
            partial(_with_weights, name),
            preprocessing,
            named=lambda weights: _with_weights(_tagged(name, weights)),
            adapt=partial(_rename, name),
            resized=resized,
        )

    return resized(None)


def build_timm(spec: str, outputs: int | None = None) -> nn.Module:
    """Return timm's network ``spec`` with random weights, and so many outputs."""
    import timm

    options: dict[str, Any] = {} if outputs is None else {"num_classes": outputs}
    return timm.create_model(spec.removeprefix("timm:"), pretrained=False, **options)


def list_timm() -> dict[str, tuple[str, ...]]:
    """Return the specs of timm's classifiers, each with its weights, the default first.

    A family whose default weights don't classify is there by those that do, each alone. There
    are none where timm isn't installed.
    """
    if not is_installed("timm"):
        return {}
    import timm

    tags: dict[str, list[str]] = {name: [] for name in timm.list_models()}
    for name in filter(_is_classifier, timm.list_pretrained()):
        family, _, tag = name.partition(".")
        tags[family].append(tag)
    found: dict[str, tuple[str, ...]] = {}
    for family, own in tags.items():
        if _is_classifier(family):
            default = _configuration(family).get("tag")
            found[f"timm:{family}"] = tuple(sorted(own, key=lambda tag: tag != default))
        else:
            found |= {f"timm:{family}.{tag}": (tag,) for tag in own}
    return found


def _is_classifier(name: str) -> bool:
    """Return whether timm's ``name`` classifies, with preprocessing that we can do."""
    try:
        from_timm(_configuration(name), name=name)
    except SourceError:
        return False
    return True


def _tagged(name: str, tag: str) -> str:
    import timm

    family = name.partition(".")[0]
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{family}.*")]
    if tag not in tags:
        raise SourceError(unknown_name(f"weights for timm:{family}", tag, tags))
    return f"{family}.{tag}"


def _with_weights(name: str) -> Published:
    import timm

    if not timm.models.is_model_pretrained(name):
        raise SourceError(
            f"timm has no weights for {name}; pass --weights none for random ones, or a file"
        )
    config = _configuration(name)
    path = _fetch(config)
    text = weights_text(config.get("tag") or "default", path)
    try:
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
    except MemoryError:
        raise
    except Exception as error:
        raise unfit(path, f"timm:{name}", one_line(error)) from error
    preprocessing = from_timm(config, name=f"timm:{name}")
    return Published(model, text, preprocessing, _class_names(config))


def _rename(name: str, state: State, model: nn.Module) -> State:
    """Return ``state`` by timm's names where it has those of a network's first authors.

    What timm would compute anew, e.g. for pictures of another size, is left as it is.
    """
    import timm

    entry = timm.models.model_entrypoint(name.partition(".")[0])
    rename: Any = getattr(sys.modules[entry.__module__], "checkpoint_filter_fn", None)
    if rename is None or model.state_dict().keys() == state.keys():
        return state
    # What is wrong is said where names and shapes are compared.
    with suppress(Exception):
        renamed: State = dict(rename(dict(state), model))
        places = {value.data_ptr() for value in state.values()}
        return renamed if all(v.data_ptr() in places for v in renamed.values()) else state
    return state


def _configuration(name: str) -> dict[str, Any]:
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None:
        return {}
    if config.num_classes == 0:
        raise SourceError(f"timm:{name} has no classifier, it only computes features")
    return config.to_dict()


def _class_names(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the synsets of the outputs of weights that were trained on ImageNet."""
    if config.get("label_names") or not _IMAGENET_TAG.search(config.get("tag") or ""):
        return tuple(config.get("label_names") or ())
    names = synsets_of(config["num_classes"])
    return tuple(name for name in names if name) if all(names) else ()


def _fetch(config: dict[str, Any]) -> Path:
    repository = config.get("hf_hub_id")
    if not repository:
        return fetch_url(config["url"])
    name = config.get("hf_hub_filename") or "pytorch_model.bin"
    stem = name.removesuffix(".bin")
    if stem == name:
        return fetch_from_hub(repository, (name,))
    if stem.endswith("pytorch_model"):
        stem = stem.removesuffix("pytorch_model") + "model"
    return fetch_from_hub(repository, (f"{stem}.safetensors", name))
