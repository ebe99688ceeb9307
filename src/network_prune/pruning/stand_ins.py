"""Stand-ins for weights, half of which is zero, and what becomes of them."""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import torch
from torch import Tensor


class Fate(IntEnum):
    """What a tensor that was made of a weight has of it; the worst of several counts."""

    PICKED = 1  # some of its values, in other numbers
    KEPT = 2  # its zeros
    CHANGED = 3  # no longer its zeros


@dataclass(slots=True)
class _Memory:
    """A piece of memory that holds weights, or what was made of them.

    Attributes:
        owner: a tensor there, so that the address isn't used again.
        fates: by layer, what it has of the layer's weight.
        stand_in: what would lie there if half of each weight were zero; None before it's needed.
    """

    owner: Tensor
    fates: dict[str, Fate] = field(default_factory=dict[str, Fate])
    stand_in: torch.UntypedStorage | None = None


class StandIns:
    """Stand-ins for the weights of layers, by address of memory; made when first needed.

    Args:
        weights: names of layers, each with a tensor that holds its weight.
    """

    def __init__(self, weights: Iterable[tuple[str, Tensor]] = ()) -> None:
        self._memory: dict[int, _Memory] = {}
        self._vectors: set[str] = set()
        for name, weight in weights:
            self._vectors |= {name} if weight.dim() < 2 else set()
            self._memory.setdefault(address(weight), _Memory(weight)).fates[name] = Fate.KEPT

    def fates(self, tensors: Iterable[Tensor]) -> dict[str, Fate]:
        """Return by layer what any of the tensors has of its weight."""
        fates: dict[str, Fate] = {}
        for memory in map(self._memory.get, map(address, tensors)):
            for name, fate in memory.fates.items() if memory else ():
                fates[name] = max(fate, fates.get(name, fate))
        return fates

    def of(self, tensors: Iterable[Tensor], written: Iterable[Tensor]) -> dict[int, Tensor]:
        """Return by id a stand-in for each of the tensors made of a weight, or ``written``."""
        for tensor in written:
            self._memory.setdefault(address(tensor), _Memory(tensor))
        known = (each for each in tensors if address(each) in self._memory)
        return {id(tensor): self._stand_in(tensor) for tensor in known}

    def mixed(self, sources: Sequence[Tensor]) -> dict[str, Fate]:
        """Return the `fates` of layers that are mixed with what isn't made of weights.

        That is how a norm's weight and a bias are used, which are vectors; a matrix is only
        where the other is larger. What comes out isn't the layer's weight any more.
        """
        others = [t.numel() for t in sources if t.is_floating_point() and not self.fates([t])]
        largest = max(others, default=1)
        return self.fates(
            each
            for each in sources
            if each.numel() < largest or (largest > 1 and self._vectors & self.fates([each]).keys())
        )

    def judge(
        self, sources: Sequence[Tensor], mixed: Container[str]
    ) -> Callable[[Tensor, Tensor], None]:
        """Return what notes of a tensor made of ``sources``, and its stand-in, what it has.

        Layers that are ``mixed`` in are left out.
        """
        fates = [
            {name: fate for name, fate in self.fates([each]).items() if name not in mixed}
            for each in sources
        ]
        parts = [
            _Part(name, fate, each.numel(), _zeros(self._stand_in(each)))
            for each, found in zip(sources, fates, strict=True)
            for name, fate in found.items()
            if fate is not Fate.PICKED
        ]
        total = sum(each.numel() for each in sources)
        picks = any(each.dtype in (torch.int64, torch.int32) for each in sources)

        def note(tensor: Tensor, stand_in: Tensor) -> None:
            size, found = tensor.numel(), dict[str, Fate]()
            if picks or (all(fates) and all(size > part.size for part in parts)):
                found = dict.fromkeys((part.layer for part in parts), Fate.PICKED)
            if not picks:
                same = parts if size == total else [each for each in parts if each.size == size]
                found |= _fates(same, _zeros(stand_in), joined=size == total)
            self._keep(tensor, stand_in, found)

        return note

    def _keep(self, tensor: Tensor, stand_in: Tensor, fates: dict[str, Fate]) -> None:
        place, storage = address(tensor), tensor.untyped_storage()
        memory = self._memory.setdefault(place, _Memory(tensor))
        if tensor.numel() * tensor.itemsize < storage.nbytes():  # the rest is what it was
            for name, fate in memory.fates.items():
                fates[name] = max(fate, fates.get(name, fate))
        memory.fates, memory.stand_in = fates, stand_in.untyped_storage()
        if not fates:
            del self._memory[place]

    def _stand_in(self, tensor: Tensor) -> Tensor:
        memory = self._memory[address(tensor)]
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        if memory.stand_in is None:
            memory.stand_in = tensor.untyped_storage().clone()
            if memory.fates:
                _zero_half(empty.set_(memory.stand_in))
        return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(
            memory.stand_in, tensor.storage_offset(), tensor.shape, tensor.stride()
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """What an operation takes that has a layer's weight in it, or a part of it."""

    layer: str
    fate: Fate
    size: int
    zeros: int


def _fates(parts: Sequence[_Part], zeros: int, *, joined: bool) -> dict[str, Fate]:
    """Return by layer what something with so many zeros has of the parts it was made of."""
    fates: dict[str, Fate] = {}
    for layer in {part.layer for part in parts}:
        mine = [part for part in parts if part.layer == layer]
        kept = [part.zeros for part in mine if part.fate is Fate.KEPT]
        wanted = sum(kept) if joined else max(kept, default=zeros + 1)
        lost = joined and len(kept) < len(mine)
        fates[layer] = Fate.CHANGED if lost or zeros < wanted else Fate.KEPT
    return fates


def address(tensor: Tensor) -> int:
    """Return what tells a tensor's memory from others'."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)


def _zeros(tensor: Tensor) -> int:
    return tensor.numel() - int(tensor.count_nonzero())


def _zero_half(tensor: Tensor) -> None:
    draw = torch.rand(tensor.shape, generator=torch.Generator().manual_seed(0), device="cpu")
    tensor.masked_fill_((draw < 0.5).to(tensor.device), 0)
