# SPDX-License-Identifier: Apache-2.0
"""Decodes the symbols of a file by nothing but docs/format.md, in plain integers.

    python tests/conformance/reference_decoder.py FILE.xb WEIGHTS.safetensors

It shares no code with the codec but the reader of records (§1-7, which has its own tests) and,
where there is one, of bounded pictures (§15.1-6): no torch, no constriction, no float. What it
decodes and crossband wrote is proof that sections 5a, 10 to 12 and 15.7 of the page suffice for a
second implementation. It is slow and short on purpose.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

import crossband
from crossband.bounded import decode_bounded
from crossband.container import BoundedRecord, PictureRecord, unpack

Grid = npt.NDArray[np.int64]
"""(rows, columns, channels)."""
Tensors = dict[str, np.ndarray]

TOP = 32_767


class Refused(Exception):
    """The page says that a reader must refuse this."""


# ------------------------------------------------------------------- §1: checksum


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F6_3B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C of §1."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF_FFFF


# ------------------------------------------------------------------- §11: range coder


@dataclass(frozen=True)
class Table:
    """Starts of all places, and 2^24."""

    starts: list[int]

    @classmethod
    def of(cls, frequencies: list[int]) -> Table:
        """The table of these frequencies."""
        table = cls([0, *itertools.accumulate(frequencies)])
        assert table.starts[-1] == 1 << 24
        return table


@functools.cache
def uniform(bits: int) -> Table:
    """2^bits places of one frequency."""
    return Table(list(range(0, (1 << 24) + 1, 1 << 24 - bits)))


class RangeDecoder:
    """§11.4, the decoder."""

    def __init__(self, stream: bytes) -> None:
        padded = stream + bytes(-len(stream) % 4)
        words = (int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4))
        self.words: Iterator[int] = itertools.chain(words, itertools.repeat(0))
        self.range = (1 << 64) - 1
        self.distance = next(self.words) << 32
        self.distance |= next(self.words)

    def place(self, table: Table) -> int:
        """The next place."""
        scale = self.range >> 24
        quantile = self.distance // scale
        if quantile >= 1 << 24:
            raise Refused("no encoder writes these words")
        place = bisect.bisect_right(table.starts, quantile) - 1
        start, end = table.starts[place : place + 2]
        self.distance -= scale * start
        self.range = scale * (end - start)
        if self.range < 1 << 32:
            self.range <<= 32
            self.distance = self.distance << 32 | next(self.words)
        return place


class RangeEncoder:
    """§11.4, the encoder: here only to hold the page to the library's bytes."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.low = 0
        self.range = (1 << 64) - 1

    def put(self, place: int, table: Table) -> None:
        """Codes a place."""
        scale = self.range >> 24
        start, end = table.starts[place : place + 2]
        self._raise(scale * start)
        self.range = scale * (end - start)
        if self.range < 1 << 32:
            self.words.append(self.low >> 32)
            self.low = self.low << 32 & (1 << 64) - 1
            self.range <<= 32

    def _raise(self, by: int) -> None:
        self.low += by
        if self.low >> 64:
            self.low &= (1 << 64) - 1
            last = len(self.words) - 1
            while self.words[last] == 0xFFFF_FFFF:
                self.words[last] = 0
                last -= 1
            self.words[last] += 1

    def finish(self) -> bytes:
        """The stream."""
        self._raise((1 << 32) - 1)
        self.words.append(self.low >> 32)
        return b"".join(word.to_bytes(4, "little") for word in self.words).rstrip(b"\0")


