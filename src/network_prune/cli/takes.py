"""Give commands options declared elsewhere as parameters of their own, as Typer wants them."""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from network_prune.core.foreign_code import no_exits
from network_prune.errors import ArgumentError
from network_prune.options import OPTIONS, Option, read_options

Command = Callable[..., None]


def takes(
    names: Collection[str],
    *,
    one: Collection[str] = (),
    own_defaults: Mapping[str, Any] | None = None,
    options: Mapping[str, Option] = OPTIONS,
) -> Callable[[Command], Command]:
    """Give a command, whose first parameter takes the checked values, some options.

    What isn't given on the command line is left out of the values, unless the command has
    a default of its own for it.

    Args:
        names: of ``options``, in their order in the help.
        one: those that take a single value in this command, though others take several.
        own_defaults: defaults that differ from the options' own.
        options: where they are declared; those of a study by default.
    """
    own = dict(own_defaults or {})

    def decorate(command: Command) -> Command:
        own_parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_annotation(
                    name, options[name], own.get(name, options[name].default), name in one
                ),
            )
            for name in names
        ]

        @wraps(command)
        def call(**values: Any) -> None:
            given = {name: _value(name, values.pop(name), options[name]) for name in names}
            said = {name: value for name, value in given.items() if value not in (None, [])}
            # What is said in a file isn't said by default as well.
            usual = {n: v for n, v in own.items() if n != "p_prune" or "p_prune_file" not in said}
            command({**usual, **read_options(said, options)}, **values)

        _, *others = inspect.signature(command).parameters.values()
        parameters = [
            *own_parameters,
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others),
        ]
        vars(call)["__signature__"] = inspect.Signature(parameters)
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        return call

    return decorate


def _annotation(name: str, option: Option, default: Any, takes_one: bool) -> Any:
    kind, text, flags = option.kind, option.help, ()
    if kind is bool:
        flag = name.replace("_", "-")
        flags = (f"--{flag}",) if option.default is False else (f"--{flag}/--no-{flag}",)
    elif kind is tuple:
        kind = str
    elif option.many and not takes_one:
        kind, text = list[kind], f"{text} May be repeated."
    info = typer.Option(
        *flags,
        help=text.replace("[", r"\["),  # which would be markup
        rich_help_panel=option.panel,
        show_default=(default == option.default and option.shown) or _shown(default),
    )
    return Annotated[kind | None, info]


def _shown(default: Any) -> str | bool:
    """Return how the help shows a default; False where the flags or the text say it."""
    if default is None or default == () or isinstance(default, bool):
        return False
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _value(name: str, value: Any, option: Option) -> Any:
    """Return the numbers that an option takes as text with commas; other values as they are."""
    if option.kind is not tuple or value is None:
        return value
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise ArgumentError(
            f"{name}={value!r} isn't numbers; pass e.g. 0.485,0.456,0.406"
        ) from None


class OnceCommand(TyperCommand):
    """A command whose options, but for those of several values, may be given once each.

    Whatever code of others it runs can't end it as if it were done.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            UserCodeError: a user's code wants to end the program.
        """
        with no_exits():
            return super().invoke(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line as click does, once what it says is looked through.

        Raises:
            ArgumentError: an option that takes one value is given more than once.
        """
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen: set[str] = set()
        for parameter in order:
            if parameter.name in seen and not getattr(parameter, "multiple", False):
                raise ArgumentError(
                    f"{parameter.opts[0]} is given more than once; it takes one value here"
                )
            seen.add(str(parameter.name))
        return super().parse_args(ctx, args)
