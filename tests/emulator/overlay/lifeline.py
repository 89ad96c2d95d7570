"""Owns the end of the server when the program that started it ends.

With OVERLAY_EXIT_WITH_STDIN=1 the standard input is a pipe from the starter, who never writes to it. The pipe closes
when the starter ends, however it ends (SIGKILL too). Then the server and the functions' processes, which are in its
process group, are killed.
"""

import os
import signal
import sys
import threading


def _wait_and_kill() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    # Only if the group is the server's own: in a shell's job it would be the user's.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def install() -> None:
    if os.environ.pop("OVERLAY_EXIT_WITH_STDIN", "") == "1":
        threading.Thread(target=_wait_and_kill, daemon=True, name="lifeline").start()
