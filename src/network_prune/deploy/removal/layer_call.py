"""A layer's call: which of its inputs and outputs are needed, so that all that is left agrees."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.deploy.removal.channels import Channels, Constants
from network_prune.pruning.ranking.rankable import Place


@dataclass(eq=False)
class LayerCall:
    """What a layer takes and makes, from what its module is given to what it sends on.

    Channels can be picked between ``given`` and ``taken``, and filled in with constants between
    ``made`` and ``sent``; a norm and whatever else is between ``taken`` and ``made`` can't.

    Attributes:
        name: the layer's path.
        module: it.
        given: of what the module is called with.
        taken: of what the operation inside takes.
        made: of what it makes.
        sent: of what the module returns.
        inputs: the constants among ``taken``.
        outputs: the constants among ``sent``.
        axes: the axis of the channels in what the module takes and returns, counted from the end.
    """

    name: str
    module: nn.Module
    given: Channels
    taken: Channels
    made: Channels
    sent: Channels
    inputs: Constants
    outputs: Constants
    axes: tuple[int, int]

    @property
    def is_norm(self) -> bool:
        """Whether it is a norm, which makes each channel of the same one."""
        return isinstance(self.module, _BatchNorm)

    @property
    def groups(self) -> int:
        """A convolution's groups."""
        groups = getattr(self.module, "groups", 1)
        assert isinstance(groups, int)
        return groups

    @cached_property
    def reads(self) -> Tensor:
        """Which inputs the outputs have weights for, as `reads_of` says."""
        return reads_of(self.module)

    @cached_property
    def representative(self) -> int | None:
        """The constant input that stands for all others that are constant but not zero.

        Each of them is a multiple of it, also where a border is padded with zeros, so weights
        for them can be added to the weights for it.
        """
        if self.is_norm or self.groups > 1:
            return None
        sizes = torch.where(self.inputs.other & self.reads.any(0), self.inputs.value.abs(), 0)
        return int(sizes.argmax()) if bool(sizes.any()) else None

    def settle(self) -> bool:
        """Need what is needed to make what is needed; return whether that is more than before."""
        return any(
            [
                self.made.need(self._rows()),
                self.sent.need(self.made.needed),
                self._need_columns(),
                self.given.need(self.taken.needed),
                # Few channels more cost less than picking the others.
                _is_little_more(self.given.needed, self.taken.needed)
                and self.taken.need(self.given.needed),
            ]
        )

    def leave(self) -> None:
        """Need everything, so that nothing is cut."""
        for channels in (self.given, self.taken, self.made, self.sent):
            channels.need_all()

    def _rows(self) -> Tensor:
        """Return which outputs are computed; the constants among the others are filled in."""
        wanted = self.sent.needed
        rows = wanted & ~self.outputs.known
        is_there = self.is_norm and not bool((wanted & ~self.given.needed).any())
        if is_there or _is_little_more(wanted, rows):
            rows = wanted
        return _at_least_one(rows, wanted)

    def _need_columns(self) -> bool:
        if self.is_norm:
            return False  # taken and made are one
        if self.groups > 1:
            return self._fill_groups()
        used = self.reads[self.made.needed].any(0)
        columns = used & ~self.inputs.known
        if self.representative is not None and bool((used & self.inputs.other).any()):
            columns[self.representative] = True
        return self.taken.need(_at_least_one(columns, columns))

    def _fill_groups(self) -> bool:
        """Need as much in each group that is left, the first ones beside those that are needed."""
        rows = self.made.needed.reshape(self.groups, -1)
        taken = self.taken.needed.reshape(self.groups, -1)
        zero = self.inputs.zero.reshape(self.groups, -1)
        reads = self.reads.reshape(*rows.shape, -1)
        columns = taken | ((reads & rows[..., None]).any(1) & ~zero)
        left = rows.any(1) | columns.any(1)
        rows, columns = _filled(rows, left), _filled(columns, left)
        return any([self.made.need(rows.flatten()), self.taken.need(columns.flatten())])


def canonical_weight(module: nn.Module) -> Tensor:
    """Return a layer's weight as ``[out, in/groups, *kernel]``."""
    weight = module.get_parameter("weight").detach()
    return Place(module).describe("").canonical(weight)


def reads_of(module: nn.Module) -> Tensor:
    """Return bool ``[out, in/groups]``: where a layer's weights aren't all zero."""
    is_read = canonical_weight(module) != 0
    return (is_read.flatten(2).any(2) if is_read.dim() > 2 else is_read).cpu()


def _is_little_more(more: Tensor, less: Tensor) -> bool:
    extra = int(more.sum()) - int(less.sum())
    return 0 < extra <= max(1, int(more.sum()) // 16)


def _at_least_one(channels: Tensor, among: Tensor) -> Tensor:
    """Return ``channels``, the first one ``among`` others, or of all, if there are none."""
    if bool(channels.any()):
        return channels
    channels = channels.clone()
    channels[int(among.to(torch.uint8).argmax())] = True
    return channels


def _filled(needed: Tensor, left: Tensor) -> Tensor:
    """Return ``needed`` ``[groups, channels]`` with as many in each group that is ``left``."""
    count = max(1, int(needed.sum(1).max()))
    # A stable sort puts those needed first, and the others in their order.
    order = needed.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    filled = torch.zeros_like(needed).scatter_(1, order[:, :count], True)
    return filled & left[:, None]
