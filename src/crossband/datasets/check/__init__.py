# SPDX-License-Identifier: Apache-2.0
"""Whether a folder of pairs is fit to train or measure on.

    files ──► facts of each ──► findings ──► table, manifest
              size, depth,      what is wrong
              blocks, hash,
              offset, SHA-256

Nothing is changed, and torch is not needed.
"""

from __future__ import annotations

from crossband.datasets.check.audit import Audit, audit
from crossband.datasets.check.findings import KINDS, Finding

__all__ = ["KINDS", "Audit", "Finding", "audit"]
