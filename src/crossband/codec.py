# SPDX-License-Identifier: Apache-2.0
"""The whole codec: prepare, transforms, entropy, container, and the choices between them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from crossband import models
from crossband.bounded import decode_bounded, encode_bounded
from crossband.container import (
    BoundedRecord,
    PairFile,
    PictureRecord,
    blobs_of,
    crc_bytes,
    pack,
    unpack,
)
from crossband.entropy.bounded.partner import SIGNALS, block_signals
from crossband.entropy.coder import Integers, SymbolReader, SymbolWriter
from crossband.entropy.integer_model import ONE, CodedLatents, Partner, seen_at
from crossband.entropy.prior import Past
from crossband.entropy.settings import FURTHEST
from crossband.entropy.vectors import (
    Reference,
    References,
    get_brightness,
    get_vectors,
    put_brightness,
    put_vectors,
    resampled,
)
from crossband.errors import CorruptStream, MissingPicture, PictureError, TargetUnreachable
from crossband.homography import Homography, Size
from crossband.models.network import Model
from crossband.pair import Modality, Pair, Raster
from crossband.prepare import Geometry, geometry, prepare, restore, widened
from crossband.refinement import ROUNDS, Target, refined, rounds_of
from crossband.transforms import QUALITY_COUNT, SynthesisFeatures, lagrangian
from crossband.transforms.motion import (
    brightened,
    brightness,
    difference,
    moved,
    summed,
)
from crossband.transforms.motion_search import QUICK, THOROUGH, search, vector_price

Order = Literal["infrared-first", "visible-first", "auto"]
_ORDERS = {
    "infrared-first": (Modality.INFRARED, Modality.VISIBLE),
    "visible-first": (Modality.VISIBLE, Modality.INFRARED),
}
_NO_INFRARED = "a bound on errors is for infrared pictures and there is none; leave it out"
_TRY_ALONE = 4
"""Effort from which the second picture is also coded alone, and with a registration also without
it, and the smallest kept (rule 3)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file and what every decoder will show of it."""

    data: bytes
    pair: Pair


@dataclass(frozen=True, slots=True)
class Shown:
    """A decoded picture and what its partner and the next frame may use of it."""

    raster: Raster
    features: SynthesisFeatures
    latents: CodedLatents
    key: CodedLatents
    """Those of the key frame that it rests on: its own if it is one."""
    vectors: Integers | None
    """What moved since the frame before, in quarters of a pixel, (rows, columns, 2); None: a key
    frame."""
    geometry: Geometry
    """Its size, depth and range."""


ShownLast = Mapping[Modality, Shown]
"""What each camera showed last; frames of films are coded given it."""


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """The pictures of one frame of a film."""

    records: tuple[PictureRecord, ...]
    """In the order of coding."""
    shown: ShownLast
    """What every decoder will show; empty if it was not asked for."""

    @property
    def size_bytes(self) -> int:
        """Of the coded bytes, without the records' fields."""
        return sum(len(each.stream) for each in self.records)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The partner on the current picture's grid."""

    features: SynthesisFeatures
    signal: Tensor
    """Its latents as activations, (1, rows, columns, channels)."""
    present: Tensor
    """1 where it sees what this picture shows, at 1/16: (1, 1, 1 or rows, 1 or columns)."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What of the partner the current picture is coded given."""

    seen: _Seen
    partner: Partner
    """For the entropy model."""
    aligned: Tensor
    """Its scaled and shifted features."""


@dataclass(frozen=True, slots=True)
class _Exact:
    """A bounded infrared picture as the entropy model of the visible one sees it.

    The transforms see nothing of it: their features are those of a lossy picture.
    """

    signal: Tensor
    """In place of latents, (1, rows, columns, channels)."""
    size: Size

    @classmethod
    def of(cls, record: BoundedRecord, raster: Raster) -> Self:
        """That of a record and what it decodes to."""
        high = raster.peak if record.bit_depth <= 8 else record.high
        low = 0 if record.bit_depth <= 8 else record.low
        signal = torch.from_numpy(block_signals(raster.samples, low, high)).double()[None]
        return cls(signal, Size(record.height, record.width))


