"""Reads a zip or tar file (its path on stdin): the mode and the contents of each file, of a text as such, of another
zip file in the same way."""

import io
import json
import pathlib
import sys
import tarfile
import zipfile


def of_zip(contents):
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        return {e.filename: (e.external_attr >> 16 & 0o777, archive.read(e)) for e in archive.infolist()}


def of_tar(contents):
    with tarfile.open(fileobj=io.BytesIO(contents)) as archive:
        return {e.name: (e.mode, archive.extractfile(e).read()) for e in archive.getmembers()}


def files(name, contents):
    found = of_zip(contents) if name.endswith(".zip") else of_tar(contents)
    return {inner: {"mode": mode, "contents": files(inner, data) if inner.endswith(".zip") else data.decode()}
            for inner, (mode, data) in found.items()}


path = pathlib.Path(json.load(sys.stdin))
json.dump(files(path.name, path.read_bytes()), sys.stdout)
