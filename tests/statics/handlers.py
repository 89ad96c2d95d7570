"""Reads the permissions that the registry schemas of resource types name for their handlers: a JSON list of types on
stdin, one of permissions on stdout. The schemas are data in cfn-lint."""

import importlib.resources
import json
import sys

SCHEMAS = importlib.resources.files("cfnlint") / "data" / "schemas"
INDEX = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())


def permissions(kind: str) -> set[str]:
    schema = json.loads((SCHEMAS / "resources" / f"{INDEX[kind]}.json").read_text())
    return {action for handler in schema["handlers"].values() for action in handler["permissions"]}


json.dump(sorted(set().union(*map(permissions, json.load(sys.stdin)))), sys.stdout)
