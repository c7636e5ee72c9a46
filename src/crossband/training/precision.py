# SPDX-License-Identifier: Apache-2.0
"""The number format in which layers work while they are trained."""

from __future__ import annotations

import torch


def working_dtype(device: str) -> torch.dtype:
    """Bfloat16 where the machine has instructions for it, else float32.

    Processors without them take many times as long for a product in bfloat16 as in float32.

    Args:
        device: `cpu` or `cuda`.
    """
    if device == "cuda":
        return torch.bfloat16
    # What torch's own compiler asks; processors that are not x86 may lack the operator.
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.bfloat16 if asked is not None and asked() else torch.float32


def autocast(device: str) -> torch.autocast:
    """The context in which layers work in `working_dtype`; their weights stay float32."""
    dtype = working_dtype(device)
    return torch.autocast(device, torch.bfloat16, enabled=dtype is torch.bfloat16)
