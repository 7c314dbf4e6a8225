"""Plants a bug: replaces pieces of a function's source text, in memory, for as long as this process lives."""

import inspect
import sys
import textwrap
from importlib import import_module
from typing import Any

from msgspec import Struct


class Patch(Struct, frozen=True):
    target: str
    """`module:function` or `module:Class.method`."""
    changes: tuple[tuple[str, str], ...]
    """(old, new): each old text stands in the function exactly once, dedented to its `def`."""


def patch(target: str, *changes: tuple[str, str]) -> Patch:
    return Patch(target, changes)


def plant(patch: Patch) -> None:
    """Asserts that every text to be replaced is there: no mutant outlives the code that it was made for."""
    module_name, _, path = patch.target.partition(":")
    module = import_module(module_name)
    owner: Any = module
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    found = inspect.getattr_static(owner, name)
    function: Any = found.fget if isinstance(found, property) else found
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in patch.changes:
        count = source.count(old)
        assert count == 1, f"{patch.target}: the text to replace stands there {count} times: {old!r}"
        source = source.replace(old, new)
    namespace: dict[str, Any] = {}
    # The `__class__` cell that a bare super() needs cannot be had this way; no function that is patched calls it.
    exec(compile(source, f"<planted in {patch.target}>", "exec"), module.__dict__, namespace)
    setattr(owner, name, namespace[name])
    if owner is module:
        _replace_imports(function, namespace[name])


def _replace_imports(function: object, replacement: object) -> None:
    """A function of a module may have been imported by others under its name."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is function:
                setattr(module, name, replacement)
