"""Plans in YAML, with errors that say the line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from network_prune.errors import ArgumentError, NetworkPruneError, check_choice
from network_prune.options import GRID_OPTIONS, OPTIONS, Option, read_options
from network_prune.plain_file import read_small_text
from network_prune.results.published.figures import published_plan
from network_prune.sources.yaml_text import MOST_BYTES, compose, construct

PRESETS: Mapping[str, Callable[[], dict[str, Any]]] = {"published": published_plan}


def read_plan_file(path: Path) -> dict[str, Any]:
    """Return what a plan file says, each value checked; `make_plan` takes it.

    Raises:
        SourceError: the file, or a shell's pipe, can't be read as YAML of a usual size.
        ArgumentError: a key is unknown, double or has a value that isn't allowed; the
            message starts with file and line.
    """
    name = str(path)
    node = compose(read_small_text(path, what="the plan", most=MOST_BYTES), name)
    return {} if node is None else _Reader(name).plan(node)


def read_preset(name: str) -> dict[str, Any]:
    """Return a plan that comes with the package.

    Raises:
        ArgumentError: there is none of that name.
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]()


class _Reader:
    """Reads a plan's nodes, which know their lines."""

    def __init__(self, name: str) -> None:
        self._name = name

    def plan(self, node: yaml.Node) -> dict[str, Any]:
        grids: list[dict[str, Any]] = []
        values = self._mapping(node, OPTIONS, others={"grids": grids})
        return {**values, "grids": grids} if grids else values

    def _mapping(
        self,
        node: yaml.Node,
        keys: Mapping[str, Option],
        *,
        others: Mapping[str, list[dict[str, Any]]],
    ) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, "it holds no keys; write KEY: VALUE, one a line")
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._fail(key_node, "a key has to be text")
            key = key_node.value
            if key in seen:
                self._fail(key_node, f"{key} stands there twice; leave one out")
            seen.add(key)
            if key in others:
                others[key].extend(self._grids(value_node))
                continue
            if key in OPTIONS and key not in keys:
                self._fail(key_node, f"{key} holds for the whole study; write it outside grids")
            value = construct(value_node, self._name)
            try:
                check_choice("key", key, [*keys, *others])
                found |= read_options({key: value}, keys)
            except NetworkPruneError as error:
                self._fail(key_node, str(error))
        return found

    def _grids(self, node: yaml.Node) -> list[dict[str, Any]]:
        if not isinstance(node, yaml.SequenceNode):
            self._fail(node, "grids takes a list; start each grid with a dash")
        return [self._mapping(item, GRID_OPTIONS, others={}) for item in node.value]

    def _fail(self, node: yaml.Node, message: str) -> NoReturn:
        raise ArgumentError(f"{self._name} line {node.start_mark.line + 1}: {message}")
