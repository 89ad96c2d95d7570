"""Reads the errors of calls from the services' models: a JSON list of `service:Operation` on stdin, the codes of each
on stdout."""

import json
import sys

import botocore.session

#: The services whose actions IAM names otherwise.
NAMES = {"states": "stepfunctions"}

session = botocore.session.get_session()


def codes(call: str) -> list[str]:
    service, _, operation = call.partition(":")
    shapes = session.get_service_model(NAMES.get(service, service)).operation_model(operation).error_shapes
    return sorted((shape.metadata.get("error") or {}).get("code") or shape.name for shape in shapes)


json.dump({call: codes(call) for call in json.load(sys.stdin)}, sys.stdout)
