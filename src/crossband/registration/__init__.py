# SPDX-License-Identifier: Apache-2.0
"""Where the infrared picture lies in the visible one: estimated from the pictures, or given.

    pictures ── views ── search ── refine ── check ──► Estimate ─┐
                  edges of all cameras                           ├─► Homography ──► Codec.encode
    JSON file ─────────── given ─────────────────────────────────┘

Only encoders need any of this; what they find is in the file (docs/format.md §5a).

    edges       what both cameras see alike
    views       pictures made smaller and warped
    search      scale, rotation and shift, from nothing
    refine      all eight numbers, from near
    estimation  all of it, and whether to believe it
    given       matrices and calibrations from JSON files
"""

from crossband.registration.estimation import Estimate, estimate
from crossband.registration.given import read_homography

__all__ = ["Estimate", "estimate", "read_homography"]
