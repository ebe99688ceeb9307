"""A command that refuses an option given twice, of which the last would be taken in silence."""

from typing import Any

from typer.core import TyperCommand

from network_prune.errors import ArgumentError


class OnceCommand(TyperCommand):
    """A command whose options, but for those of several values, may be given once each."""

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
