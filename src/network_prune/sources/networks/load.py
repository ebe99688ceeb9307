"""Networks by name: what ``--arch`` and ``--weights`` mean."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.core.foreign_code import no_exits
from network_prune.core.usual_settings import usual_settings
from network_prune.display.text import warn as warn_of
from network_prune.errors import SourceError, one_line
from network_prune.option_checks import text as check_text
from network_prune.sources.digits.embedded import NETWORKS
from network_prune.sources.digits.names import NAMES
from network_prune.sources.digits.pictures import CLASSES, PREPROCESSING
from network_prune.sources.downloads import cache_in
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.from_python import (
    mistyped_prefix,
    names_python_module,
    open_python_file,
    open_python_module,
)
from network_prune.sources.networks.from_timm import open_timm
from network_prune.sources.networks.from_torch_hub import open_torch_hub
from network_prune.sources.networks.from_torchvision import open_torchvision
from network_prune.sources.networks.from_transformers import open_transformers
from network_prune.sources.networks.packed.built import base_network
from network_prune.sources.networks.packed.from_packed import PREFIX as PACKED
from network_prune.sources.networks.packed.from_packed import open_packed, restructured_as
from network_prune.sources.networks.packed.structure import Shapes
from network_prune.sources.networks.stated import stated_class_names
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.files import is_weights_file, weights_name
from network_prune.sources.networks.weights.fit import fit, hash_weights, load_weights
from network_prune.sources.outputs import Outputs
from network_prune.sources.preprocessing import Preprocessing, Unstated

SEED = 0
# The seed and the folder of the downloads are the whole process's.
_loading = threading.RLock()


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network ready to be evaluated, and what it is.

    Attributes:
        model: on the CPU, in eval mode; takes float [n, C, crop, crop], gives [n, classes].
        name: the network as it was asked for.
        weights: where the weights come from, for people.
        weights_sha256: hash of the state dict: names, dtypes, shapes and bytes, in order.
        preprocessing: what turns pictures into the network's input.
        classes: number of outputs.
        class_names: what the network says its outputs stand for, in order; empty if nothing.
        notes: what to know about the network, for people.
        arch: the name of the network that it is built as, where its own ``name`` is that of a
            packed file; the same by default.
        made: how it was made, as the packed file says that it comes from; ``"of"`` is
            the network that it was made of. Empty for all others.
    """

    model: nn.Module
    name: str
    weights: str
    weights_sha256: str
    preprocessing: Preprocessing
    classes: int
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    arch: str = ""
    made: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        object.__setattr__(self, "arch", self.arch or self.name)

    @property
    def outputs(self) -> Outputs:
        """What the outputs stand for, as far as it is known."""
        return Outputs(self.classes, self.class_names)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to name a network.

    Attributes:
        shown: how errors and help show it.
        accepts: whether a name is of this form.
        open: makes the architecture for a name; raises SourceError.
        in_files: whether a packed file may name it; not what runs code, nor another file.
    """

    shown: str
    accepts: Callable[[str], bool]
    open: Callable[[str], Architecture]
    in_files: bool = False


def _open_packed(spec: str) -> Architecture:
    def open_named(arch: str) -> Architecture | None:
        form = _form_of(arch)
        return form.open(arch) if form.in_files else None

    return open_packed(spec, open_named)


def _open_embedded(name: str) -> Architecture:
    embedded = NETWORKS[name]

    def published() -> Published:
        model = embedded.build()
        load_weights(model, embedded.weights)
        return Published(model, "embedded", PREPROCESSING)

    def resized(outputs: int) -> Architecture:
        blank = partial(embedded.build, outputs)
        return Architecture(blank, published, lambda _: PREPROCESSING, resized=resized)

    return resized(CLASSES)


# The first form that accepts a name opens it; the last one takes what is left.
FORMS: tuple[Form, ...] = (
    Form(", ".join(NAMES), lambda name: name in NAMES, _open_embedded, in_files=True),
    Form("timm:NAME", lambda name: name.startswith("timm:"), open_timm, in_files=True),
    Form(
        "hf:ORG/NAME[@REVISION] or hf:FOLDER",
        lambda name: name.startswith("hf:"),
        open_transformers,
        in_files=True,
    ),
    Form(
        "hub:OWNER/REPO[:REF]:ENTRY or hub:FOLDER:ENTRY",
        lambda name: name.startswith("hub:"),
        open_torch_hub,
    ),
    Form("packed:FILE", lambda name: name.startswith(PACKED), _open_packed),
    Form("file.py:callable", lambda name: ".py:" in name, open_python_file),
    Form("package.module:callable", names_python_module, open_python_module),
    Form(
        "a torchvision name such as resnet18",
        lambda name: ":" not in name,
        open_torchvision,
        in_files=True,
    ),
)


def load_network(
    spec: str | os.PathLike[str] = "digits",
    *,
    weights: str | os.PathLike[str] | Enum | None = "default",
    preprocessing: Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    warn: bool = True,
) -> LoadedNetwork:
    """Return the network that ``spec`` names, with its weights, in eval mode.

    It is built as published, on the CPU and in float32 unless its code or file says
    otherwise, whatever PyTorch's defaults are at present.

    Args:
        spec: ``digits``, ``digits-plain``, ``digits-attention`` or ``digits-mixer``
            (embedded), a torchvision name such as ``resnet18``,
            ``timm:NAME`` or ``timm:NAME.TAG``, transformers' ``hf:ORG/NAME[@REVISION]``
            or ``hf:FOLDER``, torch.hub's ``hub:OWNER/REPO[:REF]:ENTRY`` or
            ``hub:FOLDER:ENTRY``, ``packed:FILE`` (what `save_packed` wrote),
            ``file.py:callable`` or ``package.module:callable``.
            Those of torch.hub and the last two run the code that they name; callables are
            called without arguments.
        weights: ``default`` for the published weights (torchvision's
            IMAGENET1K_V1 where it exists), ``none`` or None for random weights
            (always the same), the name of published weights, as text or
            torchvision's enumeration has it, or a safetensors or torch file. What
            looks like a path or exists as one is a file. Torch files are read
            without running code in them. Of a checkpoint that holds several weights,
            ``FILE:KEY`` takes those under a key; ``FILE`` alone takes what timm takes,
            averaged weights before raw ones, and ``notes`` says so. Where a file's
            head has another number of outputs than the network, the network is made
            with as many.
        preprocessing: fields of `Preprocessing` to use instead of those that the
            weights ask for, e.g. ``{"resize": 40, "crop": 32}``; None keeps a field.
        cache_dir: folder that published weights go to and are looked for in, instead
            of torch's and the hub's own: ``torch/checkpoints/FILE`` in it for
            torchvision's, ``huggingface/hub`` for timm's.
        warn: give a warning for each of the network's ``notes``, e.g. that it doesn't say
            what its pictures look like.

    Raises:
        ArgumentError: a preprocessing field or its value isn't allowed.
        SourceError: the name is unknown, the weights don't fit or can't be
            read, or the network isn't an image classifier.
        RunError: weights must be downloaded and can't be, or ``cache_dir`` can't be made.
        UserCodeError: code of the network's wants to end the program.
    """
    spec = check_text("spec", spec)
    form = _form_of(spec)
    with cache_in(cache_dir), _alone():
        architecture = form.open(spec)
        made = _make(architecture, spec, weights_name(weights, spec))
        model = made.model.eval()
        asked = preprocessing or {}
        expected = made.preprocessing.replace(**asked)
        classes = _count_classes(model, expected, spec)
    names = made.class_names or stated_class_names(model)
    guessed = made.preprocessing.note(**asked) if isinstance(made.preprocessing, Unstated) else ()
    notes = (*made.notes, *guessed, *_unused(names, classes, spec))
    warn_of(notes if warn else (), stacklevel=2)
    return LoadedNetwork(
        model=model,
        name=spec,
        weights=made.weights,
        weights_sha256=hash_weights(model),
        preprocessing=expected,
        classes=classes,
        class_names=names if len(names) == classes else (),
        notes=notes,
        arch=architecture.base or "",
        made=made.made,
    )


def architecture_of(spec: str) -> Architecture:
    """Return the ways to make the network that ``spec`` names.

    Raises:
        SourceError: the name is unknown.
    """
    return _form_of(spec).open(spec)


def goes_in_files(spec: str) -> bool:
    """Return whether a packed file may name the network ``spec``: no code of a user's makes it."""
    return _form_of(spec).in_files


