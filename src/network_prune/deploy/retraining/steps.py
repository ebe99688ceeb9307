"""One step of training: loss, gradients, the optimizer's step, and zeros where they were."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from network_prune.deploy.retraining.options import OPTIMIZERS, check_retraining
from network_prune.deploy.retraining.recipe import Recipe
from network_prune.deploy.retraining.student import Student
from network_prune.errors import ArgumentError, RunError, UnsupportedNetworkError, brief, one_line
from network_prune.pruning.faster_copy.prepare import DTYPES
from network_prune.pruning.forward import compute_logits, device_of, move_images

MakeOptimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def make_optimizer(
    parameters: list[nn.Parameter],
    optimizer: str | MakeOptimizer,
    *,
    lr: float | None,
    momentum: float | None,
    weight_decay: float | None,
) -> torch.optim.Optimizer:
    """Return the optimizer that is asked for.

    Args:
        parameters: those that are trained.
        optimizer: its name, or what makes it of the parameters.
        lr: its learning rate; these three go with a name alone, None for the usual.
        momentum: of sgd.
        weight_decay: its weight decay.

    Raises:
        ArgumentError: it is something else, or can't be made.
        UnsupportedNetworkError: there is nothing to train.
    """
    if not parameters:
        raise UnsupportedNetworkError(
            "no parameter of the network needs gradients, so there is nothing to retrain; call "
            "model.requires_grad_() first, or on the layers that are to be trained"
        )
    if isinstance(optimizer, str):
        return _named(parameters, optimizer, lr, momentum, weight_decay)
    if not callable(optimizer):
        raise ArgumentError(
            f"optimizer={brief(optimizer)} is neither a name nor what makes an optimizer of "
            f"parameters; pass one of {', '.join(OPTIMIZERS)}, or e.g. lambda parameters: "
            "torch.optim.Adam(parameters, lr=0.001)"
        )
    said = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    if given := [name for name, value in said.items() if value is not None]:
        raise ArgumentError(
            f"{' and '.join(given)} go with an optimizer by name; give them to the one that "
            "optimizer makes"
        )
    try:
        made = optimizer(parameters)
    except Exception as error:
        raise ArgumentError(
            f"optimizer makes none of the parameters ({one_line(error)})"
        ) from error
    if not isinstance(made, torch.optim.Optimizer) or isinstance(made, torch.optim.LBFGS):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            f"optimizer makes a {type(made).__name__}; it has to make a torch.optim.Optimizer that "
            "steps without a closure"
        )
    return made


def _named(
    parameters: list[nn.Parameter],
    name: str,
    lr: float | None,
    momentum: float | None,
    weight_decay: float | None,
) -> torch.optim.Optimizer:
    name, rate, decay = check_retraining(optimizer=name, lr=lr, weight_decay=weight_decay)
    rate = OPTIMIZERS[name] if rate is None else rate
    if name == "sgd":
        (share,) = check_retraining(momentum=momentum)
        return torch.optim.SGD(parameters, lr=rate, momentum=share, weight_decay=decay)
    if momentum is not None:
        raise ArgumentError(f"momentum={momentum} goes with sgd, not with {name}; leave it out")
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)


class Stepper:
    """Trains a student, batch by batch.

    Args:
        student: what is trained.
        teacher: the dense network in eval mode, whose outputs are learned; None for labels.
        optimizer: of the student's parameters.
        recipe: how it is trained.
    """

    def __init__(
        self,
        student: Student,
        teacher: nn.Module | None,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
    ) -> None:
        self.optimizer = optimizer
        self._student, self._teacher = student, teacher
        self._temperature = recipe.temperature
        self._device = device_of(student.model)
        self._amp_dtype = recipe.amp_dtype
        # Gradients in float16 would vanish; bfloat16 has float32's range.
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=recipe.amp_dtype == "float16")
        self._rates = [group["lr"] for group in optimizer.param_groups]

    def set_rate(self, factor: float) -> float:
        """Multiply the first learning rates; return that of the first group."""
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = factor * rate
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, images: Tensor, labels: Tensor, number: int) -> float:
        """Train on a batch; return its mean loss in nats.

        Args:
            images: ``[n, ...]``, n ≥ 1.
            labels: int64 ``[n]``, which mean nothing where the teacher's outputs are learned.
            number: of the step, from 1, for errors.

        Raises:
            RunError: the loss isn't finite.
            NetworkPruneError: the network fails.
        """
        loss = self._loss(move_images(images, self._student.model), labels)
        value = float(loss.detach())
        if not torch.isfinite(loss.detach()):
            raise self.diverged(number, f"the loss is {value:g}")
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._student.zero()
        # Inside another autocast, even one that is off, casts of weights would outlive the step.
        torch.clear_autocast_cache()
        return value

    def diverged(self, number: int, why: str) -> RunError:
        """Return the error of a training that came to no finite numbers."""
        rate = self.optimizer.param_groups[0]["lr"]
        return RunError(
            f"{why} in step {number}, at a learning rate of {float(rate):g}; pass a lower lr, "
            "or check the images; the network is as it was"
        )

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(
            self._device.type,
            DTYPES[self._amp_dtype or "bfloat16"],
            enabled=self._amp_dtype is not None,
        ):
            logits = compute_logits(self._student.model, images, labels)
            if self._teacher is None:
                return F.cross_entropy(_wide(logits), labels.to(logits.device))
            with torch.no_grad():
                wanted = compute_logits(self._teacher, images, labels)
        return distilled(logits, wanted, self._temperature)


def distilled(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Return the mean divergence from a teacher's softened outputs, times temperature squared.

    Args:
        logits: the student's, ``[n, classes]``.
        wanted: the teacher's, ``[n, classes]``.
        temperature: what both are divided by, above 0.

    Source: arXiv 1503.02531, section 2.
    """
    student, teacher = (
        F.log_softmax(_wide(each) / temperature, dim=1) for each in (logits, wanted)
    )
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype is torch.float64 else logits.float()


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer a state of its like, in the dtypes that the state has."""
    optimizer.load_state_dict(state)
    parameters = _flat(group["params"] for group in optimizer.param_groups)
    numbers = _flat(group["params"] for group in state["param_groups"])
    for parameter, number in zip(parameters, numbers, strict=True):
        for name, value in state["state"].get(number, {}).items():
            own = optimizer.state[parameter][name]
            # PyTorch casts to the parameter's dtype.
            if isinstance(value, Tensor) and own.dtype != value.dtype:
                optimizer.state[parameter][name] = value.to(own.device)


def _flat(groups: Iterable[Iterable[Any]]) -> list[Any]:
    return [each for group in groups for each in group]
