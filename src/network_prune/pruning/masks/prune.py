"""Prune a network by masks and take the masks off again."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.core.usual_settings import check_no_transform
from network_prune.display.html import html_table
from network_prune.errors import ArgumentError, StateError
from network_prune.plain_text import plain
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.masks.mask_hook import MaskMethod
from network_prune.pruning.masks.refresher import attach_refreshers, drop_refreshers
from network_prune.pruning.masks.summary import Summary, summarize
from network_prune.pruning.masks.targets import Target, find_targets
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.ranking.rankable import storage_key
from network_prune.pruning.recalibration.statistics import are_exchanged, forget, put_back
from network_prune.pruning.state import check_not_pruned, one_at_a_time
from network_prune.pruning.unfinished import Change, settling

# A module, and the hook that puts a mask on one of its tensors.
_Masked = tuple[nn.Module, MaskMethod]


class Pruned:
    """A network under masks, made by `prune`; leaving it as a context restores the network.

    Attributes:
        model: the network.
        prunable: the prunable set that draws are made from; the draw where `prune` was given one.
        draw: the present draw.
    """

    def __init__(
        self,
        model: nn.Module,
        prunable: PrunableSet | Draw,
        draw: Draw,
        methods: dict[Target, MaskMethod],
    ) -> None:
        self.model = model
        self.prunable = prunable
        self.draw = draw
        self._methods = methods

    @settling
    def redraw(self, index: int | None = None) -> None:
        """Exchange the masks for those of another draw of the same seed.

        Args:
            index: which draw; the one after the present one by default.

        Raises:
            ArgumentError: ``index`` isn't in [0, 2**64).
            StateError: masks were taken off or stacked on by other means meanwhile; `prune` was
                given a draw; or this is inside a torch.func transform.
        """
        check_no_transform()
        self._check_masked()
        p_bern, seed, last = self.draw.p_bern, self.draw.seed, self.draw.index
        prunable = self.prunable
        if isinstance(prunable, Draw) or p_bern is None or seed is None or last is None:
            raise StateError(
                "the network was pruned by one draw, which says nothing of others; restore it and "
                "call prune(model, prunable, ...) with the draw's prunable set"
            )
        for target, method in self._methods.items():
            if len(method) or not method.is_on(target.module):
                raise StateError(
                    f"layer {target.layer!r} was changed by torch.nn.utils.prune meanwhile; "
                    "call network_prune.restore(model) and prune the network again"
                )
        index = last + 1 if index is None else index
        draw = prunable.draw(p_bern=p_bern, seed=seed, index=index)
        masks = {target: target.mask(draw) for target in self._methods}
        shown = {t: t.module._buffers[f"{t.name}_mask"] for t in self._methods}
        exchange = partial(self._exchange, masks, draw)
        Change(exchange, partial(self._exchange, shown, self.draw)).complete()

    @settling
    def refresh(self) -> None:
        """Compute all masked weights anew, after a write that no forward notices (see `prune`).

        Raises:
            StateError: the masks were taken off; or this is inside a torch.func transform.
        """
        check_no_transform()
        self._check_masked()
        Change(self._renew, self._renew).complete()

    @settling
    def restore(self) -> None:
        """Take the masks off: the network is exactly what it was. Twice does no harm."""
        if self._is_masked():
            restore(self.model)

    def summary(self) -> Summary:
        """Return where the masks lie, per layer and in total.

        Raises:
            StateError: the network was restored meanwhile, or its masks aren't those
                of the draw any more, e.g. after load_state_dict.
        """
        self._check_masked()
        silenced: list[tuple[Tensor, Tensor]] = []
        for target in self._methods:
            mask = getattr(target.module, f"{target.name}_mask", None)
            if mask is None or not torch.equal(mask.bool(), target.mask(self.draw).bool()):
                raise StateError(
                    f"the mask of layer {target.layer!r} isn't that of draw {self.draw.index} any "
                    "more; call redraw, or restore and prune the network again"
                )
            if target.per_neuron:
                silenced.append((getattr(target.module, f"{target.name}_orig"), mask.bool()))
        return summarize(self.model, self.prunable, self.draw, silenced=silenced)

    def __enter__(self) -> "Pruned":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.restore()
        finally:
            self.restore()  # Ctrl-C may have come before the first one had begun

    def __repr__(self) -> str:
        if not self._is_masked():
            return plain(f"Pruned({type(self.model).__name__}, restored)")
        name = plain(type(self.model).__name__)
        return f"Pruned({name}, {len(self.prunable)} prunable: {self.draw!r})"

    def _repr_html_(self) -> str:
        if not self._is_masked():
            return html_table(["network", "masks"], [(type(self.model).__name__, "taken off")])
        kind, draw = self.prunable.granularity, self.draw
        prunable, pruned = self.prunable.elements.counts, draw.elements.counts
        sizes = {layer.name: layer.element_count(kind) for layer in draw.layers}
        return html_table(
            ["layer", kind.plural, "prunable", "pruned", "share pruned"],
            [(n, k, prunable[n], pruned[n], f"{pruned[n] / k:.2%}") for n, k in sizes.items()],
            caption=repr(self),
        )

    def _exchange(self, masks: Mapping[Target, Tensor | None], draw: Draw) -> None:
        for target in self._methods:
            target.module._buffers[f"{target.name}_mask"] = masks[target]
        self.draw = draw
        self._renew()

    def _renew(self) -> None:
        for target, method in self._methods.items():
            if method.is_on(target.module):
                method.renew(target.module)

    def _is_masked(self) -> bool:
        return any(method.is_on(target.module) for target, method in self._methods.items())

    def _check_masked(self) -> None:
        if not self._is_masked():
            raise StateError("the masks were taken off; prune the network again for new ones")


@settling
@one_at_a_time
def prune(
    model: AnyNetwork,
    prunable: PrunableSet | Draw,
    *,
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    with_norm: bool = False,
) -> Pruned:
    """Mask the elements of one draw from ``prunable``, by torch.nn.utils.prune's means.

    Side effects on the modules that hold a ranked weight, until restored:

    1. the Parameter ``weight`` is called ``weight_orig``, in the same place;
    2. the buffer ``weight_mask`` is added, 1 = keep and 0 = pruned in the weight's dtype,
       as torch's own; whatever isn't 0 counts as 1, so that averaging buffers does no harm;
    3. ``weight`` is a plain tensor, +0.0 where masked, kept up to date by a forward
       pre-hook: in every forward while weights need gradients, otherwise only after
       they changed; the modules around have hooks that do the same before their own
       forward, since some read a weight without calling its layer.

    Whether a frozen weight changed is told by its identity, its version and, since
    writes through ``.data`` or ``.numpy()`` raise none, 64 values spread over it. So every
    write counts that autograd knows of, and others that change most of the values; others
    that change a few, and those to ``weight_mask``, may need `Pruned.refresh`. On other
    devices than a CPU a frozen weight is computed in every forward as well.

    Masks work under torch.func, and in what torch.fx traces: layers that it calls as a whole
    follow later changes; a weight that the traced code reads itself stays as it was then.
    torch.jit.script refuses them.

    Args:
        model: the network that ``prunable`` was ranked on, or one of the same shapes.
        prunable: what `rank` returned, or a draw, which is then the mask: one that was loaded,
            say, or `Draw.from_model` found; then the other numbers have no meaning.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draws.
        index: which draw of the seed.
        with_norm: prune a neuron's bias and its BatchNorm's weight and bias with it, so
            that it sends out zeros; otherwise it sends out its BatchNorm's constant.

    Raises:
        ArgumentError: a value is outside what is allowed.
        StateError: the network is pruned already.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.

    Source: arXiv 2208.08677, section 3.2.
    """
    model = module_of(model)
    draw = _draw_of(prunable, p_bern, seed, index)
    check_not_pruned(model)
    targets = find_targets(model, prunable, with_norm)
    masks = {target: target.mask(draw) for target in targets}
    methods = {target: MaskMethod(target.name) for target in targets}
    masked = [(target.module, method) for target, method in methods.items()]

    def put_on() -> None:
        for (module, method), mask in zip(masked, masks.values(), strict=True):
            method.attach(module, mask)
        attach_refreshers(model, masked)

    Change(put_on, lambda: _take_off(model, masked)).complete()
    return Pruned(model, prunable, draw, methods)


def _draw_of(prunable: PrunableSet | Draw, p_bern: float, seed: int, index: int) -> Draw:
    if isinstance(prunable, PrunableSet):
        return prunable.draw(p_bern=p_bern, seed=seed, index=index)
    if (p_bern, seed, index) != (1.0, 0, 0):
        raise ArgumentError(
            f"a draw is a mask already, so that p_bern={p_bern}, seed={seed}, index={index} mean "
            "nothing; leave them out, or pass the prunable set"
        )
    return prunable


@settling
@one_at_a_time
def restore(model: AnyNetwork) -> None:
    """Take every mask of ours off: Parameters, their order, values and hooks as they were.

    Statistics from before `recalibrate` come back, too. Masks that torch.nn.utils.prune's own
    methods stacked on ours go with them. What was trained meanwhile stays trained.

    Raises:
        StateError: the network carries no mask of ours and isn't recalibrated.
    """
    model = module_of(model)
    masked = _masked_tensors(model)
    if not masked and not any(map(are_exchanged, model.modules())):
        raise StateError(
            "the network carries no mask of network-prune; there is nothing to restore"
        )

    def take_off() -> None:
        put_back(model)
        _take_off(model, masked)

    Change(take_off, take_off).complete()


def clear(model: nn.Module) -> None:
    """Take off what `restore` does, if there is anything, for a `Change`; harmless twice."""
    put_back(model)
    _take_off(model, _masked_tensors(model))


@settling
@one_at_a_time
def make_permanent(model: AnyNetwork) -> None:
    """Bake the zeros in and take the masks off: a plain network, Parameters in their order.

    The Parameter objects stay; their values move to new memory, so a state_dict taken
    before keeps the unpruned weights. torch.autocast forgets its copies of them. What
    `recalibrate` estimated stays, in new buffers.

    Raises:
        StateError: the network carries no mask of ours and isn't recalibrated, or modules that
            share a tensor carry different masks on it; or this is inside a torch.func transform.
    """
    check_no_transform()
    model = module_of(model)
    masked = _masked_tensors(model)
    if not masked and not any(map(are_exchanged, model.modules())):
        raise StateError("the network carries no mask of network-prune; prune it first")
    originals = [getattr(module, f"{hook._tensor_name}_orig") for module, hook in masked]
    values = _baked(masked)

    def bake() -> None:
        for original, value in zip(originals, values, strict=True):
            original.data = value
        torch.clear_autocast_cache()
        forget(model)
        _take_off(model, masked)

    Change(bake, bake).complete()


def _baked(masked: list[_Masked]) -> list[Tensor]:
    """Return each tensor under its mask, the same one for those that share their memory.

    All are computed before any is put in place: memory that becomes free is used again,
    so an address says who shares with whom only while all originals live.
    """
    baked: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}
    values: list[Tensor] = []
    for module, hook in masked:
        name = hook._tensor_name
        mask = getattr(module, f"{name}_mask")
        original = getattr(module, f"{name}_orig")
        key = storage_key(original)
        if key not in baked:
            # Memory of the one kind in a tensor of the other can't be used.
            with torch.inference_mode(original.is_inference()):
                baked[key] = mask, hook.apply_mask(module).detach()
        elif not torch.equal(baked[key][0], mask):
            raise StateError(
                f"several modules share one {name} under different masks, which can't be baked "
                "into it; restore the network and prune without with_norm or stacked masks"
            )
        values.append(baked[key][1])
    return values


def _masked_tensors(model: nn.Module) -> list[_Masked]:
    return [
        (module, hook)
        for module in model.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, MaskMethod)
    ]


def _take_off(model: nn.Module, masked: Sequence[_Masked]) -> None:
    """Take masks off, and what kept them right around; harmless twice."""
    for module, hook in masked:
        hook.take_off(module)
    drop_refreshers(model)