def base_of(network: LoadedNetwork, shapes: Shapes) -> nn.Module | None:
    """Return the network that one is made from, with random weights; None for one of a user's code.

    Args:
        network: the one.
        shapes: of its tensors, by name.

    Raises:
        SourceError: its architecture can't be made any more.
        StructureError: it can't be made with so many classes.
    """
    if not goes_in_files(network.arch):
        return None
    with _alone():
        architecture = architecture_of(network.arch)
        return base_network(architecture, network.classes, shapes, most_bytes=sys.maxsize)


@contextlib.contextmanager
def _alone() -> Generator[None]:
    """Make networks meanwhile, which are the same in every run and leave the process as it is."""
    # Random weights are the same in every run, and the caller's random state stays untouched.
    # The first forward pass may make some: that of lazy layers.
    # What networks print is no result of ours, so it doesn't go where results go.
    with (
        _loading,
        no_exits(),
        usual_settings(),
        torch.random.fork_rng(devices=[]),
        contextlib.redirect_stdout(sys.stderr),
    ):
        torch.manual_seed(SEED)
        yield


def _form_of(spec: str) -> Form:
    form = next((form for form in FORMS if form.accepts(spec)), None)
    if form is None:
        shown = ", ".join(form.shown for form in FORMS)
        hint = mistyped_prefix(spec)
        raise SourceError(
            f"unknown kind of network {spec!r}; {hint + ' ' if hint else ''}pass one of: {shown}"
        )
    return form


