"""Evaluate several draws of one prunable set."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Unpack

from torch import nn

from network_prune.core.prunable import Draw, PrunableSet
from network_prune.evaluation.evaluate import EvaluateOptions, run, split_options
from network_prune.evaluation.faster_copy.prepare import Prepared, Speed, prepare
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.reading import Images
from network_prune.evaluation.runner import Runner, Told
from network_prune.pruning.in_place.redrawer import Redrawer
from network_prune.pruning.masks.prune import prune
from network_prune.pruning.masks.summary import Summary, summarize
from network_prune.pruning.state import check_not_pruned


@dataclass(frozen=True, slots=True)
class DrawResult:
    """What one draw did to the network.

    Attributes:
        index: which draw of the seed.
        sha256: hash of the pruned elements, `Draw.sha256`.
        summary: where the masks lay.
        metrics: loss and accuracy under the masks.
    """

    index: int
    sha256: str
    summary: Summary
    metrics: Metrics

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {
            "index": self.index,
            "sha256": self.sha256,
            "metrics": self.metrics.to_dict(),
            "summary": self.summary.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A network under one draw.

    Attributes:
        draw: the draw.
        runner: makes the network ready to compute under it.
        summary: counts where it lies.
    """

    draw: Draw
    runner: Callable[[], Runner]
    summary: Callable[[], Summary]


_Under = Callable[[int], AbstractContextManager[_Drawn]]


def evaluate_draws(
    model: nn.Module,
    prunable: PrunableSet,
    data: Images,
    *,
    p_bern: float,
    seed: int,
    indices: range,
    with_norm: bool = False,
    label: str = "evaluate",
    told: Told | None = None,
    **options: Unpack[EvaluateOptions],
) -> Iterator[DrawResult]:
    """Evaluate ``model`` pruned by the draw of each index, and yield each result.

    Takes the options of `evaluate`. A copy is prepared once, and the draws are written
    into it; with ``with_norm``, and where the network runs itself, it is pruned and
    restored for each draw, also by an exception or by closing the iteration early.
    A draw that prunes what an earlier one did, as all do at p_bern 1, has the earlier
    one's metrics and isn't run again. The bar says ``label`` and, of several draws,
    which it is. ``told`` is given each network as it is used.
    """
    check_not_pruned(model)
    speed, others = split_options(options)
    prepared = None if with_norm else prepare(model, speed)
    if prepared is None or prepared.model is model:
        under = _masked(model, prunable, speed, told, p_bern=p_bern, seed=seed, with_norm=with_norm)
    else:
        runner = _RedrawnRunner(prepared, told, prunable, p_bern=p_bern, seed=seed)
        under = _written(model, prunable, runner)
    known: dict[str, Metrics] = {}
    for index in indices:
        title = f"{label}, draw {index}" if len(indices) > 1 else label
        with under(index) as drawn:
            sha256 = drawn.draw.sha256
            if sha256 not in known:
                known[sha256] = run(drawn.runner(), data, label=title, **others)
            yield DrawResult(index, sha256, drawn.summary(), known[sha256])


def _masked(
    model: nn.Module,
    prunable: PrunableSet,
    speed: Speed,
    told: Told | None,
    *,
    p_bern: float,
    seed: int,
    with_norm: bool,
) -> _Under:
    """Prune and restore the network itself for each draw."""

    @contextmanager
    def under(index: int) -> Generator[_Drawn]:
        with prune(
            model, prunable, p_bern=p_bern, seed=seed, index=index, with_norm=with_norm
        ) as pruned:
            yield _Drawn(pruned.draw, lambda: Runner(prepare(model, speed), told), pruned.summary)

    return under


def _written(model: nn.Module, prunable: PrunableSet, runner: "_RedrawnRunner") -> _Under:
    """Write each draw into the prepared copy of the network, if it has to run."""

    @contextmanager
    def under(index: int) -> Generator[_Drawn]:
        draw = prunable.draw(p_bern=runner.p_bern, seed=runner.seed, index=index)
        yield _Drawn(draw, lambda: runner.at(index), lambda: summarize(model, prunable, draw))

    return under


class _RedrawnRunner(Runner):
    """A runner whose network holds the draw that was asked for last.

    Args:
        prepared: the network, a copy that may be written to.
        told: as for `Runner`.
        prunable: what `rank` returned.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draws.
    """

    def __init__(
        self,
        prepared: Prepared,
        told: Told | None,
        prunable: PrunableSet,
        *,
        p_bern: float,
        seed: int,
    ) -> None:
        super().__init__(prepared, told)
        self.p_bern = p_bern
        self.seed = seed
        self._prunable = prunable
        self._redrawer = self._make_redrawer()

    def at(self, index: int) -> Runner:
        """Write a draw into the network."""
        self._redrawer.redraw(index)
        return self

    def _give_up_channels_last(self) -> None:
        index = self._redrawer.index
        self._redrawer.restore()
        super()._give_up_channels_last()
        self._redrawer = self._make_redrawer()
        self._redrawer.redraw(index)

    def _make_redrawer(self) -> Redrawer:
        model = self.prepared.model
        return Redrawer(model, self._prunable, p_bern=self.p_bern, seed=self.seed)
