# SPDX-License-Identifier: Apache-2.0
"""Lets `python -m crossband` do what `crossband` does."""

from __future__ import annotations

import sys

from crossband.cli import main

if __name__ == "__main__":
    sys.exit(main())