@dataclass(frozen=True, slots=True)
class _Prediction:
    """What the same camera's frame before lets expect."""

    before: Shown
    change: Integers
    """Of its brightness: gain and offset."""
    vectors: Integers
    """As in `Shown`."""
    reference: Reference
    """What they are coded from."""
    picture: Tensor
    """What it showed, brightened and moved by them: the difference from it is coded."""

    @property
    def past(self) -> Past:
        """What the entropy model sees."""
        return Past(self.before.latents.signal, self.before.key.signal)


@dataclass(frozen=True, slots=True)
class _CodedPicture:
    """The integers of one picture and what they rest on, as both sides hold them."""

    record: PictureRecord
    latents: CodedLatents
    context: _Context | None
    prediction: _Prediction | None
    shown: Shown | None = None
    """What decoders show, where that has been computed."""


class Codec:
    """Codes pairs with one set of weights that stay loaded.

        Pair ─ prepare ─ analysis ─ entropy ─ container ─► bytes
        Pair ◄ restore ─ synthesis ◄ entropy ◄ container ─ bytes

    The second picture's analysis, entropy model and synthesis also see the first one. Weights of
    films see the same camera's frame before too: they code frames of films that are no key frames.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._shows = {each: model.get(each).transforms for each in Modality}
        self._real = torch.float32

    def in_double(self) -> Self:
        """The same codec, whose decoder computes what it shows in float64, as that of films does.

        Sums then differ between machines by 1e-13 and hardly a sample lies that near to a half: all
        show the same, and predict the next frame from the same.
        """
        if self._real is torch.float64:
            return self
        other = copy.copy(self)
        other._real = torch.float64
        other._shows = {m: copy.deepcopy(each).double() for m, each in self._shows.items()}
        return other

    def encode(
        self,
        pair: Pair,
        *,
        quality: float = 50,
        order: Order = "infrared-first",
        effort: int = 5,
        max_error: int | None = None,
        max_error_kelvin: float | None = None,
        kelvin_per_count: float | None = None,
        registration: Homography | None = None,
    ) -> bytes:
        """The bytes of one file.

        Args:
            pair: one picture or both; sizes and depths may differ.
            quality: 0 to 100, higher is better and larger; 100 is near-lossless.
            order: which picture is coded first, on its own; `auto` tries both.
            effort: 1 to 9. From 4 the second picture is also coded alone and the smaller kept. From
                6 symbols of pictures up to 4 Mpx are refined (`crossband.refinement`), which takes
                many times as long.
            max_error: no infrared sample comes back further off than this, in counts; 0 is
                lossless. Quality and effort are then those of the visible picture, whose entropy
                model sees the infrared one.
            max_error_kelvin: the same in kelvin, above 0, by the calibration that the infrared
                picture carries or by `kelvin_per_count`; below one count it is lossless.
            kelvin_per_count: for linear counts without calibration, such as 0.04.
            registration: where the infrared picture lies in the visible one; None: each fills the
                other, by plain scaling. From effort 4 that is tried too.

        Raises:
            PictureError: an option outside its range, options that contradict each other, a bound
                without an infrared picture, or one in kelvin without a known calibration.
        """
        if max_error_kelvin is not None:
            if max_error is not None:
                raise PictureError("max_error_kelvin is a bound of its own; leave max_error out")
            max_error = _in_counts(pair.infrared, max_error_kelvin, kelvin_per_count)
        elif kelvin_per_count is not None:
            raise PictureError("kelvin_per_count is for max_error_kelvin; give both or neither")
        if max_error is not None:
            return pack(self._bounded(pair, quality, effort, max_error, registration))
        files = self._candidates(pair, quality_index(quality), order, effort, registration)
        return min((pack(file) for file in files), key=len)

    def _bounded(
        self,
        pair: Pair,
        quality: float,
        effort: int,
        max_error: int,
        registration: Homography | None,
    ) -> PairFile:
        """The file of an infrared picture within a bound, and of the visible one given it."""
        if pair.infrared is None:
            raise PictureError(_NO_INFRARED)
        infrared = encode_bounded(pair.infrared, max_error)
        records: tuple[PictureRecord | BoundedRecord, ...] = (infrared,)
        index = quality_index(quality)
        if pair.visible is not None:
            _check_kind(self.model, None)
            exact = _Exact.of(infrared, decode_bounded(infrared)) if infrared.top else None
            (visible,) = self._encode_pair(
                Pair(visible=pair.visible),
                index,
                _ORDERS["infrared-first"],
                effort,
                None,
                registration,
                first=exact if self._knows_exact else None,
            )
            records = (infrared, visible.record)
        weights_id = bytes.fromhex(self.model.card.weights_id)
        return PairFile(weights_id, records, metadata=blobs_of(pair))

    @property
    def _knows_exact(self) -> bool:
        """Whether the visible entropy model can look at what stands in for infrared latents."""
        settings = self.model.visible.entropy.prior.settings
        return settings.partner_context and settings.partner_channels == SIGNALS

    def encode_and_show(
        self,
        pair: Pair,
        *,
        quality: float = 50,
        order: Order = "infrared-first",
        effort: int = 5,
        registration: Homography | None = None,
    ) -> Encoded:
        """What `encode` gives, and the pair that decoding it gives."""
        data = self.encode(
            pair, quality=quality, order=order, effort=effort, registration=registration
        )
        return Encoded(data, self.decode(data))

    def encode_to_size(
        self,
        pair: Pair,
        *,
        size_bytes: int,
        order: Order = "infrared-first",
        effort: int = 5,
        registration: Homography | None = None,
    ) -> bytes:
        """The file of the highest quality that has at most `size_bytes` bytes.

        Raises:
            TargetUnreachable: even quality 0 is larger.
        """
        best, smallest = b"", 0
        low, high = 0, QUALITY_COUNT - 1
        while low <= high:
            middle = (low + high) // 2
            files = self._candidates(pair, middle, order, effort, registration)
            data = min((pack(file) for file in files), key=len)
            if len(data) <= size_bytes:
                best, low = data, middle + 1
            else:
                smallest, high = len(data), middle - 1
        if not best:
            raise TargetUnreachable(
                f"no quality gives {size_bytes:,} bytes; quality 0 takes {smallest:,}:"
                " allow more bytes or shrink the pictures"
                f"{' or leave their metadata out' if blobs_of(pair) else ''}"
            )
        return best

    def decode(self, data: bytes, *, only: Modality | None = None) -> Pair:
        """The pictures of a file, each of its own size, type and depth.

        Args:
            data: a whole file.
            only: decode this picture (and what it rests on), leave the other one None.

        Raises:
            StreamError: the bytes are damaged, made with other weights, or something else.
        """
        file = unpack(data)
        wanted = [each for each in file.records if only in (None, each.modality)]
        needs_weights = any(isinstance(each, PictureRecord) for each in wanted)
        if needs_weights and file.weights_id.hex() != self.model.card.weights_id:
            return Codec(models.load(models.find(file.weights_id).name)).decode(data, only=only)
        if only is not None and file.get(only) is None:
            raise MissingPicture(
                f"the file holds no {only.value} picture; it holds {file.records[0].modality.value}"
            )
        shown = self._decoded(file, only)
        return Pair(
            *(
                replace(shown[each], metadata=file.metadata_of(each))
                if each in shown and only in (None, each)
                else None
                for each in (Modality.VISIBLE, Modality.INFRARED)
            )
        )

    @torch.inference_mode()
    def _decoded(self, file: PairFile, only: Modality | None) -> dict[Modality, Raster]:
        """What is wanted of a file, and what that rests on."""
        first, *others = file.records
        if isinstance(first, PictureRecord):
            learned = [each for each in file.records if isinstance(each, PictureRecord)]
            return {m: each.raster for m, each in self.decode_frame(learned, only=only).items()}
        found = {}
        if only is not Modality.VISIBLE or any(each.conditional for each in others):
            found[Modality.INFRARED] = decode_bounded(first)
        for record in others:
            if isinstance(record, PictureRecord) and only is not Modality.INFRARED:
                exact = None
                if record.conditional:
                    if not self._knows_exact:
                        raise CorruptStream(
                            "the visible picture rests on a bounded infrared one, which these"
                            " weights cannot look at; the file was not made with them"
                        )
                    exact = _Exact.of(first, found[Modality.INFRARED])
                found[Modality.VISIBLE] = self._decode_picture(record, exact, None).raster
        return found

    def verify(self, data: bytes) -> None:
        """Decodes everything and gives nothing.

        Raises:
            StreamError: as for `decode`.
        """
        self.decode(data)

    # --- frames of films -----------------------------------------------------------------------

    @torch.inference_mode()
    def encode_frame(
        self,
        pair: Pair,
        *,
        quality: float = 50,
        order: Order = "infrared-first",
        effort: int = 5,
        past: ShownLast | None = None,
        alone: bool = False,
        show: bool = True,
        registration: Homography | None = None,
    ) -> CodedFrame:
        """The pictures of one frame.

        Args:
            pair: one picture or both.
            quality: as for `encode`; likewise below.
            order: which picture is coded first.
            effort: how much is tried.
            past: what each camera of the pair showed last, for weights of films; None for others.
            alone: code the second picture without the first, whatever the effort.
            show: whether to give what decoders will show, which the next frame is coded given.
            registration: as for `encode`.

        Raises:
            PictureError: an option outside its range, or weights of the other kind.
        """
        _check_kind(self.model, past)
        index = quality_index(quality)
        coded = min(
            (
                self._encode_pair(pair, index, each, effort, past, registration, alone)
                for each in _orders(pair, order)
            ),
            key=lambda pictures: sum(each.record.coded_bytes for each in pictures),
        )
        shown = {each.record.modality: self._show(each) for each in coded} if show else {}
        return CodedFrame(tuple(each.record for each in coded), shown)

    @torch.inference_mode()
    def decode_frame(
        self,
        records: Sequence[PictureRecord],
        *,
        past: ShownLast | None = None,
        only: Modality | None = None,
    ) -> ShownLast:
        """What the pictures of one frame show.

        Args:
            records: in the order of coding.
            past: what each camera of the frame showed last, for weights of films; None for others.
            only: this picture and what it rests on are enough.

        Raises:
            CorruptStream: they decode to other symbols than were coded.
            PictureError: weights of the other kind.
        """
        _check_kind(self.model, past)
        shown: dict[Modality, Shown] = {}
        for record in records:
            rests = record is records[0] and any(each.conditional for each in records[1:])
            if only in (None, record.modality) or rests:
                before = None if past is None else past[record.modality]
                first = shown.get(record.modality.partner)
                shown[record.modality] = self._decode_picture(record, first, before)
        return shown

    # --- encoding ------------------------------------------------------------------------------

    def _candidates(
        self,
        pair: Pair,
        index: int,
        order: Order,
        effort: int,
        registration: Homography | None,
    ) -> list[PairFile]:
        """The files that the effort allows to choose from."""
        _check_kind(self.model, None)
        weights_id = bytes.fromhex(self.model.card.weights_id)
        metadata = blobs_of(pair)
        files = []
        for each in _orders(pair, order):
            coded = self._encode_pair(pair, index, each, effort, None, registration)
            records = tuple(picture.record for picture in coded)
            files.append(PairFile(weights_id, records, metadata=metadata))
        return files

    def _encode_pair(
        self,
        pair: Pair,
        index: int,
        order: tuple[Modality, Modality],
        effort: int,
        past: ShownLast | None,
        registration: Homography | None,
        alone: bool = False,
        first: _Exact | None = None,
    ) -> list[_CodedPicture]:
        if not (isinstance(effort, int) and 1 <= effort <= 9):
            raise PictureError(f"effort is {effort}; allowed are the integers 1 to 9")
        # Tensors of inference mode cannot be differentiated through.
        with torch.inference_mode(effort not in ROUNDS), torch.no_grad():
            return self._encoded(pair, index, order, effort, past, registration, alone, first)

    def _encoded(
        self,
        pair: Pair,
        index: int,
        order: tuple[Modality, Modality],
        effort: int,
        past: ShownLast | None,
        registration: Homography | None,
        alone: bool,
        first: Shown | _Exact | None,
    ) -> list[_CodedPicture]:
        found: list[_CodedPicture] = []
        for modality in order:
            raster = pair.get(modality)
            if raster is None:
                continue
            before = None if past is None else past[modality]
            shape = geometry(raster)
            if before is not None:
                shape = widened(shape, before.geometry)
            picture = prepare(raster, modality, shape)
            motion = None
            if before is not None:
                shown = prepare(before.raster, modality, shape, self._real)
                passes = THOROUGH if effort >= _TRY_ALONE else QUICK
                assert not isinstance(first, _Exact)  # films have no bounded pictures
                motion = _Motion(picture, shown, before, shape, index, first, passes)
            given = [(first, registration)]
            if first is not None and alone:
                given = [(None, None)]
            elif first is not None and effort >= _TRY_ALONE:
                given.append((None, None))
                if registration is not None:
                    given.append((first, None))
            tried = [
                self._encode_picture(picture, modality, shape, index, *each, motion)
                for each in given
            ]
            best = min(range(len(tried)), key=lambda each: tried[each].record.coded_bytes)
            if rounds := rounds_of(effort, raster.height, raster.width):
                tried[best] = self._encode_picture(
                    picture, modality, shape, index, *given[best], motion, rounds
                )
            found.append(tried[best])
            # A picture of one value, of a covered or saturated camera, tells its partner nothing.
            if len(found) == 1 and pair.get(modality.partner) and np.ptp(raster.samples):
                first = self._show(found[0])
                found[0] = replace(found[0], shown=first)
        return found

    def _encode_picture(
        self,
        picture: Tensor,
        modality: Modality,
        shape: Geometry,
        index: int,
        first: Shown | _Exact | None,
        registration: Homography | None,
        motion: _Motion | None,
        rounds: int = 0,
    ) -> _CodedPicture:
        part = self.model.get(modality)
        quality = torch.tensor([index])
        writer = SymbolWriter(part.entropy.models)
        predicted = None
        if motion is not None:
            assert not isinstance(first, _Exact)
            predicted = motion.prediction(first)
            put_brightness(predicted.change, writer)
            references = _references(predicted.before, first, shape)
            put_vectors(
                predicted.vectors, predicted.reference, references, writer, part.entropy.models
            )
            picture = difference(picture, predicted.picture.float())
        features = part.transforms.analysis.features(picture, quality)
        context = partner = None
        if isinstance(first, _Exact):
            partner = part.entropy.unaligned(*_seen_exactly(first, shape, registration))
        elif first is not None:
            seen = _seen(first, shape, modality, registration)
            eighth = seen.features.eighth.float()
            wanted = part.transforms.alignment.coefficients(features, eighth)
            coefficients = part.entropy.encode_coefficients(wanted, writer)
            context = self._context(modality, seen, coefficients)
            partner = context.partner
        look = part.transforms.analysis.look
        expected = None if predicted is None else look(predicted.picture.float())
        present = torch.ones(1, 1, 1, 1) if context is None else context.seen.present
        aligned = None if context is None else context.aligned.float()
        latents = part.transforms.analysis(features, aligned, present, expected)
        step = part.transforms.step(quality)
        wanted = (latents / step[:, :, None, None]).permute(0, 2, 3, 1)
        hyper = part.hyper(latents, index)
        past = None if predicted is None else predicted.past
        if rounds:
            theirs = None if context is None else context.seen.features.float()
            wanted = refined(
                wanted,
                step[0],
                Target(
                    picture,
                    shape.height,
                    shape.width,
                    float(lagrangian(quality)) * 255**2 / picture.shape[1],
                ),
                price=lambda each: part.entropy.prices(each, hyper, index, partner, past=past),
                show=lambda each: part.transforms.synthesis(
                    each * step[:, :, None, None], quality, theirs, aligned, present, expected
                )[0],
                rounds=rounds,
            )
        coded = part.entropy.encode(wanted, hyper, index, partner, writer, past=past)
        record = PictureRecord(
            modality=modality,
            height=shape.height,
            width=shape.width,
            channels=shape.channels,
            sample_bytes=shape.sample_bytes,
            bit_depth=shape.bit_depth,
            low=shape.low,
            high=shape.high,
            quality_index=index,
            conditional=first is not None,
            stream=writer.finish(),
            symbols_crc=_stored_crc(coded, predicted is not None),
            registration=registration if first is not None else None,
        )
        return _CodedPicture(record, coded, context, predicted)

    # --- decoding ------------------------------------------------------------------------------

    def _decode_picture(
        self, record: PictureRecord, first: Shown | _Exact | None, before: Shown | None
    ) -> Shown:
        part = self.model.get(record.modality)
        reader = SymbolReader(record.stream, part.entropy.models)
        shape = _geometry(record)
        if not record.conditional:
            first = None
        predicted = None
        if before is not None:
            assert not isinstance(first, _Exact)
            change = get_brightness(reader)
            references = _references(before, first, shape)
            vectors, reference = get_vectors(
                shape.latent_height, shape.latent_width, references, reader
            )
            shown = prepare(before.raster, record.modality, shape, self._real)
            shown = brightened(shown, torch.from_numpy(change)[None])
            expected = moved(shown, torch.from_numpy(vectors)[None])
            predicted = _Prediction(before, change, vectors, reference, expected)
        context = partner = None
        if isinstance(first, _Exact):
            partner = part.entropy.unaligned(*_seen_exactly(first, shape, record.registration))
        elif record.conditional:
            assert first is not None  # the container refuses such a file
            seen = _seen(first, shape, record.modality, record.registration)
            coefficients = part.entropy.decode_coefficients(reader)
            context = self._context(record.modality, seen, coefficients)
            partner = context.partner
        latents = part.entropy.decode(
            shape.latent_height,
            shape.latent_width,
            record.quality_index,
            partner,
            reader,
            past=None if predicted is None else predicted.past,
        )
        if _stored_crc(latents, before is not None) != record.symbols_crc:
            raise CorruptStream(
                f"the {record.modality.value} picture decodes to other symbols: checksum"
                f" {_stored_crc(latents, before is not None):#010x}, expected"
                f" {record.symbols_crc:#010x}; the file is"
                " damaged or was made with other weights"
            )
        return self._show(_CodedPicture(record, latents, context, predicted))

    def _context(self, modality: Modality, seen: _Seen, coefficients: Tensor) -> _Context:
        """The same on both sides: floats for the transforms, integers for the entropy model."""
        eighth = seen.features.eighth
        return _Context(
            seen,
            Partner(seen.signal, coefficients, seen.present.double().permute(0, 2, 3, 1)),
            self._shows[modality].alignment(eighth, coefficients.to(eighth.dtype)),
        )

    def _show(self, coded: _CodedPicture) -> Shown:
        """Synthesis: the same floats for the encoder's context and the decoder's picture."""
        if coded.shown is not None:
            return coded.shown
        record, latents, context = coded.record, coded.latents, coded.context
        transforms = self._shows[record.modality]
        decoded = (latents.latents / ONE).to(self._real).permute(0, 3, 1, 2)
        if self._real is torch.float64:
            # Convolutions of float64 are several times slower with the channels last.
            decoded = decoded.contiguous()
        quality = decoded.new_tensor([record.quality_index])
        predicted = coded.prediction
        picture, features = transforms.synthesis(
            decoded * transforms.step(quality)[:, :, None, None],
            quality,
            None if context is None else context.seen.features,
            None if context is None else context.aligned,
            torch.ones(1, 1, 1, 1) if context is None else context.seen.present,
            None if predicted is None else transforms.analysis.look(predicted.picture),
        )
        shape = _geometry(record)
        if predicted is None:
            return Shown(restore(picture, shape), features, latents, latents, None, shape)
        return Shown(
            restore(summed(picture, predicted.picture), shape),
            features,
            latents,
            predicted.before.key,
            predicted.vectors,
            shape,
        )


class _Motion:
    """The encoder's choice of brightness and vectors, searched for once a picture."""

    def __init__(
        self,
        picture: Tensor,
        shown: Tensor,
        before: Shown,
        shape: Geometry,
        index: int,
        first: Shown | None,
        passes: int,
    ) -> None:
        self._before, self._change = before, brightness(picture, shown)
        self._shown = brightened(shown, self._change)
        references = _references(before, first, shape)
        fields = search(
            picture,
            self._shown,
            vector_price(torch.tensor([index])),
            FURTHEST,
            [torch.from_numpy(each)[None].float() for each in references.values()],
            passes=passes,
        )
        self._fields = dict(zip((Reference.NONE, *references), fields, strict=True))

    def prediction(self, first: Shown | None) -> _Prediction:
        """With the cheapest vectors; without the partner's, if there is none."""
        reference = min(
            (each for each in self._fields if first is not None or each != Reference.PARTNER),
            key=lambda each: float(self._fields[each].cost),
        )
        vectors = self._fields[reference].vectors
        return _Prediction(
            self._before,
            self._change[0].numpy().astype(np.int32),
            vectors[0].numpy().astype(np.int32),
            reference,
            moved(self._shown, vectors),
        )


