# SPDX-License-Identifier: Apache-2.0
"""A codec that is two commands: one from PNG to its own file, one back to PNG.

    mine=encoder --q {quality} {input} {output} ::: decoder {input} {output}

The words are split as a shell splits them, but no shell runs; each field stands for one word or
a part of one. `{input}` of the encoder and `{output}` of the decoder end in `.png`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from crossband.bench.anchors.anchor import AnchorError, Samples, Stream, check_shape
from crossband.errors import InputError

FORM = "NAME='encode-command {input} {output} {quality} ::: decode-command {input} {output}'"
"""How a user writes one."""


@dataclass(frozen=True, slots=True)
class ExternalAnchor:
    """Any codec that a user has a program of.

    Raises:
        InputError: a command lacks a field, or cannot be split into words.
    """

    name: str
    encode_command: str
    """Has `{input}`, `{output}` and `{quality}`."""
    decode_command: str
    """Has `{input}` and `{output}`."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise InputError(
                f"external codec {self.name!r}: a name is letters, digits, dots and dashes"
            )
        for command, fields in (
            (self.encode_command, ("{input}", "{output}", "{quality}")),
            (self.decode_command, ("{input}", "{output}")),
        ):
            if lacks := [field for field in fields if field not in command]:
                raise InputError(
                    f"external codec {self.name}: {command.strip()!r} lacks {', '.join(lacks)};"
                    f" write it as {FORM}"
                )
            try:
                shlex.split(command)
            except ValueError as error:
                raise InputError(
                    f"external codec {self.name}: {command.strip()!r} has no words: {error}"
                ) from error

    @staticmethod
    def parse(text: str) -> ExternalAnchor:
        """The codec in a text of the form `FORM`.

        Raises:
            InputError: the text has another form.

        Example:
            >>> ExternalAnchor.parse("copy=cp {input} {output}{quality} ::: cp {input} {output}")
            ... # doctest: +NORMALIZE_WHITESPACE
            ExternalAnchor(name='copy', encode_command='cp {input} {output}{quality}',
                           decode_command='cp {input} {output}')
        """
        name, _, commands = text.partition("=")
        encode_command, separator, decode_command = commands.partition(":::")
        if not separator:
            raise InputError(f"external codec {text!r} has no ' ::: '; write it as {FORM}")
        return ExternalAnchor(name.strip(), encode_command.strip(), decode_command.strip())

    def available(self) -> bool:
        """Whether both programs are found."""
        commands = (self.encode_command, self.decode_command)
        return all(shutil.which(shlex.split(command)[0]) for command in commands)

    def version(self) -> str:
        """Both commands: what they run tells no version in a form that all share."""
        return f"{self.encode_command} ::: {self.decode_command}"

    def encode(self, samples: Samples, quality: float) -> Stream:
        """What the first command made of a PNG, 8-bit gray or RGB.

        Raises:
            AnchorError: it ended with an error or left no file.
        """
        with tempfile.TemporaryDirectory(prefix="crossband-bench-") as folder:
            source, target = Path(folder) / "picture.png", Path(folder) / "picture.bin"
            Image.fromarray(samples).save(source, compress_level=1)
            self._run(self.encode_command, source, target, quality=f"{quality:g}")
            data = target.read_bytes()
        pixel_format = "rgb24" if samples.ndim == 3 else "gray"
        return Stream(data, f"quality={quality:g}", pixel_format)

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Samples:
        """The picture in the PNG that the second command made.

        Raises:
            AnchorError: it ended with an error, or left no 8-bit gray or RGB PNG of that shape.
        """
        with tempfile.TemporaryDirectory(prefix="crossband-bench-") as folder:
            source, target = Path(folder) / "picture.bin", Path(folder) / "picture.png"
            source.write_bytes(data)
            self._run(self.decode_command, source, target)
            try:
                with Image.open(target) as picture:
                    mode, samples = picture.mode, np.asarray(picture)
            except OSError as error:
                raise AnchorError(f"{self.name} left no PNG: {error}") from error
        if mode not in ("L", "RGB"):
            raise AnchorError(
                f"{self.name} left a PNG of Pillow's mode {mode}; 8-bit gray or RGB is wanted"
            )
        return check_shape(self.name, samples, shape)

    def _run(self, command: str, source: Path, target: Path, *, quality: str = "") -> None:
        fields = {"{input}": str(source), "{output}": str(target), "{quality}": quality}
        words = shlex.split(command)
        for field, value in fields.items():
            words = [word.replace(field, value) for word in words]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as error:
            raise AnchorError(f"{words[0]} does not start: {error.strerror or error}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise AnchorError(
                f"{words[0]} ended with code {done.returncode}:"
                f" {said[-1] if said else 'it said nothing'}"
            )
        if not target.is_file() or not target.stat().st_size:
            raise AnchorError(f"{words[0]} ended well but left nothing in {{output}}")
