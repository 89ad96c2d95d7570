"""Owns every replacement of a MiniStack internal; the server does not start when one of them is gone.

MiniStack is released daily and does not promise to keep its internals, so each patch names what it expects to find. A
missing table, entry or function is a `PatchError`, which `__main__` turns into a message and exit status 1.
"""

from collections.abc import Callable, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from overlay import MINISTACK_VERSION

_MISSING = object()


class PatchError(RuntimeError):
    """MiniStack does not look as the overlay expects."""


def require_version() -> None:
    """Refuse any MiniStack but the pinned one."""
    try:
        found = version("ministack")
    except PackageNotFoundError:
        raise PatchError(
            "ministack is not installed in this environment; "
            "install tests/emulator/requirements.txt"
        ) from None
    if found != MINISTACK_VERSION:
        raise PatchError(
            f"ministack {found} is installed, but the overlay patches the internals of "
            f"{MINISTACK_VERSION}. Install tests/emulator/requirements.txt, or follow "
            "'Bumping the pin' in tests/emulator/README.md."
        )


def attribute(module: Any, name: str, make: Callable[[Any], Any]) -> Any:
    """Replace `module.name` by `make(original)`; returns the original.

    A module that did `from x import name` holds its own reference, so a function
    used from several modules is patched in each of them.
    """
    original = getattr(module, name, _MISSING)
    if original is _MISSING:
        raise PatchError(f"{module.__name__}.{name} no longer exists in MiniStack")
    replacement = make(original)
    setattr(module, name, replacement)
    return original


def entry(table: MutableMapping[str, Any], key: str, make: Callable[[Any], Any], *, where: str) -> Any:
    """Replace `table[key]` by `make(original)`; returns the original."""
    if key not in table:
        raise PatchError(f"{where} has no entry {key!r} any more")
    original = table[key]
    table[key] = make(original)
    return original


def instead(value: Any) -> Callable[[Any], Any]:
    """For `attribute` and `entry`: take this, and nothing of the original."""
    return lambda _original: value


def new_entry(table: MutableMapping[str, Any], key: str, value: Any, *, where: str) -> None:
    """Add `table[key]`, which MiniStack must not have yet.

    When a MiniStack release grows the action itself, somebody has to look which
    of the two implementations is the better one.
    """
    if key in table:
        raise PatchError(f"{where} has an entry {key!r} of its own now; look which one to keep")
    table[key] = value


def requires(module: Any, *names: str) -> None:
    """State which of a module's functions and stores the overlay calls."""
    for name in names:
        if not hasattr(module, name):
            raise PatchError(f"{module.__name__}.{name} no longer exists in MiniStack")
