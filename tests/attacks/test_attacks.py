# SPDX-License-Identifier: Apache-2.0
"""Each hostile file is refused in one line, at once and without taking memory."""

from __future__ import annotations

import re
import runpy
import time
import tracemalloc
from pathlib import Path

import pytest

from crossband import errors
from crossband.container import unpack

FOLDER = Path(__file__).parent
TABLE = runpy.run_path(str(FOLDER / "make_attacks.py"))
ATTACKS = {attack.name: attack for attack in TABLE["ATTACKS"]}

TIME_LIMIT_S = 1.0
MEMORY_LIMIT_BYTES = 200_000_000


def refusal(data: bytes) -> errors.StreamError:
    """The error that unpacking raises, once it was raised in time and without much memory."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(errors.StreamError) as caught:
            unpack(data)
        seconds = time.perf_counter() - start
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < TIME_LIMIT_S
    assert peak_bytes < MEMORY_LIMIT_BYTES
    return caught.value


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.xb")), ids=lambda path: path.stem)
def test_a_hostile_file_is_refused(path):
    error = refusal(path.read_bytes())
    attack = ATTACKS[path.stem]
    message = str(error)
    assert type(error).__name__ == attack.error
    assert re.search(attack.says, message)
    assert "\n" not in message
    assert len(message) < 250


def test_the_files_are_those_of_the_table():
    assert len(ATTACKS) == len(TABLE["ATTACKS"])
    assert {path.stem: path.read_bytes() for path in FOLDER.glob("*.xb")} == {
        name: attack.data for name, attack in ATTACKS.items()
    }


def test_the_files_differ_from_a_good_one():
    assert len(unpack(TABLE["GOOD"]).records) == 2
    assert len({attack.data for attack in ATTACKS.values()}) == len(ATTACKS)


@pytest.mark.parametrize(
    "data",
    [
        TABLE["file"](*[TABLE["record"](0x55, b"")] * 50_000),
        TABLE["file"](TABLE["record"](0x55, bytes(40_000_000)), TABLE["record"](0x02, b"")),
        TABLE["file"](TABLE["record"](0x42 | 0x80, bytes(40_000_000))),
        TABLE["file"](TABLE["record"](0x01 | 0x80, b"\xe0" * 40_000_000)),
    ],
    ids=["tiny records", "a large unknown record", "a large filler", "a large false picture"],
)
def test_a_large_hostile_file_is_refused(data):
    refusal(data)
