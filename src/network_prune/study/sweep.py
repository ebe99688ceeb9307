"""Evaluate a plan's variants, each batch read once, and record each as soon as it is finished."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from network_prune.errors import NetworkPruneError, RunError, SourceError
from network_prune.pruning.forward import compute_logits, eval_mode
from network_prune.sources.data import LoadedData, load_data
from network_prune.sources.images import Batch
from network_prune.sources.networks import LoadedNetwork, load_network
from network_prune.study.describing import describe_inputs, describe_settings, describe_versions
from network_prune.study.device import choose_device
from network_prune.study.evaluate import check_options
from network_prune.study.metrics import Metrics
from network_prune.study.partial import Partial, State
from network_prune.study.passes import Sums, chunks, evaluate_chunk
from network_prune.study.plan import Network, Plan, make_plan
from network_prune.study.prepared import DTYPES, Speed, prepare
from network_prune.study.reading import Reading
from network_prune.study.records import SCHEMA, Record, RecordFile, record_key
from network_prune.study.runner import Runner
from network_prune.study.settings import PruneSettings
from network_prune.study.switch import Switcher


@dataclass(frozen=True, slots=True)
class Failed:
    """A network of a study that could not be evaluated.

    Attributes:
        network: which one.
        error: why.
    """

    network: Network
    error: NetworkPruneError


Told = Callable[[Record | Failed], object]


def sweep(
    plan: Plan | Mapping[str, Any],
    *,
    out: str | PathLike[str],
    told: Told = lambda event: None,
    progress: bool | None = None,
) -> list[Record]:
    """Evaluate every variant of ``plan`` that isn't recorded yet, and return all its records.

    For each network, each batch of images is read and decoded once, and the dense network
    and all variants run on it. A variant's record is appended to ``records.jsonl`` in
    ``out`` when its last image is done; a killed run goes on where it was. A network that
    fails is told and left out.

    Args:
        plan: what to evaluate; a mapping of ``network-prune sweep``'s options with
            underscores, e.g. ``{"method": ["weights", "neurons"], "p_prune": [0.1, 0.2]}``.
        out: the study's folder, made if it isn't there.
        told: is given each new record, and each network that failed, as it comes.
        progress: show a bar on stderr; None shows it on a terminal only.

    Raises:
        ArgumentError: an option isn't allowed.
        RunError: another run writes to ``out``, or nothing can be written there.
        SourceError: what is recorded there can't be read, or a name in it means other bytes now.
    """
    plan = plan if isinstance(plan, Plan) else make_plan(plan)
    check_options(
        amp=plan.options["amp"], amp_dtype=plan.options["amp_dtype"], dtype=plan.options["dtype"]
    )
    found: list[Record] = []
    with RecordFile(Path(out)) as file:
        for network, variants in plan.variants.items():
            try:
                study = NetworkStudy(network, plan.options)
            except NetworkPruneError as error:
                told(Failed(network, error))
                continue
            study.check_names(file.records.values())
            try:
                found += study.run(variants, file, told=told, progress=progress)
            except RunError:
                raise
            except NetworkPruneError as error:
                told(Failed(network, error))
    return found


class NetworkStudy:
    """One network of a study, with its images.

    Args:
        network: which one.
        options: the plan's options.

    Attributes:
        network: as asked for.
        loaded: the network, on the device.
        data: the images, as pixels.

    Raises:
        NetworkPruneError: network or images can't be loaded or don't fit.
    """

    def __init__(self, network: Network, options: Mapping[str, Any]) -> None:
        self.network = network
        self._options = options
        self._device = choose_device(options["device"])
        self.loaded = _load_network(network, options)
        self.data = _load_data(network, self.loaded, options)
        self.loaded.model.to(self._device)
        names = ("channels_last", "fold", "compile", "dtype")
        self._speed = Speed(**{name: options[name] for name in names})
        self._base = {
            **describe_inputs(self.loaded, self.data),
            "asked": {"weights": network.weights, "data": _data_options(options)},
            "running": {
                "batch_size": options["batch_size"],
                "amp": options["amp_dtype"] if options["amp"] else None,
                "device": self._device.type,
                **{name: options[name] for name in names},
            },
            "versions": describe_versions(),
        }

    def key(self, settings: PruneSettings | None) -> str:
        """Return the key of a variant's record, the dense network's for None."""
        base = self._base
        return record_key(
            {
                "schema": SCHEMA,
                "network": [base["network"]["name"], base["network"]["weights_sha256"]],
                "preprocessing": base["preprocessing"],
                "data": base["data"]["identity"],
                "running": base["running"],
                "versions": base["versions"],
                "variant": None if settings is None else describe_settings(settings),
            }
        )

    def check_names(self, records: Iterable[Record]) -> None:
        """Refuse records of a network or images of the same name and other bytes.

        Raises:
            SourceError: there are such.
        """
        base = self._base
        for record in records:
            same_network = record["network"]["name"] == base["network"]["name"]
            same_weights = record["asked"]["weights"] == base["asked"]["weights"]
            sha256 = record["network"]["weights_sha256"]
            if same_network and same_weights and sha256 != base["network"]["weights_sha256"]:
                raise _changed(f"the weights of {self.network}")
            same_data = record["data"]["name"] == base["data"]["name"]
            same_options = record["asked"]["data"] == base["asked"]["data"]
            identity = record["data"]["identity"]
            if same_data and same_options and identity != base["data"]["identity"]:
                raise _changed(f"the images of {base['data']['name']}")

    def run(
        self,
        variants: Sequence[PruneSettings],
        file: RecordFile,
        *,
        told: Told = lambda event: None,
        progress: bool | None = None,
    ) -> list[Record]:
        """Evaluate what isn't recorded yet; return the records of the dense network and all.

        Raises:
            NetworkPruneError: the network can't be ranked or fails, an image can't be read, or
                a record can't be written.
        """
        wanted = {self.key(settings): settings for settings in (None, *variants)}
        due = {key: s for key, s in wanted.items() if key not in file.records}
        if due:
            # The dense network runs along: all differences are to it, on the same images.
            due = {self.key(None): None, **due}
            self._evaluate(due, file, told, progress)
        return [file.records[key] for key in wanted]

    def compute_dense(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the dense network's logits for one batch of pixels."""
        with eval_mode(self.loaded.model), torch.no_grad():
            return self._computer(self._dense)(Batch(pixels, labels))

    @cached_property
    def _dense(self) -> Runner:
        return Runner(prepare(self.loaded.model, self._speed))

    def _evaluate(
        self,
        due: dict[str, PruneSettings | None],
        file: RecordFile,
        told: Told,
        progress: bool | None,
    ) -> None:
        partial = Partial(file.path.parent, self.key(None))
        state = partial.read(list(due))
        sums = {key: state.sums.get(key, Sums()) for key in due}
        model = self.loaded.model
        with (
            eval_mode(model),
            torch.no_grad(),
            Switcher(model, self._speed) as switcher,
            self._reading(state.images, len(due), progress) as reading,
        ):
            for chunk in chunks(reading):
                done = state.images + reading.read
                unreadable = state.unreadable + reading.unreadable
                found = evaluate_chunk(chunk, self._computers(switcher, due.values()))
                for key, part in zip(due, found, strict=True):
                    sums[key] += part
                    reading.advance(part.metrics.n)
                    if done == self.data.n:
                        self._record(due[key], sums[key], unreadable, switcher, file, told)
                if done < self.data.n:
                    partial.write(State(done, unreadable, sums))
            for key, settings in due.items():
                unreadable = state.unreadable + reading.unreadable
                self._record(settings, sums[key], unreadable, switcher, file, told)
        partial.remove()

    def _reading(self, done: int, passes: int, progress: bool | None) -> Reading:
        rest = Subset(self.data.dataset, range(done, self.data.n))
        return Reading(
            replace(self.data, dataset=rest),
            label=str(self.network),
            passes=passes,
            batch_size=self._options["batch_size"],
            workers=self._options["workers"],
            skip_unreadable=self._options["skip_unreadable"],
            progress=progress,
            pin_memory=self._device.type == "cuda",
        )

    def _computers(
        self, switcher: Switcher, due: Iterable[PruneSettings | None]
    ) -> Iterator[Callable[[Batch], Tensor]]:
        for settings in due:
            yield self._computer(switcher.switch(settings))

    def _computer(self, runner: Runner) -> Callable[[Batch], Tensor]:
        amp, amp_dtype = self._options["amp"], DTYPES[self._options["amp_dtype"]]
        autocast = torch.autocast(self._device.type, amp_dtype, enabled=amp)

        def compute(batch: Batch) -> Tensor:
            images = self.loaded.preprocessing.normalise(batch.images)
            # What a network prints isn't the study's output.
            with autocast, redirect_stdout(sys.stderr):
                return compute_logits(runner, images, batch.labels)

        return compute

    def _record(
        self,
        settings: PruneSettings | None,
        sums: Sums,
        unreadable: int,
        switcher: Switcher,
        file: RecordFile,
        told: Told,
    ) -> None:
        """Write a variant's record, unless it is there."""
        key = self.key(settings)
        if key in file.records:
            return
        prepared = switcher.dense.prepared
        record: Record = {
            "schema": SCHEMA,
            "key": key,
            **self._base,
            "used": {"channels_last": prepared.channels_last, "folded_norms": prepared.folded},
            "variant": None,
            "metrics": (sums.metrics + Metrics(unreadable=unreadable)).to_dict(),
        }
        record["metrics"].pop("seconds")
        if settings is not None:
            record |= {
                "variant": describe_settings(settings),
                "prunable_sha256": switcher.prunable(settings).sha256,
                "draw_sha256": switcher.draw(settings).sha256,
                "pruning": switcher.summary(settings).to_dict(),
                "difference": sums.paired.to_dict(),
            }
        file.append(record)
        told(file.records[key])


def _load_network(network: Network, options: Mapping[str, Any]) -> LoadedNetwork:
    names = ("resize", "crop", "interpolation", "mean", "std")
    return load_network(
        network.arch,
        weights=network.weights,
        preprocessing={name: options[name] for name in names},
        cache_dir=options["cache_dir"],
    )


def _load_data(network: Network, loaded: LoadedNetwork, options: Mapping[str, Any]) -> LoadedData:
    spec = options["data"]
    if spec is None and network.arch != "digits":
        raise SourceError(
            f"{network.arch} needs labelled images: pass --data FOLDER or FILE, or --data fake:64 "
            "for a trial run"
        )
    return load_data(
        spec or "digits",
        transform=loaded.preprocessing.pixel_transform(),
        classes=loaded.classes,
        skip_unreadable=options["skip_unreadable"],
        cache_dir=options["cache_dir"],
        **_data_options(options),
    )


def _data_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "limit": options["limit"],
        "root": options["data_root"],
        "image_column": options["image_column"],
        "label_column": options["label_column"],
        "first_label": options["first_label"],
    }


def _changed(what: str) -> SourceError:
    return SourceError(
        f"{what} aren't those of this study's records any more; pass another folder with --out, "
        "or bring the old ones back"
    )
