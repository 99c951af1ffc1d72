"""A length of time on the command line, such as `30m`."""

import re
from datetime import timedelta

import click

from reconciler.core.values.duration import parse_duration


class Duration(click.ParamType[timedelta]):
    """Seconds, minutes or hours, at least a second: `90s`, `30m`, `2h`; days too (`3d`) where `days` may be meant."""

    name = "duration"

    def __init__(self, *, days: bool = False) -> None:
        self._units, self._example = ("smhd", "2h or 3d") if days else ("smh", "30m or 2h")

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        if re.fullmatch(rf"[1-9][0-9]{{0,5}}[{self._units}]", str(value)) is None:
            self.fail(f'"{value}" is not a duration: write 90s, {self._example}', param, ctx)
        return parse_duration(str(value))
