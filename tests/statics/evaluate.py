"""Evaluates JSONata. In: on stdin, a JSON list of an expression and of the variables of each evaluation. Out: the
values.
"""

import json
import sys

from jsonata import jsonata


def evaluate(expression, variables):
    return jsonata.Jsonata(expression).evaluate(None, variables)


expression, cases = json.load(sys.stdin)
json.dump([evaluate(expression, variables) for variables in cases], sys.stdout)
