"""Reads a CloudFormation template in YAML (a JSON string on stdin) as JSON: `!Ref X` is {"Ref": "X"}."""

import json
import sys

from cfnlint.decode import cfn_yaml

json.dump(cfn_yaml.loads(json.load(sys.stdin)), sys.stdout)
