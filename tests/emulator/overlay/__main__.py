"""Owns the start of the server: check, patch, serve.

README.md lists the environment variables.
"""

import os
import sys

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> None:
    os.environ.setdefault("BIND_HOST", "127.0.0.1")
    host = os.environ["BIND_HOST"]
    if host not in LOOPBACK:
        raise SystemExit(f"overlay: BIND_HOST={host} is not loopback; this server has no business elsewhere")
    port = os.environ.setdefault("GATEWAY_PORT", "4566")
    # Lambdas inherit the environment, and must find this server and no other.
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    # Background services that nobody here uses, and that bind ports of their own.
    os.environ.setdefault("SFTP_ENABLED", "0")

    from overlay import lifeline, patching
    lifeline.install()
    try:
        patching.require_version()
        from overlay import install
        install.everything()
    except (patching.PatchError, ImportError, AttributeError) as error:
        raise SystemExit(f"overlay: refusing to start: {error}") from error

    from ministack import app
    sys.argv[1:] = []
    app.main()


if __name__ == "__main__":
    main()
