"""What a transfer run computes: a row for each surrogates, goal, augmentation and seed."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, Final

from network_prune.errors import ArgumentError, brief
from network_prune.evaluation.variant import Network
from network_prune.options import MOST_VARIANTS, defaults, read_options
from network_prune.sources.digits.names import NAMES
from network_prune.transfer.attack.settings import PRESETS, Attack, Goal
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.options import TRANSFER_OPTIONS

OWN: Final = "own"
_PEER: Final = "torchattack:"
_SETTINGS: Final = tuple(field.name for field in fields(Attack) if field.name != "goal")
# What other libraries' attacks settle themselves.
_OWN_SETTINGS: Final = ("loss", "diversity", "diversity_scale", "translation", "scales")
_QUARTERS: Final = (1, 2, 3)
# The embedded digits are pictures of 8 by 8 pixels.
_DIGITS_SIZE: Final = 32
# What isn't said of embedded networks, so that all of them take two minutes on two cores.
_FEW: Final = 50
_EMBEDDED: Final[Mapping[str, Any]] = {"goal": tuple(Goal), "batch_size": _FEW}


@dataclass(frozen=True, slots=True)
class Row:
    """Images made on some surrogates in one way, and tried on victims.

    Attributes:
        surrogates: whose logits are averaged.
        beside: networks averaged with them, for an upper bound; empty in any other row.
        victims: the other networks.
        augmentation: what is done to the surrogates.
        attack: its settings.
        by: ``own``, or ``torchattack:NAME``.
        seed: names what is random.
        iterations: how many.
        points: iterations after which figures are taken, ascending; the last is the end.
    """

    surrogates: tuple[Network, ...]
    beside: tuple[Network, ...]
    victims: tuple[Network, ...]
    augmentation: Augmentation
    attack: Attack
    by: str
    seed: int
    iterations: int
    points: tuple[int, ...]

    @property
    def passes_per_iteration(self) -> int:
        """Forward-backward passes of each image, in all networks that are averaged."""
        each = self.augmentation.passes(self.attack.scales)
        return each * len(self.surrogates + self.beside)

    @property
    def passes(self) -> int:
        """Those of all iterations."""
        return self.iterations * self.passes_per_iteration

    @property
    def name(self) -> str:
        """The augmentation's name with its settings, or ``bound`` with its networks."""
        return f"bound:{ensemble_name(self.beside)}" if self.beside else str(self.augmentation)

    def __str__(self) -> str:
        seed = f"seed {self.seed}"
        return f"{ensemble_name(self.surrogates)}, {self.attack.goal}, {self.name}, {seed}"


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """A transfer run.

    Attributes:
        rows: what is computed, in order.
        options: the values of `TRANSFER_OPTIONS`.
        notes: what to know about the rows.
    """

    rows: tuple[Row, ...]
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks, each once, surrogates before victims."""
        ours = [network for row in self.rows for network in (*row.surrogates, *row.beside)]
        others = [network for row in self.rows for network in row.victims]
        return tuple(dict.fromkeys([*ours, *others]))

    @property
    def is_targeted(self) -> bool:
        """Whether any row's images are to be taken for targets."""
        return any(row.attack.is_targeted for row in self.rows)


def of_folder(plan: TransferPlan) -> TransferPlan:
    """Return a plan of rows whose images exist already: one for each surrogates and goal."""
    rows = {
        (row.surrogates, row.attack.goal): replace(row, seed=plan.options["seed"], iterations=1)
        for row in plan.rows
        if not row.beside
    }
    return replace(plan, rows=tuple(rows.values()), notes=())


def network_name(network: Network) -> str:
    """Return ``NAME`` or ``NAME=WEIGHTS``, as the options take it."""
    is_usual = network.weights == "default"
    return network.arch if is_usual else f"{network.arch}={network.weights}"


def ensemble_name(networks: Sequence[Network]) -> str:
    """Return the names of networks whose logits are averaged, as the options take them."""
    return "+".join(map(network_name, networks))