def _stored_crc(coded: CodedLatents, predicted: bool) -> int:
    """The checksum of a picture's symbols, as its record has it."""
    return coded.checksum & (1 << 8 * crc_bytes(predicted)) - 1


def _references(before: Shown, first: Shown | None, shape: Geometry) -> References:
    """The vectors that this picture's may differ little from."""
    found = {}
    if before.vectors is not None:
        found[Reference.LAST] = before.vectors
    if first is not None and first.vectors is not None:
        found[Reference.PARTNER] = resampled(first.vectors, shape.latent_height, shape.latent_width)
    return found


def _seen(
    first: Shown, shape: Geometry, modality: Modality, registration: Homography | None
) -> _Seen:
    """Plainly scaled, or as the registration says."""
    if registration is None:
        return _Seen(
            first.features.resampled(shape.latent_height, shape.latent_width),
            first.latents.signal,
            torch.ones(1, 1, 1, 1),
        )
    size, partner = (Size(each.height, each.width) for each in (shape, first.geometry))
    deep, wide = (
        registration.places(size, partner, to_infrared=modality is Modality.VISIBLE, finer=finer)
        for finer in (1, 2)
    )
    return _Seen(
        first.features.sampled(deep, wide),
        seen_at(first.latents.signal, deep),
        torch.from_numpy(deep.inside)[None, None].float(),
    )


