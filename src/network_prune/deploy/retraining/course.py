"""The course of a retraining: prune, train, and so on, from wherever it stands."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from network_prune.by_layer import ByLayer
from network_prune.core.elements import ElementSet
from network_prune.deploy.retraining.chance import STEP, seed_all
from network_prune.deploy.retraining.checkpoint import Checkpoint, State
from network_prune.deploy.retraining.feed import Feed
from network_prune.deploy.retraining.figures import Figures, Measured
from network_prune.deploy.retraining.history import Best, Epoch
from network_prune.deploy.retraining.recipe import Recipe
from network_prune.deploy.retraining.steps import Stepper, load_optimizer
from network_prune.deploy.retraining.student import Student
from network_prune.errors import ArgumentError, SourceError
from network_prune.pruning.prunable import PrunableSet

Told = Callable[[Epoch], object]


class Course:
    """Prunes and trains a student in rounds.

    Args:
        student: the network's copy.
        recipe: how it is retrained.
        stepper: trains on a batch.
        feed: gives batches.
        ranked: any prunable set of the network.
        validation: what the best epoch is chosen by; None takes the last.
        checkpoint: keeps where it stands.
        every: write it after so many steps too; None for after epochs alone.
        told: is given each epoch that is done, those of the checkpoint too.
        bar: shows progress.

    Attributes:
        state: where it stands; its tensors are as they were when it was kept last.
    """

    def __init__(
        self,
        student: Student,
        recipe: Recipe,
        *,
        stepper: Stepper,
        feed: Feed,
        ranked: PrunableSet,
        validation: Measured | None,
        checkpoint: Checkpoint,
        every: int | None,
        told: Told,
        bar: Any,
    ) -> None:
        self._student, self._recipe = student, recipe
        self._stepper, self._feed, self._ranked = stepper, feed, ranked
        self._validation, self._checkpoint, self._every = validation, checkpoint, every
        self._told, self._bar = told, bar
        self.state = State(weights={})

    def resume(self, state: State) -> None:
        """Go on from where another one stood.

        Raises:
            SourceError: its parts don't fit together.
        """
        try:
            self._student.load(state.weights)
            if state.prunable is not None:
                self._student.mask(self._prunable(state))
            if state.optimizer:
                load_optimizer(self._stepper.optimizer, dict(state.optimizer))
                self._stepper.scaler.load_state_dict(dict(state.scaler))
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SourceError(
                f"the checkpoint doesn't fit this retraining ({error}); remove it to start anew"
            ) from None
        self.state = state
        self._bar.update(state.steps)
        for epoch in state.history:
            self._told(epoch)

    def run(self) -> None:
        """Train what is left to be trained, and load the best epoch.

        Raises:
            RunError: the loss or a weight isn't finite, or the checkpoint can't be written.
        """
        while self.state.round <= self._recipe.last:
            if not (self.state.epoch or self.state.step):
                self._student.mask(self._student.rank(self.state.round))
            self._train()
            self._end_epoch()
        if self.state.best is not None:
            self._student.load(self.state.best.weights)

    def _train(self) -> None:
        state, recipe = self.state, self._recipe
        self._stepper.set_rate(recipe.lr_factor(state.epoch))
        number = (state.round - 1) * recipe.epochs + state.epoch
        for images, labels in self._feed.epoch(number, state.step):
            seed_all(recipe.seed, STEP, state.steps)
            loss = self._stepper.step(images, labels, state.steps + 1)
            state = replace(
                state,
                step=state.step + 1,
                steps=state.steps + 1,
                loss_sum=state.loss_sum + loss * len(images),
                images=state.images + len(images),
            )
            self._bar.update(1)
            if self._every and not state.steps % self._every:
                self.keep(state)
        if not state.images:
            raise ArgumentError("data gives no images; pass at least one batch")
        self.state = state

    def _end_epoch(self) -> None:
        state, recipe = self.state, self._recipe
        if (name := self._student.first_not_finite()) is not None:
            raise self._stepper.diverged(state.steps, f"{name} isn't finite")
        epoch = self._told_of()
        best = state.best
        counts = self._validation is not None and state.round == recipe.last
        if counts and (best is None or epoch.merit > best.epoch.merit):
            best = Best(epoch, self._student.state())
        is_last = state.epoch + 1 == recipe.epochs
        state = replace(
            state,
            round=state.round + is_last,
            epoch=0 if is_last else state.epoch + 1,
            step=0,
            loss_sum=0.0,
            images=0,
            best=best,
            history=(*state.history, epoch),
        )
        self.keep(state)
        self.state = state
        self._told(epoch)

    def _told_of(self) -> Epoch:
        state, recipe = self.state, self._recipe
        draw, p_prune = self._student.draw, recipe.p_prune_at(state.round)
        if isinstance(p_prune, ByLayer):
            sizes = (layer.element_count(draw.granularity) for layer in draw.layers)
            p_prune = p_prune.of([layer.name for layer in draw.layers]).mean(sizes)
        found = self._validation and self._validation.of(self._student.model).metrics
        return Epoch(
            round=state.round,
            epoch=(state.round - 1) * recipe.epochs + state.epoch + 1,
            p_prune=p_prune,
            pruning_ratio=len(draw) / draw.elements.all_count,
            lr=float(self._stepper.optimizer.param_groups[0]["lr"]),
            loss=state.loss_sum / state.images,
            metrics=found,
        )

    def keep(self, state: State) -> None:
        """Write down where it stands, with the tensors of now."""
        if not self._checkpoint.is_kept:
            return
        pruned = self._student.pruned
        assert pruned is not None, "a round has begun"
        words = torch.from_numpy(pruned.prunable.elements.words.view(np.int64).copy())
        self._checkpoint.write(
            replace(
                state,
                weights=self._student.state(),
                prunable=words,
                optimizer=self._stepper.optimizer.state_dict(),
                scaler=self._stepper.scaler.state_dict(),
            )
        )

    def keep_finished(self, figures: Mapping[str, Figures]) -> None:
        """Write down what came of it."""
        self.state = replace(self.state, figures=figures)
        self.keep(self.state)

    def _prunable(self, state: State) -> PrunableSet:
        """Return the prunable set that was the last one."""
        elements, words = self._ranked.elements, state.prunable
        assert words is not None, "it is asked for where there is one"
        if words.dtype is not torch.int64 or tuple(words.shape) != elements.words.shape:
            raise ValueError("its masks are of other layers")
        found = ElementSet(
            elements.granularity, elements.layers, words.numpy().view(np.uint64).copy()
        )
        # Between rounds it is the mask of the round before.
        begun = state.round if state.epoch or state.step else max(1, state.round - 1)
        return replace(self._ranked, elements=found, p_prune=self._recipe.p_prune_at(begun))
