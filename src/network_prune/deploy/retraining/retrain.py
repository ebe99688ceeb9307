"""Prune a network and train what is left, in one or several rounds."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Unpack

import torch
from torch import nn

from network_prune.core.layers import Granularity
from network_prune.core.usual_settings import check_no_transform, usual_settings
from network_prune.deploy.retraining.chance import generators_kept
from network_prune.deploy.retraining.checkpoint import Checkpoint, State
from network_prune.deploy.retraining.course import Course, Told
from network_prune.deploy.retraining.feed import digest_of, feed_of, known_by
from network_prune.deploy.retraining.figures import Figures, Measured
from network_prune.deploy.retraining.options import check_retraining
from network_prune.deploy.retraining.recipe import Ranking, Recipe
from network_prune.deploy.retraining.retrained import Outcome, Retrained
from network_prune.deploy.retraining.steps import MakeOptimizer, Stepper, make_optimizer
from network_prune.deploy.retraining.student import Student, slots_of
from network_prune.display.progress import progress_bar
from network_prune.display.text import warn
from network_prune.evaluation.reading import Images
from network_prune.options import OPTIONS
from network_prune.pruning.forward import device_of, eval_mode
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.prunable import PrunableSet
from network_prune.pruning.state import check_not_pruned
from network_prune.pruning.unfinished import settling
from network_prune.sources.networks.weights.fit import hash_weights

_BATCH_SIZE: int = OPTIONS["batch_size"].default
_AMP_DTYPE: str = OPTIONS["amp_dtype"].default
_RATES = ("lr", "momentum", "weight_decay")


@settling
def retrain(
    model: AnyNetwork,
    data: Any,
    *,
    p_prune: float | Mapping[str, float],
    granularity: Granularity | str = Granularity.WEIGHT,
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    with_norm: bool = False,
    schedule: str = "oneshot",
    rounds: int | None = None,
    epochs: int = 10,
    optimizer: str | MakeOptimizer = "sgd",
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    decay: str = "cosine",
    distill: bool = False,
    temperature: float = 4.0,
    validation: Images | None = None,
    test: Images | None = None,
    batch_size: int = _BATCH_SIZE,
    workers: int | None = None,
    skip_unreadable: bool = False,
    amp: bool = False,
    amp_dtype: str = _AMP_DTYPE,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_steps: int | None = None,
    told: Told = lambda _: None,
    progress: bool | None = None,
    **ranking: Unpack[Ranking],
) -> Retrained:
    """Prune ``model`` and train what is left; in several rounds, prune more each time.

    In each round the weights as they are then are ranked, what was pruned before lowest; one
    draw is pruned; and ``epochs`` epochs are trained under its masks. An element that is
    prunable and isn't drawn is trained on. It isn't drawn in later rounds either, as long as
    the draw's name and its position are the same.

    A copy of the network is trained. ``model`` itself, which teaches the copy if ``distill``
    is on, changes when all is done: it gets the copy's weights and buffers, in its own memory,
    and the last round's masks. If training fails or is interrupted, it is as it was.

    The same call gives the same bits on one machine and version of PyTorch, with as many threads,
    also where it was stopped and went on from ``checkpoint``. Global random generators are as
    they were afterwards.

    Args:
        model: the network, not pruned; on its device and in its dtype. Parameters that need no
            gradients stay as they are.
        data: what `evaluate` takes. What `load_data` returned, a Dataset with a length, and all
            images and labels as one pair are shuffled in each epoch; batches, e.g. of a
            DataLoader, are taken as they come. With ``distill``, images alone will do.
        p_prune: fraction in [0, 1] of the elements that is prunable in the last round, or
            fractions by layer, as in `rank`.
        granularity: what is pruned: ``weight``, ``connection`` or ``neuron``.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draw, the order of the images, and what
            dropout and transforms draw.
        index: which draw of the seed.
        with_norm: prune a neuron's bias and BatchNorm with it, as in `prune`.
        schedule: ``oneshot`` prunes once; ``linear`` raises p_prune in equal steps, ``cubic`` in
            steps that get smaller.
        rounds: how often it is pruned; by default 1 for ``oneshot`` and 4 for the others.
        epochs: how often all images are seen in each round.
        optimizer: ``sgd``, ``adamw``, or what makes a torch.optim.Optimizer of a list of
            Parameters.
        lr: learning rate at the start of each round, by default 0.01 of sgd and 0.001 of adamw.
        momentum: of sgd, 0.9 by default.
        weight_decay: 0.0001 by default.
        decay: how learning rates fall within a round, epoch by epoch: ``cosine`` or ``none``.
        distill: learn the dense network's outputs instead of the labels.
        temperature: what logits are divided by for that.
        validation: labelled images, as `evaluate` takes them, in the same order each time. The
            epoch of the last round with the highest Acc@1 is kept, of equal ones that of the
            lowest loss; without them the last epoch.
        test: labelled images that no choice has seen, for the figures; by default those of
            ``validation``.
        batch_size: images a batch. One image alone at an epoch's end is left out.
        workers: processes that decode images, as for `evaluate`.
        skip_unreadable: leave images out that can't be read, instead of raising.
        amp: compute in mixed precision.
        amp_dtype: ``bfloat16`` or ``float16``, for that.
        checkpoint: a file that the same call goes on from, or returns what was finished.
        checkpoint_steps: write it after so many steps too, not only after each epoch.
        told: is given each `Epoch` that is done, first those that the checkpoint has.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.
        **ranking: ``score``, ``scope``, ``floor``, ``layers``, ``tensors``, ``include`` and
            ``exclude`` of `rank`; of scores those that need no images.

    Raises:
        ArgumentError: a value is outside what is allowed, the data gives something else, or the
            checkpoint is of another call.
        RunError: the loss isn't finite any more, or the checkpoint can't be written.
        SourceError: an image or the checkpoint can't be read, or a label has no output.
        StateError: the network is pruned already.
        UnsupportedNetworkError: the network can't be copied, ranked or run.

    Source: arXiv 1506.02626 (rounds of pruning and training); arXiv 1710.01878 (``cubic``);
    arXiv 1503.02531 (``distill``).
    """
    check_no_transform()
    module = module_of(model)
    amp, amp_dtype, workers, every = check_retraining(
        amp=amp, amp_dtype=amp_dtype, workers=workers, checkpoint_steps=checkpoint_steps
    )
    recipe = Recipe(
        granularity=Granularity(granularity),
        p_prune=p_prune,  # pyright: ignore[reportArgumentType] (it is checked there)
        p_bern=p_bern,
        seed=seed,
        index=index,
        with_norm=with_norm,
        ranking=ranking,
        schedule=schedule,
        rounds=rounds,
        epochs=epochs,
        decay=decay,
        distill=distill,
        temperature=temperature,
        batch_size=batch_size,
        amp_dtype=amp_dtype if amp else None,
        skip_unreadable=skip_unreadable,
    )
    check_not_pruned(module)
    teaching = eval_mode(module) if distill else nullcontext()
    device = device_of(module)
    with generators_kept(device), usual_settings(), torch.enable_grad(), _exact_cudnn(), teaching:
        run = _Run(module, data, recipe, validation=validation, test=test, workers=workers)
        stepper = Stepper(
            run.student,
            module if distill else None,
            make_optimizer(
                run.student.trained, optimizer, lr=lr, momentum=momentum, weight_decay=weight_decay
            ),
            recipe,
        )
        with progress_bar(total=run.steps, label="retrain", unit="step", shown=progress) as bar:
            course = run.course(stepper, checkpoint, every=every, told=told, bar=bar)
            outcome = run.finish(course)
    warn(run.warnings, stacklevel=3)
    # The last thing of all, so that nothing can go wrong behind it.
    return Retrained(model, run.student, outcome)


class _Run:
    """What one retraining is made of."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        recipe: Recipe,
        *,
        validation: Images | None,
        test: Images | None,
        workers: int | None,
    ) -> None:
        self.model, self.recipe = model, recipe
        self.student = Student(model, recipe)
        self.ranked: PrunableSet = self.student.rank(recipe.last)
        device = device_of(model)
        self.feed = feed_of(data, recipe, workers=workers, pin_memory=device.type == "cuda")
        reading: dict[str, Any] = {
            "batch_size": recipe.batch_size,
            "workers": workers,
            "amp_dtype": recipe.amp_dtype,
            "skip_unreadable": recipe.skip_unreadable,
        }
        self.validation = None if validation is None else Measured(validation, **reading)
        self.tested = self.validation if test is None else Measured(test, **reading)
        self._sources = {"data": data, "validation": validation, "test": test}

    @property
    def steps(self) -> int | None:
        """How many steps there are in all; None if it isn't known."""
        steps = self.feed.steps
        return None if steps is None else steps * self.recipe.epochs * self.recipe.last

    def course(
        self,
        stepper: Stepper,
        checkpoint: str | os.PathLike[str] | None,
        *,
        every: int | None,
        told: Told,
        bar: Any,
    ) -> Course:
        """Return the course, which stands where the checkpoint does."""
        kept = Checkpoint(checkpoint, self._settings(stepper) if checkpoint is not None else {})
        state = kept.read(self.dense)
        figures = {} if state is not None and state.figures else self._first_figures()
        self._figures: Mapping[str, Figures] = figures
        course = Course(
            self.student,
            self.recipe,
            stepper=stepper,
            feed=self.feed,
            ranked=self.ranked,
            validation=self.validation,
            checkpoint=kept,
            every=every,
            told=told,
            bar=bar,
        )
        if state is not None:
            course.resume(state)
        return course

    @property
    def warnings(self) -> list[str]:
        """What to know of how networks were evaluated."""
        sources = [each for each in (self.validation, self.tested) if each is not None]
        return list(dict.fromkeys(text for each in sources for text in each.warnings))

    @property
    def dense(self) -> dict[str, torch.Tensor]:
        """The dense network's tensors, by path."""
        return {slot.key: slot.tensor.detach() for slot in slots_of(self.model)}

    def finish(self, course: Course) -> Outcome:
        """Run what is left, and return what became of it."""
        course.run()
        state: State = course.state
        figures = state.figures or {}
        if not figures and self.tested is not None:
            figures = {**self._figures, "retrained": self.tested.of(self.student.model)}
            course.keep_finished(figures)
        best = state.history[-1] if state.best is None else state.best.epoch
        return Outcome(state.history, best, figures)

    def _first_figures(self) -> dict[str, Figures]:
        """Return the figures of the dense network, and of the pruned one before it is trained."""
        if self.tested is None:
            return {}
        dense = self.tested.dense(self.model)
        self.student.mask(self.ranked)
        pruned = self.tested.of(self.student.model)
        self.student.unmask()
        self.student.load(self.dense)
        return {"dense": dense, "pruned": pruned}

    def _settings(self, stepper: Stepper) -> dict[str, Any]:
        """Return all that decides what comes out, as plain data by name."""
        sources = {name: known_by(data) for name, data in self._sources.items()}
        optimizer = stepper.optimizer
        return {
            "network": hash_weights(self.model),
            "ranked layers": self.ranked.fingerprint,
            **self.recipe.to_dict(),
            **sources,
            "first batch": digest_of(self.feed),
            **{
                name: str(optimizer.defaults[name]) for name in _RATES if name in optimizer.defaults
            },
            "optimizer": f"{type(optimizer).__name__} {optimizer.defaults}",
            "trained": len(self.student.trained),
            "device": device_of(self.model).type,
            "torch": torch.__version__,
        }


def _exact_cudnn() -> Any:
    """Let cuDNN compute the same each time meanwhile."""
    cudnn: Any = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=cudnn.allow_tf32
    )