def make_transfer_plan(values: Mapping[str, Any]) -> TransferPlan:
    """Return the plan that ``values`` describes.

    Args:
        values: any of `TRANSFER_OPTIONS`; what isn't said is as the preset has it, which by
            default is ``digits`` where all networks are embedded ones.

    Raises:
        ArgumentError: an option is unknown, a value isn't allowed, or they don't go together.
    """
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            f"plan={brief(values)} is no mapping; pass e.g. {{'augmentation': ['none', 'dwp']}}"
        )
    said = read_options(values, TRANSFER_OPTIONS)
    options: dict[str, Any] = {**defaults(TRANSFER_OPTIONS), "surrogate": NAMES, **said}
    _check_attack(options["attack"], said)
    groups = [_read_networks("surrogate", text) for text in options["surrogate"]]
    others = [_read_one(name, text) for name in ("victim", "bound") for text in options[name]]
    named = {network: None for group in groups for network in group} | dict.fromkeys(others)
    if all(network.arch in NAMES for network in named) and "preset" not in said:
        options = {**options, "preset": "digits", **_EMBEDDED, **said}
        options["limit"] = said.get("limit", None if "data" in said else _FEW)
    if options["preset"] == "digits" and options["image_size"] is None:
        options["image_size"] = _DIGITS_SIZE
    options["augmentation"] = _with_against(options)
    made = (
        row
        for group in dict.fromkeys(groups)
        for goal in dict.fromkeys(options["goal"])
        for row in _rows(group, Goal(goal), tuple(named), said, options)
    )
    rows = list(islice(made, MOST_VARIANTS + 1))
    if len(rows) > MOST_VARIANTS:
        raise ArgumentError(
            f"the plan stands for more than {MOST_VARIANTS} rows, which a run has at most; pass "
            "fewer seeds, networks or augmentations, or several plans"
        )
    rows.sort(key=lambda row: row.seed)  # so that what is there early can be compared
    return TransferPlan(tuple(rows), options, _notes(rows, options))


def _check_attack(by: str, said: Mapping[str, Any]) -> None:
    if by != OWN and not by.startswith(_PEER):
        raise ArgumentError(
            f"attack={by} is neither {OWN} nor {_PEER}NAME; pass e.g. {_PEER}MIFGSM"
        )
    unused = [name for name in ("at", *_OWN_SETTINGS) if name in said]
    if by != OWN and unused:
        raise ArgumentError(
            f"{unused[0]}={said[unused[0]]} means nothing to {by}, which has its own way; leave it "
            "out"
        )


