"""In: the path of a file, a JSON string on stdin. Out: its SHA-256."""

import hashlib
import json
import pathlib
import sys

json.dump(hashlib.sha256(pathlib.Path(json.load(sys.stdin)).read_bytes()).hexdigest(), sys.stdout)
