"""Parses JSONata. In: a JSON list of expressions, on stdin. Out: for each of them the error, if it
does not parse, and the variables that it reads and does not bind itself.
"""

import json
import sys

from jsonata import jsonata
from jsonata.parser import Parser

# Step Functions has all of JSONata's functions but $eval, and some of its own (developer guide,
# "Transforming data with JSONata").
FUNCTIONS = set(jsonata.Jsonata.static_frame.bindings) - {"eval"} | {
    "partition", "range", "hash", "random", "uuid", "parse"}


def nodes(tree, seen):
    if isinstance(tree, (list, tuple)):
        children = tree
    elif isinstance(tree, Parser.Symbol) and id(tree) not in seen:
        seen.add(id(tree))
        yield tree
        children = [child for name, child in vars(tree).items() if name != "_outer_instance"]
    else:
        return
    for child in children:
        yield from nodes(child, seen)


def inspect(expression):
    try:
        tree = jsonata.Jsonata(expression).ast
    except Exception as error:
        return {"error": str(error), "reads": []}
    found = list(nodes(tree, set()))
    bound = {node.lhs.value for node in found if node.type == "bind"}
    for node in found:
        if node.type == "lambda":
            bound.update(argument.value for argument in node.arguments)
    reads = {node.value for node in found if node.type == "variable"}
    # The empty name is `$`, the context of a path or a filter.
    return {"error": None, "reads": sorted(reads - bound - FUNCTIONS - {""})}


json.dump([inspect(expression) for expression in json.load(sys.stdin)], sys.stdout)
