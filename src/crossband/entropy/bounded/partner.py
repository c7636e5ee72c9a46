# SPDX-License-Identifier: Apache-2.0
"""What the entropy model of a visible picture sees of an infrared one whose samples are exact.

The latents of an infrared picture are what prepares the tables of a visible one; a bounded picture
has none. One integer matrix makes about the same of each block of its decoded samples
(docs/format.md §15.7): least squares, by `scripts/bounded_partner.py`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from crossband.entropy.bounded.distribution import Integers

BLOCK = 16
"""Pixels a latent position, each way."""
SIGNALS = 192
"""Channels: infrared latents of the weights that the matrix serves."""
SAMPLE_BITS = 12
"""Samples are brought to -2^11 to 2^11."""
WEIGHT_BITS = 17
_ACTIVATION_END = 32_767
_Weights = npt.NDArray[np.float64]


def block_signals(samples: npt.NDArray[np.integer], low: int, high: int) -> Integers:
    """Activations in place of latents, (ceil(height / 16), ceil(width / 16), 192).

    Args:
        samples: decoded, (height, width).
        low: the sample that stands for black.
        high: the one that stands for white; none is beyond either.
    """
    below, right = (-side % BLOCK for side in samples.shape)
    padded = np.pad(samples.astype(np.int64), ((0, below), (0, right)), mode="edge")
    levels = ((padded - low) << SAMPLE_BITS) // max(high - low, 1) - (1 << SAMPLE_BITS - 1)
    rows, columns = (side // BLOCK for side in levels.shape)
    blocks = levels.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    weight, bias = _matrix()
    # Integers of at most 35 bits: exact in float64 in any order of summation.
    total = blocks.reshape(rows, columns, -1).astype(np.float64) @ weight + bias
    signals = np.floor(np.ldexp(total, -WEIGHT_BITS) + 0.5)
    return signals.clip(-_ACTIVATION_END, _ACTIVATION_END).astype(np.int64)


@lru_cache(maxsize=1)
def _matrix() -> tuple[_Weights, _Weights]:
    """Weights (256, 192) and biases (192,)."""
    path = files("crossband.entropy.bounded") / "partner.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["weight"].astype(np.float64), arrays["bias"].astype(np.float64)
