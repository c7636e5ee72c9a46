# SPDX-License-Identifier: Apache-2.0
"""The shipped integer network: context in; better mean, spread and shape out.

Three layers with 16-bit weights and activations, as `entropy.fixed_point` defines them: integers in
float64, exact in any order of summation.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from crossband.entropy.bounded.context import INPUT_UNIT, Inputs
from crossband.entropy.bounded.distribution import (
    SHAPES,
    SPREAD_HIGH,
    SPREAD_LOW,
    UNIT,
    Spread,
    log2,
)

LAYERS = 3
_ACTIVATION_END = 32_767
_MIDDLE_SHAPE = INPUT_UNIT * (len(SHAPES) - 1) // 2
Reals = npt.NDArray[np.float64]


class Network:
    """Weights in memory, the same for every picture."""

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        self._layers = [
            (
                arrays[f"{layer}.weight"].astype(np.float64).T,
                arrays[f"{layer}.bias"].astype(np.float64),
                np.ldexp(1.0, -arrays[f"{layer}.shift"].astype(np.int32)),
            )
            for layer in range(LAYERS)
        ]

    def says(self, inputs: Inputs, top: int) -> Spread:
        """Means, spreads and shapes of the pixels that these are the inputs of."""
        activation: Reals = inputs.features.astype(np.float64)
        for number, (weight, bias, scale) in enumerate(self._layers):
            if number:
                activation = np.maximum(activation, np.floor(activation / 8 + 0.5))
            total = np.floor((activation @ weight + bias) * scale + 0.5)
            activation = total.clip(-_ACTIVATION_END, _ACTIVATION_END)
        nudge, spread, shape = activation.astype(np.int64).T
        mean = inputs.linear + (nudge * inputs.scale >> 8)
        # The scale is in 1/16 of a value: 4 octaves; spreads have 16 steps an octave.
        index = (spread + log2(inputs.scale) - 4 * INPUT_UNIT) >> 4
        return Spread(
            mean.clip(0, UNIT * top),
            index.clip(SPREAD_LOW, SPREAD_HIGH - 1),
            ((shape + _MIDDLE_SHAPE + INPUT_UNIT // 2) >> 8).clip(0, len(SHAPES) - 1),
        )


@lru_cache(maxsize=1)
def load_network() -> Network:
    """The network of the package."""
    path = files("crossband.entropy.bounded") / "network.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Network(dict(arrays))