def _seen_exactly(
    first: _Exact, shape: Geometry, registration: Homography | None
) -> tuple[Tensor, Tensor | None]:
    """The signals of exact samples for the visible picture's grid, and where they are of use."""
    if registration is None:
        return first.signal, None
    size = Size(shape.height, shape.width)
    places = registration.places(size, first.size, to_infrared=True)
    inside = torch.from_numpy(places.inside)[None, :, :, None].double()
    return seen_at(first.signal, places), inside


def _in_counts(
    infrared: Raster | None, max_error_kelvin: float, kelvin_per_count: float | None
) -> int:
    """The bound in counts that keeps one in kelvin."""
    from crossband.sources import count_bound  # nothing else here needs the readers of files

    if infrared is None:
        raise PictureError(_NO_INFRARED)
    return count_bound(infrared, max_error_kelvin, kelvin_per_count).max_error


def _orders(pair: Pair, order: Order) -> list[tuple[Modality, Modality]]:
    """The orders to try."""
    if order not in (*_ORDERS, "auto"):
        raise PictureError(f"order is '{order}'; allowed are {', '.join(_ORDERS)} and auto")
    orders = [_ORDERS[order]] if order in _ORDERS else list(_ORDERS.values())
    return orders[:1] if pair.visible is None or pair.infrared is None else orders


def _check_kind(model: Model, past: ShownLast | None) -> None:
    """Weights of films code nothing without a frame before; all others know of none."""
    if model.codes_films == (past is None):
        kind = "frames of films given the frame before" if model.codes_films else "pairs"
        raise PictureError(
            f"the weights '{model.card.name}' code {kind}; name others: --model base"
        )


def _geometry(record: PictureRecord) -> Geometry:
    return Geometry(
        record.height,
        record.width,
        record.channels,
        record.sample_bytes,
        record.bit_depth,
        record.low,
        record.high,
    )


def quality_index(quality: float) -> int:
    """The quality step, 0 to 63, of a quality between 0 and 100.

    Raises:
        PictureError: outside that range.
    """
    if not 0 <= quality <= 100:
        raise PictureError(f"quality is {quality}; allowed is 0 (smallest) to 100 (near-lossless)")
    return round(quality * (QUALITY_COUNT - 1) / 100)


def load(name: str = "base") -> Codec:
    """A codec with the named weights.

    Raises:
        PictureError: there are no such weights.
    """
    return Codec(models.load(name))
