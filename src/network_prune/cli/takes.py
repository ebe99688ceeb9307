"""Give commands options declared elsewhere as parameters of their own, as Typer wants them."""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from network_prune.cli.completion import option_completes
from network_prune.cli.loudness import Quiet, Verbose, loudness
from network_prune.cli.several import split_numbers, split_words
from network_prune.errors import ArgumentError
from network_prune.option_checks import OneOf
from network_prune.options import OPTIONS, Option, read_options

Command = Callable[..., None]

_LOUDNESS = {"quiet": Quiet, "verbose": Verbose}
_EXAMPLES = {float: "0.1,0.2 or 0:0.5:0.1", int: "10,20 or 10:50:10"}


def takes(
    names: Collection[str],
    *,
    one: Collection[str] = (),
    own_defaults: Mapping[str, Any] | None = None,
    options: Mapping[str, Option] = OPTIONS,
) -> Callable[[Command], Command]:
    """Give a command, whose first parameter takes the checked values, some options.

    What isn't given on the command line is left out of the values, unless the command has
    a default of its own for it. How much it says is an option of each, too.

    Args:
        names: of ``options``, in their order in the help.
        one: those that take a single value in this command, though others take several.
        own_defaults: defaults that differ from the options' own.
        options: where they are declared; those of a study by default.
    """
    own = dict(own_defaults or {})

    def decorate(command: Command) -> Command:
        own_parameters = [
            _parameter(
                name,
                _annotation(name, options[name], own.get(name, options[name].default), name in one),
            )
            for name in names
        ]

        @wraps(command)
        def call(**values: Any) -> None:
            with loudness(**{name: values.pop(name) for name in _LOUDNESS}):
                given = {
                    name: _value(name, values.pop(name), options[name], name in one)
                    for name in names
                }
                said = {name: value for name, value in given.items() if value not in (None, [])}
                # What is said in a file isn't said by default as well.
                has_file = "p_prune_file" in said
                usual = {n: v for n, v in own.items() if n != "p_prune" or not has_file}
                command({**usual, **read_options(said, options)}, **values)

        _, *others = inspect.signature(command).parameters.values()
        parameters = [
            *own_parameters,
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others),
            *(_parameter(name, kind, default=False) for name, kind in _LOUDNESS.items()),
        ]
        vars(call)["__signature__"] = inspect.Signature(parameters)
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        return call

    return decorate


def _parameter(name: str, annotation: Any, *, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _annotation(name: str, option: Option, default: Any, takes_one: bool) -> Any:
    kind, text, flags, metavar = option.kind, option.help, (), None
    if kind is bool:
        flag = name.replace("_", "-")
        flags = (f"--{flag}",) if option.default is False else (f"--{flag}/--no-{flag}",)
    elif kind is tuple:
        kind = str
    elif option.many and not takes_one:
        text = f"{text} {_several(option)}"
        metavar = "NUMBERS" if kind in _EXAMPLES else "NAMES" if _has_names(option) else "TEXT"
        kind = list[str]
    info = typer.Option(
        *flags,
        help=text,
        metavar=metavar,
        rich_help_panel=option.panel,
        show_default=(default == option.default and option.shown) or _shown(default),
        autocompletion=option_completes(name, option, takes_one=takes_one),
    )
    return Annotated[kind | None, info]


def _several(option: Option) -> str:
    """Return how the help says that an option takes several values."""
    if option.kind in _EXAMPLES:
        return f"Several by repeating it, or as {_EXAMPLES[option.kind]}."
    return "Several by repeating it, or with commas." if _has_names(option) else "May be repeated."


def _has_names(option: Option) -> bool:
    """Return whether an option's values are names without commas."""
    return isinstance(option.check, OneOf)


def _shown(default: Any) -> str | bool:
    """Return how the help shows a default; False where the flags or the text say it."""
    if default is None or default == () or isinstance(default, bool):
        return False
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _value(name: str, value: Any, option: Option, takes_one: bool) -> Any:
    """Return the values that an option takes as text, of which there may be several in one."""
    if value is None:
        return None
    if option.kind is tuple:
        return _channels(name, value)
    if takes_one or not option.many:
        return value
    if option.kind in _EXAMPLES:
        return [each for text in value for each in split_numbers(name, text, option.kind)]
    if _has_names(option):
        return [word for text in value for word in split_words(text)]
    return value


def _channels(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{name}={text!r} isn't numbers; pass e.g. 0.485,0.456,0.406") from None
