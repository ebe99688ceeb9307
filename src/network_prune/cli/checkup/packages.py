"""Which of the packages that network-prune needs, or could do more with, are installed."""

import importlib
import importlib.metadata as metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from network_prune.errors import one_line

NAME: Final = "network-prune"
# Of compiled parts that have to fit each other, which shows when they are imported.
_COMPILED: Final = ("numpy", "torch", "torchvision", "timm")
_FOR_DEVELOPERS: Final = "dev"


@dataclass(frozen=True, slots=True)
class Package:
    """One that a part of network-prune needs.

    Attributes:
        name: as pip knows it.
        asked: the versions that will do, e.g. ``>=2.8``.
        version: the one that is installed, None for none.
    """

    name: str
    asked: str
    version: str | None

    @classmethod
    def of(cls, requirement: Requirement) -> "Package":
        """Look for what is required."""
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = None
        return cls(requirement.name, str(requirement.specifier), version)

    @property
    def is_right(self) -> bool:
        """Whether it is installed in a version that will do."""
        asked = Requirement(f"{self.name}{self.asked}").specifier
        return self.version is not None and asked.contains(self.version, prereleases=True)

    def __str__(self) -> str:
        """Return it for people, with what is wrong with it."""
        if self.version is None:
            return f"{self.name} is missing"
        old = "" if self.is_right else f", which isn't {self.asked}"
        return f"{self.name} {self.version}{old}"


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed.

    Attributes:
        needed: what everything needs.
        extras: what the parts need that are installed as extras, by their names.
        broken: why a package can't be imported, by its name.
    """

    needed: tuple[Package, ...]
    extras: Mapping[str, tuple[Package, ...]]
    broken: Mapping[str, str]

    @classmethod
    def find(cls) -> "Packages":
        """Look for all packages, and import the compiled ones."""
        required = list(_requirements())
        needed = [Package.of(each) for each, extra in required if extra is None]
        names = dict.fromkeys(extra for _, extra in required if extra is not None)
        extras = {
            name: tuple(Package.of(each) for each, extra in required if extra == name)
            for name in names
            if name != _FOR_DEVELOPERS
        }
        return cls(tuple(needed), extras, dict(_broken()))

    @property
    def missing(self) -> dict[str, list[Package]]:
        """What extras that aren't whole lack, by the extra's name."""
        lacking = {name: [p for p in own if not p.is_right] for name, own in self.extras.items()}
        return {name: packages for name, packages in lacking.items() if packages}

    def problems(self) -> Iterator[str]:
        """Yield what keeps network-prune from working, and what to do about it."""
        if not self.needed:
            yield (
                f"{NAME} isn't installed as a package, so what it needs isn't known; run pip "
                "install . in its folder"
            )
        for package in self.needed:
            if not package.is_right:
                yield f"{package}; run pip install '{package.name}{package.asked}'"
        for name, why in self.broken.items():
            yield (
                f"{name} can't be imported ({why}); install versions of torch and torchvision "
                "that belong together, e.g. pip install --force-reinstall torch torchvision"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data; None stands for what isn't installed."""
        missing = self.missing
        return {
            "packages": {package.name: package.version for package in self.needed},
            "extras": {
                name: {
                    "is_whole": name not in missing,
                    "packages": {package.name: package.version for package in own},
                }
                for name, own in self.extras.items()
            },
            "broken": dict(self.broken),
        }


def _requirements() -> Iterator[tuple[Requirement, str | None]]:
    """Yield what the package says it requires, each with the extra that it is for."""
    try:
        lines = metadata.requires(NAME) or []
        extras = metadata.metadata(NAME).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # of a damaged installation
            continue
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, None
            continue
        for extra in extras:
            if marker.evaluate({"extra": extra}) and requirement.name != NAME:
                yield requirement, extra


def _broken() -> Iterator[tuple[str, str]]:
    for name in _COMPILED:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # else it is missing, which is told
                yield name, one_line(error)
        except Exception as error:  # whatever a library that can't be loaded makes of it
            yield name, one_line(error)
