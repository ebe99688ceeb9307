"""What all commands have in common, however their options are declared."""

from collections.abc import Mapping
from typing import Any, cast

import typer
from typer.core import TyperCommand

from network_prune.core.foreign_code import no_exits
from network_prune.errors import ArgumentError, brief
from network_prune.options import LETTERS


class OnceCommand(TyperCommand):
    """A command whose options, but for those of several values, may be given once each.

    Its options get their letters, and texts of its help are shown as they are written. Whatever
    code of others it runs can't end it as if it were done.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.name in LETTERS and parameter.param_type_name == "option":
                parameter.opts.append(f"-{LETTERS[parameter.name]}")
        show_as_written(self)

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
            ArgumentError: a value isn't of its option's kind, an option that takes one value is
                given more than once, or a long one with one dash.
        """
        if ctx.resilient_parsing:  # for a shell, of what isn't finished
            return super().parse_args(ctx, args)
        values = self._checked(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            parameter = cast(Any, error).param
            said = values.get(parameter.name) if parameter else None
            if said is None:
                raise
            raise ArgumentError(f"{parameter.opts[0]} {brief(said)}: {error.message}") from None

    def _checked(self, ctx: Any, args: list[str]) -> Mapping[str, Any]:
        """Return what the command line says of each parameter, as text."""
        self._check_dashes(args[: args.index("--") if "--" in args else None])
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen: set[str] = set()
        for parameter in order:
            if parameter.name in seen and not getattr(parameter, "multiple", False):
                raise ArgumentError(
                    f"{parameter.opts[0]} is given more than once; it takes one value here"
                )
            seen.add(str(parameter.name))
        return values

    def _check_dashes(self, args: list[str]) -> None:
        """Refuse -arch, which would be -a with the value rch."""
        names = {name for each in self.params for name in (*each.opts, *each.secondary_opts)}
        for said in args:
            name = said.partition("=")[0].replace("_", "-")
            if len(name) > 2 and f"-{name}" in names:
                raise ArgumentError(f"{said} starts with one dash; pass -{name} with two")


def show_as_written(command: Any) -> None:
    """Let no part of a command's help be taken for markup, such as the [ray] of an extra."""
    if command.rich_markup_mode != "rich":
        return
    from rich.markup import escape

    for each in (command, *command.params):
        if each.help:
            each.help = escape(each.help)
