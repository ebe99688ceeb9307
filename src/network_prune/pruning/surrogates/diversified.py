"""A network with a fresh draw in every forward, for plugging into other people's loops."""

from typing import Any

from torch import Tensor, nn

from network_prune.pruning.drawing import Drawn
from network_prune.pruning.replaced import replaced
from network_prune.pruning.surrogates.surrogate import Surrogate


class Diversified(Surrogate):
    """Computes a network under a fresh draw in each forward; no Parameter is ever written.

    A module like the network: same inputs and outputs, gradients to the input and, where
    they are wanted, to the unpruned weights. Forwards under different draws may be joined
    in one backward. ``train()`` and ``eval()`` change nothing about drawing, and ``training``
    is the network's. So are public attributes, such as ``config`` or ``num_classes``, but no
    methods, which would compute the full network. The state_dict is the network's, with the
    count of forwards as ``_extra_state``: a loaded one goes on at the next draw. During a
    forward, which takes one extra set of the ranked layers' weights, the network's modules
    see masked tensors in the place of their Parameters; several threads wait for each other.

    Under torch.distributed each process draws its own: rank r of w uses draws r, r + w,
    r + 2w, … unless ``start`` and ``step`` say otherwise.

    Args:
        model: the network that ``prunable`` was ranked on, or one of the same shapes.
        prunable: what `rank` returned.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draws.
        mode: ``prune``, or ``dropout`` as a baseline: any element of the ranked layers is
            pruned, with the probability that gives the same expected pruning ratio.
        rescale: divide the weights that stay by 1 - ratio, for ``dropout``.
        every: forwards that use one draw.
        start: index of the first draw; by default the process's rank, 0 for a single one.
        step: from one draw's index to the next one's; by default the number of processes.

    Attributes:
        model: the network.
        prunable: the prunable set.
        p_bern: the probability.
        seed: the seed.
        mode: the mode.
        index: the last forward's draw; None before the first.

    Raises:
        ArgumentError: a value is outside what is allowed.
        StateError: the network is pruned already; in a forward, its weights were exchanged
            meanwhile, or activation checkpointing would compute it again.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.

    Source: arXiv 2208.08677, section 3.2.
    """

    def _run(self, drawn: Drawn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with replaced(self._masked(drawn)):
            return self._compute(self.model, args, kwargs)

    def _masked(self, drawn: Drawn) -> list[tuple[nn.Module, str, Tensor]]:
        """Return what the modules that hold ranked weights see in their place."""
        modules = dict(self.model.named_modules())
        return [
            (holder.module, holder.name, masked)
            for ranked in self._weights
            for holders in [ranked.find(modules)]
            for masked in [ranked.mask(holders[0].weight, drawn, factor=self._factor)]
            for holder in holders
        ]
