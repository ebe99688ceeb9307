"""YAML that others wrote, within limits: of levels, and of what its aliases stand for."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from network_prune.errors import SourceError, brief, one_line

# Far above what anybody writes, and read in a second or two.
MOST_BYTES: Final = 2**18
MOST_VALUES: Final = 100_000
_MOST_LEVELS: Final = 50


class PathKeys(yaml.SafeLoader):
    """Reads keys as they are written: layers are called ``0.10`` or ``on``, too."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803
        """Begin a list or mapping in brackets.

        Raises:
            MarkedYAMLError: it lies in too many others, each of which is looked at anew.
        """
        if self.flow_level >= _MOST_LEVELS:
            problem = f"brackets lie in each other {_MOST_LEVELS} times and more"
            raise yaml.MarkedYAMLError(None, None, problem, self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

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


def compose(text: str, name: str) -> yaml.Node | None:
    """Return the nodes of ``text``, which know their lines; None if it holds nothing.

    Args:
        text: a document.
        name: what errors call it.

    Raises:
        SourceError: it is no YAML, is nested too deeply, or its aliases stand for too much.
    """
    try:
        node = yaml.compose(text, Loader=PathKeys)
        count = 0 if node is None else _count(node, {})
    except yaml.YAMLError as error:
        raise SourceError(_told(error, name)) from None
    except RecursionError:
        raise SourceError(f"{name} is nested too deeply; write its values side by side") from None
    if count > MOST_VALUES:
        raise SourceError(
            f"{name} holds {brief(count)} values, its aliases written out; it takes at most "
            f"{MOST_VALUES}"
        )
    return node


def construct(node: yaml.Node, name: str) -> Any:
    """Return what ``node`` stands for.

    Raises:
        SourceError: it isn't what it is tagged as; the message starts with ``name`` and the line.
    """
    try:
        return PathKeys("").construct_object(node, deep=True)
    except yaml.YAMLError as error:
        raise SourceError(_told(error, name)) from None
    except Exception as error:  # over values such as !!bool 7 PyYAML raises nearly anything
        line = f"line {node.start_mark.line + 1}"
        raise SourceError(f"{name} {line}: a value can't be read ({one_line(error)})") from None


def _told(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f" line {mark.line + 1}" if mark else ""
    return f"{name}{line}: {getattr(error, 'problem', None) or 'it is no YAML'}"


def _count(node: yaml.Node, counts: dict[int, int | None]) -> int:
    """Return how many values ``node`` holds, each as often as aliases stand for it."""
    known = counts.get(id(node), 0)
    if known is None:
        problem = "an alias stands for what it is a part of"
        raise yaml.MarkedYAMLError(None, None, problem, node.start_mark)
    if not known:
        counts[id(node)] = None
        known = counts[id(node)] = 1 + sum(_count(inner, counts) for inner in _inside(node))
    return known


def _inside(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
