# SPDX-License-Identifier: Apache-2.0
"""One bench that takes times is alone; others run side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossband.bench import alone
from crossband.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no benches apart")


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "lock_path", lambda: tmp_path / "lock")


def test_benches_without_times_run_side_by_side() -> None:
    with alone.machine(alone=False), alone.machine(alone=False):
        pass


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (True, False, "a bench with --timing is running on this machine"),
        (False, True, "another bench is running on this machine, and --timing runs alone"),
        (True, True, "another bench is running on this machine, and --timing runs alone"),
    ],
)
def test_one_that_takes_times_has_no_other_beside_it(
    first: bool, second: bool, message: str
) -> None:
    with (
        alone.machine(alone=first),
        pytest.raises(InputError, match=message),
        alone.machine(alone=second),
    ):
        pass
    with alone.machine(alone=second):  # the other has ended
        pass
