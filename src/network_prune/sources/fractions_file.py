"""p_prune by layer in YAML: files of their own, mappings in braces, and plans."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError, SourceError
from network_prune.options import OPTIONS


def with_files(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the mappings that ``p_prune_file`` names among ``p_prune``.

    Raises:
        ArgumentError: a mapping isn't allowed.
        SourceError: a file can't be read.
    """
    others = dict(values)
    files = others.pop("p_prune_file", None)
    if files in (None, ()):
        return others
    found = [_read(name) for name in OPTIONS["p_prune_file"].read("p_prune_file", files)]
    said = others.get("p_prune")
    fractions = () if said is None else OPTIONS["p_prune"].read("p_prune", said)
    return {**others, "p_prune": (*fractions, *found)}


def fractions_text(fractions: Mapping[str, float], comments: Iterable[str] = ()) -> str:
    """Return what a file of ``fractions`` holds; paths are quoted, since some look like numbers."""
    lines = [f"# {comment}" for comment in comments]
    lines += [f'"{path}": {fraction!r}' for path, fraction in fractions.items()]
    return "\n".join(lines) + "\n"


class PathKeys(yaml.SafeLoader):
    """Reads keys as they are written: layers are called ``0.10`` or ``on``, too."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping from text.

        Raises:
            ConstructorError: a key is no text, or stands there twice.
        """
        found: dict[Any, Any] = {}
        for key, value in node.value:
            is_text = isinstance(key, yaml.ScalarNode)
            if not is_text or key.value in found:
                problem = f"{key.value} stands there twice" if is_text else "a path has to be text"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


def _read(name: str) -> ByLayer:
    is_inline = name.lstrip().startswith("{")
    where = "p_prune_file" if is_inline else name
    try:
        text = name if is_inline else Path(name).read_text(encoding="utf-8")
        found = yaml.load(text, PathKeys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise SourceError(f"{where}{line}: {problem}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SourceError(f"cannot read p_prune_file {name}: {reason}") from None
    if not isinstance(found, Mapping):
        raise ArgumentError(f"{where}: it holds no fractions; write LAYER: FRACTION, one a line")
    try:
        return ByLayer(found)
    except ArgumentError as error:
        raise ArgumentError(f"{where}: {error}") from None