def _with_against(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the augmentations, each once, with the one that others are compared with."""
    named = options["augmentation"]
    against = () if options["against"] in named else (options["against"],)
    return tuple(dict.fromkeys((*against, *named)))


def _rows(
    group: tuple[Network, ...],
    goal: Goal,
    named: Sequence[Network],
    said: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Iterator[Row]:
    settings = _settings(goal, said, options["preset"])
    attack = Attack(goal=goal, **{name: settings[name] for name in _SETTINGS if name in settings})
    asked = [_read_one("victim", text) for text in options["victim"]]
    victims = tuple(network for network in asked or named if network not in group)
    beside = [_read_one("bound", text) for text in options["bound"]]
    beside = tuple(network for network in beside if network not in group)
    none, by, seed = Augmentation.parse("none"), options["attack"], options["seed"]
    plain = Row(group, (), victims, none, attack, by, seed, iterations=1, points=(1,))
    for text in options["augmentation"]:
        row = replace(plain, augmentation=Augmentation.parse(text))
        yield from _seeded(row, settings, options["seeds"])
    if beside:
        left = tuple(network for network in victims if network not in beside)
        if not left:
            raise ArgumentError(
                f"bound={ensemble_name(beside)} leaves no victim of {ensemble_name(group)}; name "
                "another with victim (--victim)"
            )
        yield from _seeded(replace(plain, beside=beside, victims=left), settings, options["seeds"])


def _settings(goal: Goal, said: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Return what the options say, and for the rest what the preset does."""
    if "steps" in said and "passes" in said:
        raise ArgumentError(
            f"steps={said['steps']} and passes={said['passes']} say two budgets; pass one of them"
        )
    usual = dict(PRESETS[preset][goal])
    if "steps" in said or "passes" in said:
        usual = {name: value for name, value in usual.items() if name not in ("steps", "passes")}
    return {**usual, **said}


def _seeded(row: Row, settings: Mapping[str, Any], seeds: int) -> Iterator[Row]:
    """Yield a row with its iterations for each seed; one alone where all would be the same."""
    each = row.augmentation.passes(row.attack.scales)
    iterations = _iterations(row.augmentation, each, settings)
    is_own = row.by == OWN
    # Of others' attacks, the end alone is seen.
    points = _points(iterations, each, settings) if is_own else (iterations,)
    is_random = row.augmentation.is_random or not is_own or row.attack.diversity > 0
    for seed in range(row.seed, row.seed + (seeds if is_random else 1)):
        yield replace(row, seed=seed, iterations=iterations, points=points)


def _iterations(augmentation: Augmentation, each: int, settings: Mapping[str, Any]) -> int:
    if "steps" in settings:
        return settings["steps"]
    passes: int = settings["passes"]
    if passes < each:
        raise ArgumentError(
            f"passes={passes} doesn't pay for one iteration of {augmentation}, which takes {each}; "
            f"pass {each} or more"
        )
    return passes // each


def _points(iterations: int, each: int, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the iterations after which figures are taken: what the passes asked for pay for."""
    budget: int = settings.get("passes", iterations * each)
    asked: Sequence[int] = settings.get("at", [budget * quarter // 4 for quarter in _QUARTERS])
    if "passes" in settings and max(asked, default=0) > budget:
        raise ArgumentError(
            f"at={max(asked)} lies beyond passes={budget}; pass numbers of passes up to that"
        )
    found = {passes // each for passes in asked} | {iterations}
    return tuple(sorted(point for point in found if 1 <= point <= iterations))


def _notes(rows: Sequence[Row], options: Mapping[str, Any]) -> tuple[str, ...]:
    if options["seeds"] == 1:
        return ()
    seeds: dict[str, int] = {}
    for row in rows:
        name = f"{row.attack.goal} {row.name}"
        seeds[name] = max(seeds.get(name, 0), row.seed - options["seed"] + 1)
    once = [name for name, count in seeds.items() if count == 1]
    if not once:
        return ()
    return (f"nothing is random in {', '.join(once)}: one seed is computed",)


def _read_networks(name: str, text: str) -> tuple[Network, ...]:
    networks = tuple(_read_network(name, part, text) for part in _split(text))
    if len(set(networks)) < len(networks):
        raise ArgumentError(f"{name} {text!r} names a network twice; name each once")
    return networks


def _split(text: str) -> Iterator[str]:
    """Yield what ``+`` joins; one in the path of a file that is there joins nothing."""
    parts = text.split("+")
    while parts:
        ends = range(len(parts), 1, -1)
        end = next((end for end in ends if _is_path("+".join(parts[:end]))), 1)
        yield "+".join(parts[:end])
        del parts[:end]


def _is_path(text: str) -> bool:
    """Return whether each ``+`` in ``FILE:CALLABLE=WEIGHTS`` is one of an existing file's path."""
    arch, _, weights = text.partition("=")
    path, _, maker = arch.rpartition(":")
    named = [each for each in (path, weights) if "+" in each]
    return "+" not in maker and all(map(os.path.isfile, named))


def _read_one(name: str, text: str) -> Network:
    network, *others = _read_networks(name, text)
    if others:
        raise ArgumentError(
            f"{name} {text!r} joins several networks; name each for itself (--{name} A --{name} B)"
        )
    return network


def _read_network(name: str, part: str, text: str) -> Network:
    arch, has_weights, weights = part.partition("=")
    if not arch or (has_weights and not weights):
        raise ArgumentError(f"{name} {text!r} names no network; pass NAME, NAME=WEIGHTS or A+B")
    return Network(arch, weights or "default")
