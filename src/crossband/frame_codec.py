# SPDX-License-Identifier: Apache-2.0
"""Frames of a film one after another: which are key frames, and what each rests on.

Pair ─ key frame? ─┬─ yes: weights of pictures ──────────────► FrameRecord
                   └─ no: weights of films, given the past ──►
                              ▲
          what each camera showed last (features and latents)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crossband.codec import Codec, CodedFrame, Order, Shown
from crossband.container import PictureRecord
from crossband.errors import CorruptStream, PictureError
from crossband.homography import Homography
from crossband.pair import Modality, Pair
from crossband.scenes import GroupPlan

_FAILED = 16.0
"""Times the mean squared error of the key frame that makes a prediction a failure."""
_KEY_FINER = 14.0
_PREDICTED_COARSER = 7.0
"""Quality above that asked for in key frames and below it in the others, of 100: what a key frame
shows well, all frames of its group show well (docs/design.md, 6)."""
_TRY_EACH = 7
"""Effort from which every frame tries its second picture given the first; below it, a group that
was better without goes on without. Without is tried in every frame from the effort on from which
pairs try it, so that a camera that fails in the middle of a group costs the other one nothing."""


class FrameCodec:
    """Codes frames in the order of time, or decodes them; one object for one film and one way.

    The past of a predicted frame is what each camera showed last since the key frame before, as
    every decoder has it. All frames of a group are coded in the order of its key frame, so that the
    camera that comes first can be decoded without the other one.

    Args:
        key: weights of pictures, for key frames.
        predictor: weights of films, for the frames between; None: every frame is a key frame.
        keyframe: most frames from one key frame to the next; the decoder needs none.

    Raises:
        PictureError: weights of the other kind, or an interval below 1.
    """

    def __init__(self, key: Codec, predictor: Codec | None = None, *, keyframe: int = 1) -> None:
        if key.model.codes_films or (predictor is not None and not predictor.model.codes_films):
            raise PictureError(
                "key frames need weights of pictures, the frames between them weights of films"
            )
        if keyframe < 1:
            raise PictureError(f"keyframe is {keyframe}; allowed are 1 and more")
        if predictor is not None:
            key, predictor = key.in_double(), predictor.in_double()
        self.key, self.predictor, self.keyframe = key, predictor, keyframe
        self._past: dict[Modality, Shown] = {}
        self._plan = GroupPlan(keyframe)
        self._order: Order = "infrared-first"
        self._key_errors: Mapping[Modality, float] = {}
        self._key_bytes = 0
        self._alone = False

    def encode(
        self,
        pair: Pair,
        *,
        quality: float,
        order: Order,
        effort: int,
        registration: Homography | None = None,
    ) -> tuple[tuple[PictureRecord, ...], bool]:
        """The pictures of the next frame, and whether they are predicted.

        Args:
            pair: one picture or both.
            quality: 0 to 100, of the film; key frames are finer, the others coarser.
            order: of the key frame's pictures, and so of its group.
            effort: 1 to 9, higher tries more.
            registration: where the infrared picture lies in the visible one.
        """
        if self.predictor is None:
            return self.key.encode_frame(
                pair,
                quality=quality,
                order=order,
                effort=effort,
                show=False,
                registration=registration,
            ).records, False
        coded = None
        if not self._plan.begins(pair) and all(m in self._past for m in Modality if pair.get(m)):
            coded = self._predicted(pair, quality, effort, registration)
        predicted = coded is not None
        if coded is None:
            finer = min(quality + _KEY_FINER, 100.0) if self.keyframe > 1 else quality
            coded = self.key.encode_frame(
                pair, quality=finer, order=order, effort=effort, registration=registration
            )
            self.forget()
            self._order = _order(coded.records)
            self._key_errors, self._key_bytes = _errors(pair, coded), coded.size_bytes
        self._past |= coded.shown
        return coded.records, predicted

    def _predicted(
        self, pair: Pair, quality: float, effort: int, registration: Homography | None
    ) -> CodedFrame | None:
        """The frame given the past; None where a key frame is likely to be better: it takes more
        bytes than the last one, or shows something far worse."""
        assert self.predictor is not None
        coded = self.predictor.encode_frame(
            pair,
            quality=max(quality - _PREDICTED_COARSER, 0.0),
            order=self._order,
            effort=effort,
            past=self._past,
            alone=self._alone and effort < _TRY_EACH,
            registration=registration,
        )
        if len(coded.records) > 1:
            self._alone = not coded.records[1].conditional
        errors = _errors(pair, coded)
        failed = any(errors[each] > _FAILED * self._key_errors[each] for each in errors)
        return None if failed or coded.size_bytes > self._key_bytes else coded

    def decode(
        self, records: tuple[PictureRecord, ...], *, predicted: bool, only: Modality | None = None
    ) -> Pair | None:
        """The pair of the next frame; None if it lacks the only picture wanted.

        Args:
            records: in the order of coding.
            predicted: whether they rest on the frame before.
            only: give this picture, the other is None.

        Raises:
            CorruptStream: they decode to other symbols than were coded, or rest on a picture that
                is not there.
        """
        if not predicted:
            self.forget()
            self._order = _order(records)
        # What comes second may rest on the first in any frame, and that on its own past.
        alone = self.predictor is None or self._order == f"{only.value}-first" if only else False
        needed = only if alone else None
        if not predicted:
            shown = self.key.decode_frame(records, only=needed)
        else:
            if self.predictor is None:
                raise PictureError("the frame is predicted; the weights of films are needed")
            if any(r.modality not in self._past for r in records if needed in (None, r.modality)):
                raise CorruptStream("it rests on a frame that was not decoded")
            shown = self.predictor.decode_frame(records, past=self._past, only=needed)
        self._past |= shown
        rasters = {m: each.raster for m, each in shown.items() if only in (None, m)}
        if not rasters:
            return None
        return Pair(rasters.get(Modality.VISIBLE), rasters.get(Modality.INFRARED))

    def forget(self) -> None:
        """Lets go of the past: the next frame that can be coded is a key frame."""
        self._past, self._alone = {}, False


def _order(records: tuple[PictureRecord, ...]) -> Order:
    """Which camera comes first."""
    return "infrared-first" if records[0].modality is Modality.INFRARED else "visible-first"


def _errors(pair: Pair, coded: CodedFrame) -> dict[Modality, float]:
    """Mean squared errors of what is shown, and at least that of rounding to whole counts."""
    found = {}
    for modality, shown in coded.shown.items():
        raster = pair.get(modality)
        assert raster is not None
        difference = raster.samples.astype(np.float64) - shown.raster.samples
        found[modality] = max(float(np.square(difference).mean()), 1 / 12)
    return found
