"""See which weights convolutions, matrix products and norms are really called with."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from network_prune.errors import UnsupportedNetworkError
from network_prune.process_wide import ProcessWide
from network_prune.pruning.draws_kept import draws_kept
from network_prune.pruning.stand_ins import Fate, StandIns, address
from network_prune.pruning.unfinished import Change

_PRODUCTS = re.compile(
    r"\w*conv\w*|\w*(mm|mv|dot|matmul)(_\w*)?|(mkldnn_)?linear|einsum|\w*multi_head\w*"
    r"|\w*encoder_layer\w*"
)
_OF_THE_SHAPE_ALONE = re.compile(r"\w*_like|new_\w+")

_Result = TypeVar("_Result")
_eager = ProcessWide(
    # Interrupted, the public context manager may leave what it has set.
    lambda: torch._dynamo.eval_frame._stance,
    lambda stance: torch._dynamo.eval_frame._set_stance(stance),
    lambda: torch._dynamo.eval_frame.DynamoStance("force_eager"),
)
UNCHECKED = "whether pruned weights are zero where they are computed with could not be checked"


def eagerly() -> Change:
    """Let what torch.compile made of networks run uncompiled, as Python has it."""
    need = object()
    if "torch._dynamo" not in sys.modules:
        return Change(lambda: None, lambda: None)
    return Change(lambda: _eager.begin(need), lambda: _eager.end(need))


class Operands(TorchDispatchMode):
    """Watches what becomes of weights while a network runs inside, and changes nothing.

    What the network makes of a weight before it is used is made of a stand-in, too, half of
    which is zero: where fewer zeros come out, pruned weights wouldn't be zero either.

    Args:
        weights: returns names of layers, each with a tensor that holds its weight.

    Attributes:
        read: layers whose weight was computed with, in whatever form: a convolution or matrix
            product took it, or it was mixed with what isn't made of weights.
        changed: layers of which that took something without the weight's zeros.
        has_run: whether a network has run inside.
        failed: whether some of what it did couldn't be watched.
    """

    supports_higher_order_operators = True

    def __init__(self, weights: Callable[[], Iterable[tuple[str, Tensor]]]) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.changed: set[str] = set()
        self.has_run = False
        self.failed = False
        self._weights = weights
        self._stand_ins = StandIns()

    def __enter__(self) -> Self:
        self._stand_ins = StandIns(self._weights())
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._stand_ins = StandIns()

    def watch(self, run: Callable[[], _Result]) -> _Result:
        """Return what ``run`` gives; it runs once more unwatched if it fails when watched."""
        try:
            # What torch.compile makes of a network, and of this very class, says nothing more.
            with eagerly(), self:
                result = run()
        except Exception:
            result = run()
            self.failed = True
        self.has_run = True
        return result

    def check(self) -> None:
        """Raise an UnsupportedNetworkError that names the layers with another weight, if any."""
        if self.changed:
            raise UnsupportedNetworkError(
                f"the network computes layer {sorted(self.changed)[0]!r} with another weight than "
                f"the layer's own (something is added to it, or it is standardised), so pruned "
                f"weights would not be zero there; exclude {', '.join(sorted(self.changed))}"
            )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else the first operation imports torch.compile's tracer, which takes seconds.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        try:
            follow = self._before(func, args, kwargs)
        except Exception:
            self.failed, follow = True, None
        result = func(*args, **kwargs)
        try:
            if follow is not None:
                follow(_tensors(result))
        except Exception:
            self.failed = True
        return result

    def _before(
        self, func: Any, args: Any, kwargs: Any
    ) -> Callable[[Sequence[Tensor]], None] | None:
        """Look at what an operation is about to take; return what to tell of its results."""
        if not isinstance(func, torch._ops.OpOverload):
            self.failed = True  # what runs inside of control flow can't be seen
            return None
        inputs = _tensors((args, kwargs))
        fates = self._stand_ins.fates(inputs)
        namespace, name = func._schema.name.split("::")
        # What others' own operations do with a weight can't be seen.
        if namespace != "aten" or _PRODUCTS.fullmatch(name):
            self._note(fates)
        elif max(fates.values(), default=0) > Fate.PICKED and not (
            _is_view(func) or _OF_THE_SHAPE_ALONE.fullmatch(name)
        ):
            return self._repeat(func, args, kwargs, inputs)
        return None

    def _note(self, fates: Mapping[str, Fate]) -> None:
        self.read |= fates.keys()
        self.changed |= {layer for layer, fate in fates.items() if fate is Fate.CHANGED}

    def _repeat(
        self, func: Any, args: Any, kwargs: Any, inputs: list[Tensor]
    ) -> Callable[[Sequence[Tensor]], None]:
        """Do with the stand-ins what is about to be done."""
        written, overwritten = _written(func, args, kwargs)
        sources = [each for each in inputs if not any(each is other for other in overwritten)]
        mixed = self._stand_ins.mixed(sources)
        self._note(mixed)
        judge = self._stand_ins.judge(sources, mixed)
        standing = self._stand_ins.of(inputs, written)
        devices = {each.device for each in inputs if each.is_cuda}
        with draws_kept(func, devices):
            args, kwargs = tree_map(lambda value: standing.get(id(value), value), (args, kwargs))
            made = _tensors(func(*args, **kwargs))
        for tensor in written:
            judge(tensor, standing[id(tensor)])
        places = {address(each) for each in inputs}

        def follow(results: Sequence[Tensor]) -> None:
            for result, stand_in in zip(results, made, strict=True):
                if address(result) not in places:
                    judge(result, stand_in)

        return follow


def _is_view(func: Any) -> bool:
    returns = [each.alias_info for each in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returns)


def _written(func: Any, args: Any, kwargs: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors that an operation writes, and those of them that it doesn't read."""
    schema = func._schema
    given = dict(zip((each.name for each in schema.arguments), args, strict=False)) | kwargs
    arguments = [a for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    written = _tensors([given.get(each.name) for each in arguments])
    is_copy = schema.name == "aten::copy_"
    unread = _tensors([given.get(each.name) for each in arguments if each.is_out or is_copy])
    return written, unread


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
