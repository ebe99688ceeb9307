"""The options that say which network runs on which images, for all commands that run one."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

from network_prune.cli.numbers import read_numbers
from network_prune.cli.options import option
from network_prune.sources.inputs import Inputs


def takes_inputs(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command``, whose first parameter is an `Inputs`, the options of its fields.

    The function that is returned has each as a parameter of its own, as Typer wants it; in
    the help they follow the command's first option.
    """
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=option(field.name),
        )
        for field in fields(Inputs)
    ]

    @wraps(command)
    def call(**values: Any) -> None:
        given: dict[str, Any] = {each.name: values.pop(each.name) for each in options}
        given |= {name: read_numbers(name, given[name]) for name in ("mean", "std")}
        command(Inputs(**given), **values)

    _, first, *others = inspect.signature(command).parameters.values()
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (first, *others)]
    parameters = [keyword[0], *options, *keyword[1:]]
    vars(call)["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call
