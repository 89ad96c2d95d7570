"""In: certificates in PEM, a JSON string on stdin. Out: how many there are, and how many of them botocore does not
trust."""

import json
import pathlib
import re
import sys

import botocore


def certificates(text: str) -> set[str]:
    found = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.DOTALL)
    return {"".join(certificate.split()) for certificate in found}


trusted = certificates((pathlib.Path(botocore.__file__).parent / "cacert.pem").read_text(encoding="utf-8"))
given = certificates(json.load(sys.stdin))
json.dump([len(given), len(given - trusted)], sys.stdout)
