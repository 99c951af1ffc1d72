"""A Python as actions/setup-python leaves it, whose virtual environments need to download nothing.

What a virtual environment would get from the package index is there already: the distributions that reconciler
depends on and what builds it, out of the tests' own environment, and no others. So a dependency that is missing in
pyproject.toml is missing here, too.
"""

import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_BUILDERS = ("pip", "setuptools")
_WRAPPER = """#!/bin/sh
# python -m venv DIRECTORY, as it is, and with what is in the cache.
if [ "$1 $2" != "-m venv" ]; then exec "{python}" "$@"; fi
"{python}" -m venv --without-pip "$3" || exit
for packages in "$3"/lib/python*/site-packages; do echo "{cache}" > "$packages/cache.pth"; done
"""


def python(directory):
    """Make the cache and the Python below a directory, once; return the path of that Python."""
    wrapper = directory / "bin" / "python"
    if not wrapper.exists():
        cache = directory / "packages"
        cache.mkdir(parents=True)
        for name in _needed() | {*_BUILDERS}:
            _link(distribution(name), cache)
        wrapper.parent.mkdir()
        wrapper.write_text(_WRAPPER.format(python=sys.executable, cache=cache))
        wrapper.chmod(0o755)
    return wrapper


def _needed():
    """The names of the distributions that reconciler needs, and of those that they need."""
    found, waiting = set(), [(text, "") for text in tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]]
    while waiting:
        text, asked_for = waiting.pop()
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": asked_for}):
            continue
        for extra in ("", *wanted.extras):
            if (wanted.name, extra) not in found:
                found.add((wanted.name, extra))
                waiting += [(each, extra) for each in distribution(wanted.name).requires or ()]
    return {name for name, _ in found}


def _link(found, cache):
    tops = {Path(file).parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    for top in tops:
        if not (cache / top).exists():
            (cache / top).symlink_to(found.locate_file(top))
