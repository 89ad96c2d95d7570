"""Owns what the CloudFormation registry says of a resource type: read from its schema, never typed again.

AWS facts:
* A resource type's schema names the permissions of each handler, the properties that replace a resource when they
  change (createOnlyProperties) or may do so (conditionalCreateOnlyProperties), and those that cannot be read back
  (writeOnlyProperties): CloudFormation CLI user guide, "Resource type schema". The schemas are data in the pinned
  `cfn-lint` package.
* A handler may call whatever its permissions name: `autoscaling:Describe*` of a group's read handler covers the
  lifecycle hooks and notification configurations that are properties of it.
Unlike AWS:
* A service that botocore does not know (managed-fleets) is left out.
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
def _operations(service: str) -> tuple[str, ...]:
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return ()
    return tuple(session.get_service_model(service).operation_names)


@functools.cache
def permissions(kind: str, handler: str) -> tuple[str, ...]:
    """The IAM actions that a handler of this type may need, wildcards expanded."""
    named = schema(kind).get("handlers", {}).get(handler, {}).get("permissions", [])
    found = []
    for action in named:
        service, _, name = action.partition(":")
        found += [f"{service}:{n}" for n in _operations(service) if fnmatch.fnmatchcase(n, name)] \
            if "*" in name else [action]
    return tuple(found)


def recreation(kind: str, name: str) -> str:
    """Whether a change of this property replaces the resource: Always, Conditionally or Never."""
    for field, answer in (("createOnlyProperties", "Always"), ("conditionalCreateOnlyProperties", "Conditionally")):
        if f"/properties/{name}" in schema(kind).get(field, []):
            return answer
    return "Never"


def replacing(kind: str) -> tuple[str, ...]:
    """The properties whose change always replaces a resource of this type."""
    paths = schema(kind).get("createOnlyProperties", [])
    return tuple(path.removeprefix("/properties/") for path in paths)