def _unused(names: tuple[str, ...], classes: int, spec: str) -> tuple[str, ...]:
    if len(names) in (0, classes):
        return ()
    return (f"{spec} names {len(names)} classes for {classes} outputs; the names aren't used",)


def _make(architecture: Architecture, spec: str, weights: str) -> Published:
    if weights == "default":
        return architecture.published()
    blank = architecture.blank
    if weights == "none":
        if spec.startswith(PACKED):
            raise SourceError(
                f"{spec} has weights of its own, and no others are made for it; pass --weights "
                f"default, or --arch {architecture.base} for random ones"
            )
        if blank is None:
            raise SourceError(
                f"{spec} comes as its callable makes it; pass --weights default or a file"
            )
        model = blank()
        return Published(model, f"none (random, seed {SEED})", architecture.preprocessing(model))
    if is_weights_file(weights):
        return _from_file(architecture, weights)
    if architecture.named is None:
        ways = "default or a file" if blank is None else "default, none or a file"
        raise SourceError(f"{spec} has no weights {weights!r}; pass {ways}")
    return architecture.named(weights)


def _from_file(architecture: Architecture, weights: str) -> Published:
    """Return the network with the weights of ``FILE`` or ``FILE:KEY``, and the outputs they have.

    Raises:
        SourceError: they can't be read or don't fit.
    """
    checkpoint = Checkpoint(weights)
    blank, resized = architecture.blank, architecture.resized
    is_published = True
    model = architecture.published().model if blank is None else blank()
    # What a file names has that file's structure already.
    model = model if architecture.base else restructured_as(model, checkpoint.path)
    taken = fit(model, checkpoint, architecture.adapt)
    if taken.outputs is not None and resized is not None:
        other = resized(taken.outputs)
        assert other.blank is not None, "what can be resized can be made"
        model = restructured_as(other.blank(), checkpoint.path)
        again = fit(model, checkpoint, other.adapt)
        is_published = bool(again.problems)
        taken = taken if again.problems else again
    taken.check(can_resize=resized is not None)
    preprocessing = architecture.preprocessing(model)
    if not is_published and isinstance(preprocessing, Preprocessing):
        preprocessing = Unstated(Path(weights).name, published=preprocessing)
    return Published(model, taken.weights, preprocessing, notes=taken.notes)


@torch.no_grad()
def _count_classes(model: nn.Module, preprocessing: Preprocessing, spec: str) -> int:
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    dtype = torch.float32 if weight is None else weight.dtype
    try:
        output: Any = model(torch.zeros(1, *preprocessing.shape, dtype=dtype))
    except Exception as error:
        shape = list(preprocessing.shape)
        raise SourceError(
            f"{spec} can't take an input of {shape} ({one_line(error)}); "
            "pass the size that it takes, e.g. --resize 32 --crop 32, and a mean and std for each "
            "of its channels, e.g. --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5, or give a network of "
            "your own an attribute such as default_cfg = {'input_size': (3, 32, 32)}"
        ) from error
    if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != 1:
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise SourceError(f"{spec} gives {got} for one picture; a classifier gives [1, classes]")
    return output.shape[1]
