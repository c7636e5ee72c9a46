# SPDX-License-Identifier: Apache-2.0
"""What the optimisers remember of a run, in a byte a value, to be kept beside a weight file.

A weight file is what codes. A run that begins from one begins with optimisers that know nothing;
with these moments they know about as much as at the end of the run before. Exact is only a
checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from crossband.errors import OutputError, TrainingError
from crossband.training.checkpoint import explain

_FORMATS = {
    "exp_avg": torch.float8_e4m3fn,
    "momentum": torch.float8_e4m3fn,
    "exp_avg_sq": torch.float8_e5m2,
}
"""Signed averages are more exact, squares (their roots are kept) have a wider range."""
_ROOTED = "exp_avg_sq"
_STEP = "step"


def write_moments(path: Path, codec: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """Writes beside the path and renames; gives the number of bytes.

    Raises:
        OutputError: the system refuses to write.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter, optimizer in _owned(codec, optimizers):
        state = optimizer.state.get(parameter, {})
        for key, dtype in _FORMATS.items():
            if key in state:
                value = state[key].detach().float().cpu()
                value = value.sqrt() if key == _ROOTED else value
                scale = value.abs().max().clamp_min(1e-30) / torch.finfo(dtype).max
                tensors[f"{name}:{key}"] = (value / scale).contiguous().to(dtype)
                tensors[f"{name}:{key}:scale"] = scale
        if _STEP in state:
            tensors[f"{name}:{_STEP}"] = state[_STEP].detach().float().cpu()
    data = save(tensors)
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: not written ({explain(error)})") from error
    finally:
        partial.unlink(missing_ok=True)
    return len(data)


def load_moments(path: Path, codec: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Gives optimisers that have done nothing yet what was written.

    Args:
        path: of `write_moments`.
        codec: the weights in training; what the file does not know begins with nothing.
        optimizers: of these weights.

    Raises:
        TrainingError: no such file, a damaged one, or of a codec of other widths.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise TrainingError(
            f"{path}: no file of moments ({said}); `crossband export --moments` writes one"
        ) from None
    for name, parameter, optimizer in _owned(codec, optimizers):
        state: dict[str, Tensor] = {}
        for key in _FORMATS:
            if (kept := tensors.get(f"{name}:{key}")) is None:
                continue
            if kept.shape != parameter.shape:
                raise TrainingError(
                    f"{path}: its {name} has the shape {tuple(kept.shape)}, the codec's"
                    f" {tuple(parameter.shape)}; take the file of these weights"
                )
            value = kept.float() * tensors[f"{name}:{key}:scale"]
            value = value.square() if key == _ROOTED else value
            # In the weights' own layout, as the optimisers make them.
            state[key] = torch.empty_like(parameter).copy_(value)
        if (step := tensors.get(f"{name}:{_STEP}")) is not None:
            state[_STEP] = step.to(parameter.device)
        if state:
            optimizer.state[parameter] = state


def _owned(
    codec: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> Iterator[tuple[str, nn.Parameter, torch.optim.Optimizer]]:
    """Each parameter's name, it, and the optimiser that moves it."""
    owner = {
        id(parameter): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in codec.named_parameters():
        if id(parameter) in owner:
            yield name, parameter, owner[id(parameter)]
