# SPDX-License-Identifier: Apache-2.0
"""What every test gets: fixed seeds, and the shared pictures where there are any."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

SEED = 20_220_619

# No deadline: the machine may be busy. Derandomized: the same examples in every run.
hypothesis.settings.register_profile("crossband", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("crossband")


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Each test starts from the same random state, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)
    # Not imported for its own sake: most tests do without torch.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pairs: CROSSBAND_DATA, or shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CROSSBAND_DATA", beside))
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no real pairs in {folder}: set CROSSBAND_DATA to the folder that has them")
    return folder
