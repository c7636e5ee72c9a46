# SPDX-License-Identifier: Apache-2.0
"""What weight files say of themselves, read without torch."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from crossband.errors import MissingWeights, PictureError

_FOLDER = Path(__file__).parent / "weights"
_ENDING = ".safetensors"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One weight file."""

    name: str
    path: Path
    weights_id: str
    """First 8 bytes of the file's SHA-256, hexadecimal: what a coded file names."""
    parameters: int
    """Numbers in the file."""
    size_bytes: int
    metadata: dict[str, str]
    """Recipe, data, date, measured rate and distortion, as the export wrote them."""


def names() -> tuple[str, ...]:
    """Weights that are shipped."""
    return tuple(sorted(path.stem for path in _FOLDER.glob(f"*{_ENDING}")))


def of_films(card: ModelCard) -> str | None:
    """The name of the shipped weights that code a film between key frames of these; or None."""
    name = f"{card.name}-video"
    shipped = card.path.parent == _FOLDER and name in names()
    return name if shipped else None


def describe(name: str) -> ModelCard:
    """The card of shipped weights, or of a weight file by its path.

    Raises:
        PictureError: there are no such weights, or the file holds none.
    """
    path = Path(name) if name.endswith(_ENDING) else _FOLDER / f"{name}{_ENDING}"
    if not path.is_file():
        known = ", ".join(names()) or "none"
        raise PictureError(
            f"no weights called '{name}'; shipped are {known}: name one of them or a {_ENDING} file"
        )
    return _read_card(path, path.stat().st_mtime_ns)


@functools.cache
def _read_card(path: Path, changed: int) -> ModelCard:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise PictureError(f"{path} is not a weight file: {error}") from None
    parameters = 0
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        parameters += size
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:16]
    return ModelCard(path.stem, path, digest, parameters, len(data), metadata)


def find(weights_id: bytes, *, option: str = "--model") -> ModelCard:
    """The shipped weights that a coded file names.

    Args:
        weights_id: 8 bytes.
        option: of `decode`, which names a weight file instead.

    Raises:
        MissingWeights: they are not here.
    """
    for name in names():
        card = describe(name)
        if card.weights_id == weights_id.hex():
            return card
    here = ", ".join(f"{name} ({describe(name).weights_id})" for name in names()) or "none"
    raise MissingWeights(
        f"the file was made with weights {weights_id.hex()}, which are not here; here are {here}:"
        " install the crossband release that made it, or name its weight file"
        f" (decode {option} FILE)"
    )
