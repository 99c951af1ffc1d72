"""A length of time on the command line, such as `30m`."""

import re
from datetime import timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


class Duration(click.ParamType[timedelta]):
    """Seconds, minutes or hours, at least a second: `90s`, `30m`, `2h`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", str(value))
        if found is None:
            self.fail(f'"{value}" is no length of time: write 90s, 30m or 2h', param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
