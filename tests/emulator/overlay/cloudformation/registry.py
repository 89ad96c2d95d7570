"""Owns what the CloudFormation registry says of a resource type: read from its schema, never typed again.

AWS facts:
* A resource type's schema names the permissions of each handler, the properties that replace a resource when they
  change (createOnlyProperties) or may do so (conditionalCreateOnlyProperties), and those that cannot be read back
  (writeOnlyProperties): CloudFormation CLI user guide, "Resource type schema". The schemas are data in the pinned
  `cfn-lint` package.
* A handler may call whatever its permissions name: `autoscaling:Describe*` of a group's read handler covers the
  lifecycle hooks and notification configurations that are properties of it.
* A type without a read handler cannot be read, and so is never checked for drift (same guide, "Handlers").
Unsure:
* Which of the calls that a wildcard covers a handler makes. Here it may make all of them.
"""

import fnmatch
import functools
import importlib.util
import json
import pathlib
from typing import Any

import botocore.session

from overlay import patching

_REGION = "us-east-1"


@functools.cache
def _folder() -> pathlib.Path:
    found = importlib.util.find_spec("cfnlint")
    if found is None or not found.submodule_search_locations:
        raise patching.PatchError("cfn-lint is not installed in this environment; install requirements.txt")
    return pathlib.Path(found.submodule_search_locations[0]) / "data" / "schemas"


@functools.cache
def _index() -> dict[str, str]:
    found: dict[str, str] = json.loads((_folder() / "providers" / f"{_REGION}.json").read_text())
    return found


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    """The schema of a resource type; empty for one that the registry does not have."""
    name = _index().get(kind)
    if name is None:
        return {}
    found: dict[str, Any] = json.loads((_folder() / "resources" / f"{name}.json").read_text())
    return found


@functools.cache
def permissions(kind: str, handler: str) -> tuple[str, ...]:
    """The IAM actions that a handler of this type may need; some are wildcards."""
    return tuple(schema(kind).get("handlers", {}).get(handler, {}).get("permissions", []))


@functools.cache
def covered(action: str) -> tuple[str, ...]:
    """The actions that a wildcard covers; itself if it is none, or of a service that botocore does not know."""
    service, _, name = action.partition(":")
    session = botocore.session.get_session()
    if "*" not in name or service not in session.get_available_services():
        return (action,)
    operations = session.get_service_model(service).operation_names
    return tuple(f"{service}:{each}" for each in operations if fnmatch.fnmatchcase(each, name))


def is_readable(kind: str) -> bool:
    """Whether resources of this type can be read, and so be checked for drift."""
    return "read" in schema(kind).get("handlers", {})


def _top(kind: str, field: str) -> frozenset[str]:
    """The properties in a list of the schema, without those that are parts of one."""
    paths = (path.removeprefix("/properties/") for path in schema(kind).get(field, []))
    return frozenset(path for path in paths if "/" not in path)


def write_only(kind: str) -> frozenset[str]:
    """The properties that cannot be read back."""
    return _top(kind, "writeOnlyProperties")


def recreation(kind: str, name: str) -> str:
    """Whether a change of this property replaces the resource: Always, Conditionally or Never."""
    for field, answer in (("createOnlyProperties", "Always"), ("conditionalCreateOnlyProperties", "Conditionally")):
        if f"/properties/{name}" in schema(kind).get(field, []):
            return answer
    return "Never"


def replacing(kind: str) -> tuple[str, ...]:
    """The properties whose change always replaces a resource of this type."""
    return tuple(sorted(_top(kind, "createOnlyProperties")))
