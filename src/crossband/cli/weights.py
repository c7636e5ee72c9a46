# SPDX-License-Identifier: Apache-2.0
"""The codec that a file was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crossband

if TYPE_CHECKING:
    from crossband.codec import Codec


class Codecs:
    """Loads each set of weights once, however many files ask for it."""

    def __init__(self) -> None:
        self._loaded: dict[str, Codec] = {}

    def by_name(self, name: str) -> Codec:
        """The codec of a named set of weights."""
        if name not in self._loaded:
            self._loaded[name] = crossband.load(name)
        return self._loaded[name]

    def of(self, data: bytes, model: str | None = None) -> Codec:
        """The codec whose weights the file names; the default one when they are not here.

        The default one then tells which weights are missing.

        Args:
            data: a coded file.
            model: name or file of the weights to take instead.

        Raises:
            StreamError: the bytes are damaged, of a newer version, or something else.
        """
        from crossband.cli.facts import weights_name

        if model is not None:
            return self.by_name(model)
        return self.by_name(weights_name(crossband.info(data).weights_id) or "base")
