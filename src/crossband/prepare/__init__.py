# SPDX-License-Identifier: Apache-2.0
"""Stage 2: rasters to tensors of whole blocks and back."""

from crossband.prepare.tensors import Geometry, geometry, prepare, restore, widened

__all__ = ["Geometry", "geometry", "prepare", "restore", "widened"]