class SymbolReader:
    """§11.1 to §11.3: batches of symbols out of one stream."""

    def __init__(self, stream: bytes, tensors: Tensors) -> None:
        self.coder = RangeDecoder(stream)
        self.radius = [int(r) for r in tensors["tables.radius"]]
        frequencies = iter(tensors["tables.frequencies"].tolist())
        self.tables = [
            Table.of(list(itertools.islice(frequencies, 2 * r + 2))) for r in self.radius
        ]
        self.decoded = b""
        """All symbols, as they are checksummed."""
        self.escapes = 0

    def batch(self, indices: Grid) -> Grid:
        """One symbol for each table index, of the same shape."""
        flat = indices.flatten().tolist()
        symbols = [0] * len(flat)
        for index in sorted(set(flat)):
            radius, table = self.radius[index], self.tables[index]
            group = [at for at, each in enumerate(flat) if each == index]
            places = [self.coder.place(table) for _ in group]
            for at, place in zip(group, places, strict=True):
                escaped = place == 2 * radius + 1
                symbols[at] = self._escaped(radius) if escaped else place - radius
        self.decoded += np.array(symbols, "<i4").tobytes()
        return np.array(symbols, np.int64).reshape(indices.shape)

    def _escaped(self, radius: int) -> int:
        self.escapes += 1
        negative = self.coder.place(uniform(1))
        below = self.coder.place(uniform(5))
        if below + 1 > 30:
            raise Refused(f"an escaped symbol of {below + 1} bits")
        excess = 1
        while below:
            piece = min(below, 16)
            excess = excess << piece | self.coder.place(uniform(piece))
            below -= piece
        return -(radius + excess) if negative else radius + excess


# ------------------------------------------------------------------- §10: integer networks


def sat(value: Grid) -> Grid:
    """16 bits."""
    return np.clip(value, -TOP, TOP)


def down(value: Grid, shift: Grid | int) -> Grid:
    """floor(value / 2^shift + 1/2)."""
    half = np.where(np.asarray(shift) > 0, 1 << np.maximum(np.asarray(shift) - 1, 0), 0)
    return value + half >> shift


def relu(value: Grid) -> Grid:
    """No negatives."""
    return np.maximum(value, 0)


def leaky(value: Grid) -> Grid:
    """An eighth of negatives."""
    return np.maximum(value, down(value, 3))


def size(value: Grid) -> Grid:
    """About log2(1 + |value|)."""
    n = np.abs(value) + 256
    e = 8 + sum((n >= 1 << k).astype(np.int64) for k in range(9, 16))
    return down(n, e - 8) + (e - 9) * 256


def shuffle(grid: Grid) -> Grid:
    """Four positions of each."""
    rows, columns, channels = grid.shape
    quarter = channels // 4
    out = np.zeros((2 * rows, 2 * columns, quarter), np.int64)
    for i in range(2):
        for j in range(2):
            first = (2 * i + j) * quarter
            out[i::2, j::2] = grid[:, :, first : first + quarter]
    return out


