# SPDX-License-Identifier: Apache-2.0
"""A real Ctrl-C in a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import crossband

SOURCE = str(Path(crossband.__file__).parents[1])

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how full a pipe is")


def unread_bytes(descriptor: int) -> int:
    import array
    import fcntl
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def test_ctrl_c_ends_a_waiting_process_with_130_and_one_line(
    pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "crossband", "encode", "-", str(pictures[1]), "-o", "pair.xb"],
        stdin=read_end,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        # a test run in the background ignores the signal and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.write(write_end, b"\x89PNG")
    give_up = time.monotonic() + 60
    while unread_bytes(read_end) and time.monotonic() < give_up:
        time.sleep(0.01)
    time.sleep(0.05)  # it has read the four bytes and waits for more
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    os.close(write_end)
    os.close(read_end)
    assert (process.returncode, out) == (130, "")
    assert err == "crossband: interrupted; no unfinished file was left\n"
    assert sorted(tmp_path.iterdir()) == before
