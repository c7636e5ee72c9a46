# SPDX-License-Identifier: Apache-2.0
"""NPY, the array file of NumPy: samples and their type, and nothing else."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from crossband.pair import Raster


def write_npy(raster: Raster) -> bytes:
    """The bytes of a file that `numpy.load` reads: (height, width) or (height, width, 3)."""
    file = BytesIO()
    np.save(file, raster.samples, allow_pickle=False)
    return file.getvalue()