def resample(grid: Grid, rows: int, columns: int) -> Grid:
    """The nearest position of a grid of another size."""
    y = [row * grid.shape[0] // rows for row in range(rows)]
    x = [column * grid.shape[1] // columns for column in range(columns)]
    return grid[y][:, x]


def corners(d: tuple[int, ...]) -> list[tuple[int, int]]:
    """Of the infrared picture, in 1/4096 of the visible one's sides (§5a)."""
    return [(d[0], d[1]), (4096 + d[2], d[3]), (4096 + d[4], 4096 + d[5]), (d[6], 4096 + d[7])]


def matrix(d: tuple[int, ...], to_infrared: bool) -> list[list[int]]:
    """M of §5a."""
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = points = corners(d)
    turns = []
    for k in range(4):
        (xa, ya), (xb, yb), (xc, yc) = points[k], points[(k + 1) % 4], points[(k + 2) % 4]
        turns.append((xb - xa) * (yc - yb) - (yb - ya) * (xc - xb))
    if min(turns) <= 0 <= max(turns):
        raise Refused("the corners are not convex")
    a, b, c, e = x2 - x3, y2 - y3, x4 - x3, y4 - y3
    s, t = x1 - x2 + x3 - x4, y1 - y2 + y3 - y4
    i, g, h = b * c - a * e, t * c - s * e, b * s - a * t
    f = [
        [(x2 - x1) * i + x2 * g, (x4 - x1) * i + x4 * h, x1 * i],
        [(y2 - y1) * i + y2 * g, (y4 - y1) * i + y4 * h, y1 * i],
        [4096 * g, 4096 * h, 4096 * i],
    ]
    if to_infrared:
        whole = f
        f = [[0] * 3 for _ in range(3)]
        for r in range(3):
            for k in range(3):
                m, n = (k + 1) % 3, (k + 2) % 3
                o, q = (r + 1) % 3, (r + 2) % 3
                f[r][k] = whole[m][o] * whole[n][q] - whole[m][q] * whole[n][o]
    if turns[0] < 0:
        f = [[-each for each in row] for row in f]
    n = 0
    while any(abs(each) >= 1 << 24 + n for row in f for each in row):
        n += 1
    return [[each // 2**n for each in row] for row in f]


@dataclass(frozen=True)
class Looks:
    """Where the positions of a grid look (§5a)."""

    nearest: list[list[tuple[int, int]]]
    """Row and column of each, in the partner's grid or not."""
    exact: list[list[tuple[float, float]]]
    """The same before the floor."""
    outside: list[list[bool]]
    """Not in the partner's grid."""


def looks(record: PictureRecord, partner: PictureRecord | BoundedRecord, cell: int) -> Looks:
    """Of a registered picture's grid."""
    assert record.registration is not None
    to_infrared = partner.modality.value == "infrared"
    m = matrix(record.registration.displacements, to_infrared)
    found = Looks([], [], [])
    times = 16 // cell
    for y in range(times * -(-record.height // 16)):
        for part in (found.nearest, found.exact, found.outside):
            part.append([])
        for x in range(times * -(-record.width // 16)):
            v = min((2 * y + 1) * cell * 2**15 // record.height, 2**17)
            u = min((2 * x + 1) * cell * 2**15 // record.width, 2**17)
            right, down_, scale = (row[0] * u + row[1] * v + (row[2] << 16) for row in m)
            if scale <= 0:
                found.nearest[-1].append((0, 0))
                found.exact[-1].append((0.0, 0.0))
                found.outside[-1].append(True)
                continue
            for product in (down_ * partner.height, right * partner.width, cell * scale):
                assert abs(product) < 2**63  # as the page promises
            row = down_ * partner.height // (cell * scale)
            column = right * partner.width // (cell * scale)
            inside = 0 <= row < times * -(-partner.height // 16)
            inside = inside and 0 <= column < times * -(-partner.width // 16)
            found.nearest[-1].append((row, column))
            found.exact[-1].append(
                (down_ * partner.height / (cell * scale), right * partner.width / (cell * scale))
            )
            found.outside[-1].append(not inside)
    return found


def exact_signals(record: BoundedRecord) -> Grid:
    """S of §15.7."""
    samples = decode_bounded(record).samples.astype(np.int64)
    low, high = record.low, record.low + record.step * record.top
    if record.bit_depth <= 8:
        low, high = 0, 2**record.bit_depth - 1
    path = Path(crossband.__file__).parent / "entropy" / "bounded" / "partner.npz"
    with np.load(path) as arrays:
        weight, bias = (arrays[name].astype(np.int64) for name in ("weight", "bias"))
    rows, columns = (-(-side // 16) for side in samples.shape)
    signals = np.zeros((rows, columns, 192), np.int64)
    for y, x in np.ndindex(rows, columns):
        down_ = np.minimum(np.arange(16 * y, 16 * y + 16), record.height - 1)
        across = np.minimum(np.arange(16 * x, 16 * x + 16), record.width - 1)
        block = samples[np.ix_(down_, across)].ravel()
        levels = (block - low) * 4096 // max(high - low, 1) - 2048
        signals[y, x] = sat(down(levels @ weight + bias, 17))
    return signals


def registered(grid: Grid, places: Looks) -> Grid:
    """The signals of the partner at the nearest positions, 0 outside."""
    out = np.zeros((len(places.nearest), len(places.nearest[0]), grid.shape[2]), np.int64)
    for y, x in np.ndindex(*out.shape[:2]):
        if not places.outside[y][x]:
            out[y, x] = grid[places.nearest[y][x]]
    return out


class Prior:
    """The layers of one modality."""

    def __init__(self, tensors: Tensors, modality: str) -> None:
        self.tensors, self.modality = tensors, modality

    def __getitem__(self, name: str) -> Grid:
        return self.tensors[f"{self.modality}.{name}"].astype(np.int64)

    def __call__(self, layer: str, grid: Grid) -> Grid:
        """One layer of §10.2; the grid may be a list of positions where the layer is 1x1."""
        weight = self[f"prior.{layer}.weight"]
        total = np.broadcast_to(self[f"prior.{layer}.bias"], (*grid.shape[:-1], len(weight))).copy()
        if layer.endswith(("mix", "around", "same")):
            rows, columns, _ = grid.shape
            padded = np.pad(grid, ((1, 1), (1, 1), (0, 0)))
            for k in range(9):
                y, x = k // 3, k % 3
                total += padded[y : y + rows, x : x + columns] * weight[:, k]
        else:
            total += grid @ weight.T
        return sat(down(total, self[f"prior.{layer}.shift"]))

    def sizes(self, name: str, grid: Grid) -> Grid:
        """What the magnitudes say, §10.3."""
        gathered = leaky(self(f"{name}.gather", size(grid)))
        return self(f"{name}.out", leaky(self(f"{name}.mix", gathered)))


@dataclass(frozen=True)
class Symbols:
    """What one record holds."""

    latents: Grid
    """Y of §10.4."""
    signal: Grid
    """S of §10.4, the context of a picture after it."""
    key: Grid
    """S of the same camera's picture in the key frame; its own in one."""
    vectors: Grid | None
    """§14.6, None in a key frame or a pair."""
    coefficients: Grid | None
    """§12, None where there are none."""
    checksum: int
    count: int
    escapes: int


def decode_record(
    record: PictureRecord,
    before: Symbols | None,
    tensors: Tensors,
    past: Symbols | None = None,
    partner: PictureRecord | BoundedRecord | None = None,
) -> Symbols:
    """All symbols of one picture.

    Args:
        record: of the picture.
        before: the symbols of the picture before it, None for the first.
        tensors: the weight file.
        past: the same camera's picture before, in predicted frames.
        partner: the record of the picture before it.
    """
    prior = Prior(tensors, record.modality.value)
    reader = SymbolReader(record.stream, tensors)
    q = record.quality_index
    rows, columns = -(-record.height // 16), -(-record.width // 16)

    vectors = None
    if past is not None:
        brightness = reader.batch(np.array([10, 10]))
        assert np.abs(brightness).max() <= 63
        beside = before.vectors if record.conditional else None
        vectors = read_vectors(reader, past.vectors, beside, rows, columns)
    coefficients = None
    if record.conditional:
        coefficients = np.zeros_like(prior["coefficient_index"])
        if not isinstance(partner, BoundedRecord):
            coefficients = reader.batch(prior["coefficient_index"])
    hyper_index = prior["qualities.hyper_index"][q]
    hyper_size = (-(-rows // 4), -(-columns // 4), len(hyper_index))
    hyper = reader.batch(np.broadcast_to(hyper_index, hyper_size))

    # §10.3
    u = sat(down(hyper * prior["qualities.hyper_value"][q], 8))
    u = leaky(prior("hyper_mix", leaky(prior("hyper_in", u))))
    u = leaky(shuffle(prior("hyper_up", u)))
    u = leaky(shuffle(prior("half_up", leaky(prior("half_mix", u)))))
    u = prior("full_out", leaky(prior("full_mix", u)))[:rows, :columns]
    t = u + prior["qualities.features"][q]
    if coefficients is not None and f"{record.modality.value}.prior.partner_in.weight" in tensors:
        assert before is not None
        scale, shift = np.split(coefficients, 2)
        there = np.ones((rows, columns, 1), np.int64)
        if record.registration is None:
            r = resample(before.signal, rows, columns)
        else:
            assert partner is not None
            places = looks(record, partner, 16)
            r = registered(before.signal, places)
            there -= np.array(places.outside)[:, :, None]
        p = prior("partner_in", r)
        p = sat(down(p * (16 + scale) + shift * 256, 4))
        p = np.concatenate([relu(p), relu(-p)], -1)
        p = prior("partner_out", leaky(prior("partner_inner", prior("partner_mix", p))))
        t = t + (p + prior.sizes("partner_sizes", r)) * there
    if past is not None:
        t = t + prior.sizes("past_sizes", past.signal) + prior.sizes("key_sizes", past.key)
    f = leaky(sat(t))

    # §10.4
    latents = prior["qualities.signal"].shape[1]
    first = latents // 4
    decoded = np.zeros((rows, columns, latents), np.int64)
    signal = np.zeros((rows, columns, latents), np.int64)
    odd = np.add.outer(np.arange(rows), np.arange(columns)) % 2
    passes = (
        (0, slice(0, first), 0, 0),
        (1, slice(0, first), 1, first),
        (2, slice(first, latents), 0, first),
        (3, slice(first, latents), 1, latents),
    )
    for k, coded, parity, seen in passes:
        here = odd == parity  # selects positions row by row
        t = prior(f"passes.{k}.features", f[here])
        if seen:
            a = signal[:, :, :seen]
            around = prior(f"passes.{k}.around", a)[here]
            t = sat(
                t + prior(f"passes.{k}.decoded", around) + prior.sizes(f"passes.{k}.sizes", a)[here]
            )
        v = leaky(prior(f"passes.{k}.inner", leaky(t)))
        m, s = np.split(prior(f"passes.{k}.outer", v), 2, axis=-1)
        steps = prior["qualities.signal"][q, coded]
        mean = down(m * (((1 << 31) + steps) // (2 * steps)), 18)
        index = np.clip(down(s * 8 + prior["qualities.offset"][q, coded], 8), 0, 63)
        decoded[here, coded] = 64 * reader.batch(index) + mean
        signal[:, :, coded] = sat(
            down(decoded[:, :, coded] * prior["qualities.signal"][q, coded], 12)
        )
    checksum, count = crc32c(reader.decoded), len(reader.decoded) // 4
    key = signal if past is None else past.key
    return Symbols(decoded, signal, key, vectors, coefficients, checksum, count, reader.escapes)


def read_vectors(
    reader: SymbolReader, last: Grid | None, partner: Grid | None, rows: int, columns: int
) -> Grid:
    """§14.6."""

    def numbered(usual: int) -> int:
        n = int(reader.batch(np.array([28]))[0]) + usual
        assert 0 <= n < 64
        return n

    def three(count: int) -> list[int]:
        symbols = reader.batch(np.full(count, 20)).tolist()
        assert set(symbols) <= {-1, 0, 1}
        return symbols

    (r,) = three(1)
    tables: dict[int, int] = {}
    kinds = np.zeros((rows + 1, columns + 2), np.int64)  # one row above, one column on each side
    for y in range(1, rows + 1):
        unlike = (kinds[y - 1] != 0).astype(int)
        contexts = [min(sum(unlike[x : x + 3]), 2) for x in range(columns)]
        for context in sorted(set(contexts)):
            if context not in tables:
                tables[context] = numbered((9, 16, 20)[context])
        kinds[y, 1:-1] = reader.batch(np.array([tables[context] for context in contexts]))
    assert set(kinds.flatten().tolist()) <= {-1, 0, 1}
    copies = iter(three(int((kinds == 1).sum())))
    own = int((kinds == -1).sum())
    values = iter(reader.batch(np.full(2 * own, numbered(36))).tolist() if own else [])

    d = np.zeros((rows + 1, columns + 2, 2), np.int64)
    for y, x in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        near = [d[y, x - 1], d[y - 1, x], d[y - 1, x + 1]]
        if kinds[y, x] == 1:
            d[y, x] = near[next(copies)]
            continue
        d[y, x] = near[0] if y == 1 else np.median(near, 0)
        if kinds[y, x] == -1:
            d[y, x] += [next(values), next(values)]
    vectors = d[1:, 1:-1]
    if r == 1:
        assert last is not None
        vectors = vectors + last
    if r == -1:
        assert partner is not None
        size = np.array(partner.shape[:2])
        moved = resample(partner, rows, columns) * np.array([rows, columns]) // size
        vectors = vectors + np.clip(moved, -1023, 1023)
    assert np.abs(vectors).max() <= 1023
    return vectors


def decode_symbols(data: bytes, weights: Path) -> list[Symbols]:
    """The symbols of every picture of a file, in its order.

    Raises:
        Refused: they are not those of the encoder.
    """
    tensors = load_file(weights)
    found: list[Symbols] = []
    partner = None
    before = None
    for record in unpack(data).records:
        if isinstance(record, BoundedRecord):
            signal = exact_signals(record)
            before = Symbols(signal, signal, signal, None, None, 0, 0, 0)
            partner = record
            continue
        symbols = decode_record(record, before, tensors, partner=partner)
        partner = record
        if symbols.checksum != record.symbols_crc:
            raise Refused(
                f"{record.modality.value} has checksum {symbols.checksum:#010x},"
                f" expected {record.symbols_crc:#010x}"
            )
        found.append(symbols)
        before = symbols
    return found


if __name__ == "__main__":
    for each in decode_symbols(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])):
        print(f"{each.count} symbols, {each.escapes} escaped, checksum {each.checksum:#010x}")
