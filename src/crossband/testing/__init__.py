# SPDX-License-Identifier: Apache-2.0
"""Pictures for tests and demonstrations, made from nothing but a seed.

`synthetic_pair` draws a road scene; `crossband.testing.strategies` (needs hypothesis) draws every
kind of pair that the codec must take.
"""

from __future__ import annotations

from crossband.testing.scene import synthetic_pair

__all__ = ["synthetic_pair"]
