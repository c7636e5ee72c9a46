# SPDX-License-Identifier: Apache-2.0
"""Training pictures: decoded once, kept as bytes, cropped and varied in batch."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from crossband import datasets
from crossband.datasets.data_set import PairPath, Split, pictures_by_stem
from crossband.datasets.two_folders import pairs_beside
from crossband.errors import InputError, TrainingError

_FILMS = "video"
"""Pairs below a folder of this name are frames of films, one film a folder."""
MAX_SHIFT = 16
"""Largest random shift of one modality against the other, in pixels."""
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
"""What Pillow raises for damaged files."""
_MOST_UNREADABLE = 0.01
"""Share of unreadable files above which a data set is broken rather than blemished."""
_NAMED = 5
"""How many files a message names."""


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """The files of one pair; one may be missing."""

    name: str
    visible: Path | None
    infrared: Path | None
    orphan: bool = False
    """Whether the other camera's folder is there but has no file of this name."""


def find_pairs(root: Path, source: str, split: Split, layout: str = "") -> list[PictureFiles]:
    """Pairs of one source and split, sorted by name.

    A pair's files have the same stem and lie in sibling folders called `visible` or `vis` and
    `infrared` or `ir`, below a folder that is called after the split or starts with it
    (`train`, `train_0111_1753`). Single pictures lie in `infrared` or `ir` alone, or in
    `mono/SPLIT`. Where these folders lie in the source itself there are no splits: the last tenth
    of the pairs is `val` (neighbours in a film are alike, so not every tenth), the rest `train`.

    Args:
        root: folder of the sources.
        source: one of them.
        split: whose pairs.
        layout: a set that `crossband.datasets` knows: the files lie as in its archive. What its
            authors did not split is split as above; where they made a `train` or `val` split, their
            `test` pictures are left alone.

    Raises:
        TrainingError: the source is no folder, or there is no such layout.
    """
    base = root / source
    if not base.is_dir():
        raise TrainingError(f"{base} is not a folder; name a source that {root} holds")
    if layout:
        return _in_layout(base, split, layout)
    if plain := _files(pairs_beside(base, "")):
        return _split(plain, split)
    found: list[PictureFiles] = []
    for folder in sorted(path for path in base.rglob("*") if path.is_dir()):
        parts = folder.relative_to(base).parts
        if parts == ("mono", split):
            found += [PictureFiles(s, p, None) for s, p in pictures_by_stem(folder).items()]
        if any(part == split or part.startswith(f"{split}_") for part in parts):
            found += _files(pairs_beside(folder, "".join(f"{part}/" for part in parts)))
    return found


def _in_layout(base: Path, split: Split, layout: str) -> list[PictureFiles]:
    """Pairs of a published set."""
    try:
        data_set = datasets.find(layout)
        train, val, test = (
            _files(data_set.list_pairs(base, each), paired=each not in data_set.single)
            for each in datasets.SPLITS
        )
    except InputError as error:
        raise TrainingError(str(error)) from None
    if split == "test" or (train and val):
        return {"train": train, "val": val, "test": test}[split]
    return _split(train if train or val else test, split)


def _split(unsplit: list[PictureFiles], split: Split) -> list[PictureFiles]:
    """The last tenth of the pairs is `val`, the rest `train`."""
    whole = [files for files in unsplit if files.visible and files.infrared]
    val = whole[len(whole) - max(1, len(whole) // 10) :] if len(whole) > 1 else []
    kept = {files.name for files in val}
    train = [files for files in unsplit if files.name not in kept]
    return {"train": train, "val": val, "test": []}[split]


def _files(pairs: tuple[PairPath, ...], *, paired: bool = True) -> list[PictureFiles]:
    """Pairs, with a word on those that lack a file though its camera has some.

    Args:
        pairs: of one split.
        paired: whether they are meant to be pairs at all.
    """
    both = paired and any(pair.visible for pair in pairs) and any(pair.infrared for pair in pairs)
    return [
        PictureFiles(
            pair.name,
            pair.visible,
            pair.infrared,
            orphan=both and (pair.visible is None or pair.infrared is None),
        )
        for pair in pairs
    ]


def read_visible(path: Path) -> npt.NDArray[np.uint8]:
    """RGB bytes (height, width, 3), upright; gray becomes three equal channels.

    Raises:
        OSError, ValueError and the like (`UNREADABLE`): damaged, or of more than 8 bits.
    """
    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"visible picture of mode {image.mode}; 8 bits a sample are allowed")
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def read_infrared(path: Path) -> npt.NDArray[np.uint8]:
    """Bytes (height, width), upright; deeper pictures are stretched to their own range.

    Raises:
        OSError, ValueError and the like (`UNREADABLE`): damaged, or of floating point.
    """
    return stretched(_read_counts(path))


def _read_counts(path: Path) -> npt.NDArray[np.generic]:
    """Samples (height, width) of any whole type."""
    with Image.open(path) as image:
        if image.mode == "F":
            raise ValueError("infrared picture of floating point; 8 to 16 bits are allowed")
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright if image.mode.startswith("I") else upright.convert("L"))


def stretched(counts: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """The picture's own range as 0 to 255, as the codec does with more than 8 bits."""
    if counts.dtype == np.uint8:
        return counts.astype(np.uint8, copy=False)
    wide = counts.astype(np.float64)
    low, high = wide.min(), max(wide.max(), wide.min() + 1)
    levels: npt.NDArray[np.float64] = np.round((wide - low) * (255 / (high - low)))
    return levels.astype(np.uint8)


def _poses_as_deep(counts: npt.NDArray[np.generic]) -> bool:
    """Whether a file of more than 8 bits a sample holds 8-bit levels, as they are or multiplied."""
    if counts.dtype == np.uint8:
        return False
    wide = counts.astype(np.int64)
    return bool(wide.max() <= 255 or not (wide % 257).any() or not (wide % 256).any())


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a data folder held, and what was left out of it."""

    pairs: int
    visible_only: int
    infrared_only: int
    orphans: tuple[str, ...]
    """Files without partner beside a folder of the other camera; they count as single pictures."""
    small: tuple[str, ...]
    """Left out: smaller than a crop."""
    unequal: tuple[str, ...]
    """Left out: the two pictures differ in size."""
    unreadable: tuple[str, ...]
    """Left out: damaged, or of a kind that is not taken; each with the reason."""
    eight_bit: tuple[str, ...]
    """Infrared files of 16 bits a sample that hold 8-bit levels; taken all the same."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that the owner of the data should know."""
        lines = (
            (
                self.orphans,
                "have no partner of the same name and count as single pictures",
            ),
            (self.small, "are smaller than a crop and were left out"),
            (self.unequal, "were left out: visible and infrared differ in size"),
            (self.unreadable, "could not be read and were left out"),
            (self.eight_bit, "are 16-bit files that hold 8-bit levels: no finer than 8 bits"),
        )
        return tuple(f"{_named(names)} {said}" for names, said in lines if names)

    def to_row(self) -> dict[str, object]:
        """For the log and the weight file: counts, and the names of what could not be read."""
        return {
            "pairs": self.pairs,
            "visible_only": self.visible_only,
            "infrared_only": self.infrared_only,
            "orphans": len(self.orphans),
            "small": len(self.small),
            "unequal": len(self.unequal),
            "eight_bit": len(self.eight_bit),
            "unreadable": list(self.unreadable),
        }


@dataclass(slots=True)
class _Seen:
    """What `DataReport` names, while the pictures are read."""

    orphans: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    eight_bit: list[str] = field(default_factory=list)


def _named(names: tuple[str, ...]) -> str:
    """Files as a message has them: how many, and the first of them."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} of the pictures ({', '.join(names[:_NAMED])}{more})"


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs that are drawn together with one share of the batch."""

    share: float
    first: int
    count: int


class PictureStore:
    """All training pictures as two flat byte buffers on the training device.

    A visible-only and an infrared-only picture make an unrelated pair, newly drawn each time:
    the codec learns not to trust a partner that has nothing to say.

    Args:
        root: folder of the sources.
        shares: of the crops, by source.
        split: whose pictures.
        smallest: pixels a side that a picture needs.
        device: where they are kept.
        layouts: of those sources whose files lie as in a published set.

    Raises:
        TrainingError: no pair that can be used, files that do not pair, or more than 1 % of them
            unreadable.
    """

    def __init__(
        self,
        root: Path,
        shares: dict[str, float],
        *,
        split: Split,
        smallest: int,
        device: str,
        layouts: dict[str, str] | None = None,
    ) -> None:
        visible: list[npt.NDArray[np.uint8]] = []
        infrared: list[npt.NDArray[np.uint8]] = []
        self.groups: list[Group] = []
        self.clips: list[range] = []
        """Pairs that are the frames of one film, in their order."""
        self.visible_only: list[int] = []
        self.infrared_only: list[int] = []
        pairs: list[tuple[int, int]] = []
        film = ""
        seen = _Seen()
        file_count = 0
        for source, share in shares.items():
            first = len(pairs)
            found = find_pairs(root, source, split, (layouts or {}).get(source, ""))
            _check_pairing(root / source, found)
            for files in found:
                name = f"{source}/{files.name}"
                file_count += (files.visible is not None) + (files.infrared is not None)
                try:
                    vis = read_visible(files.visible) if files.visible else None
                    counts = _read_counts(files.infrared) if files.infrared else None
                    ir = None if counts is None else stretched(counts)
                except UNREADABLE as error:
                    seen.unreadable.append(f"{name}: {_reason(error)}")
                    continue
                sizes = [picture.shape[:2] for picture in (vis, ir) if picture is not None]
                if sizes[0] != sizes[-1]:
                    seen.unequal.append(name)
                    continue
                if min(sizes[0]) < smallest:
                    seen.small.append(name)
                    continue
                if files.orphan:
                    seen.orphans.append(_orphan(root, files))
                if counts is not None and _poses_as_deep(counts):
                    seen.eight_bit.append(name)
                if vis is not None:
                    visible.append(vis)
                if ir is not None:
                    infrared.append(ir)
                if vis is None:
                    self.infrared_only.append(len(infrared) - 1)
                elif ir is None:
                    self.visible_only.append(len(visible) - 1)
                else:
                    pairs.append((len(visible) - 1, len(infrared) - 1))
                    before, film = film, name.rpartition("/")[0]
                    if _FILMS in film.split("/") and film == before:
                        self.clips[-1] = range(self.clips[-1].start, len(pairs))
                    elif _FILMS in film.split("/"):
                        self.clips.append(range(len(pairs) - 1, len(pairs)))
            if len(pairs) > first:
                self.groups.append(Group(share, first, len(pairs) - first))
        if len(seen.unreadable) > _MOST_UNREADABLE * file_count:
            raise TrainingError(
                f"{len(seen.unreadable)} of {file_count} files cannot be read, more than 1 %:"
                f" {'; '.join(seen.unreadable[:_NAMED])}; replace or remove them"
            )
        self.report = DataReport(
            pairs=len(pairs),
            visible_only=len(self.visible_only),
            infrared_only=len(self.infrared_only),
            orphans=tuple(seen.orphans),
            small=tuple(seen.small),
            unequal=tuple(seen.unequal),
            unreadable=tuple(seen.unreadable),
            eight_bit=tuple(seen.eight_bit),
        )
        if not any(group.share for group in self.groups):
            left_out = "".join(f"; {note}" for note in self.report.notes)
            left_out += _without_pairs(layouts or {}, split)
            named = ", ".join(_with_layout(source, layouts or {}) for source in shares)
            raise TrainingError(
                f"no pair of at least {smallest}x{smallest} pixels and equal sizes in {root}"
                f" ({named}); check the folders' names (docs/training.md){left_out}"
            )
        self.device = device
        self.pairs = pairs
        self.visible_bytes, self.visible_at = _flattened(visible, device)
        self.infrared_bytes, self.infrared_at = _flattened(infrared, device)
        self.checksum = 0
        """Of all pictures in their order: whether a run goes on with those that it began with."""
        for picture in (*visible, *infrared, np.array(pairs)):
            self.checksum = zlib.crc32(np.ascontiguousarray(picture).data, self.checksum)

    def __len__(self) -> int:
        return len(self.pairs)


def _check_pairing(base: Path, found: list[PictureFiles]) -> None:
    """Refuses a source whose two folders have no name in common."""
    names = [_orphan(base, files) for files in found if files.orphan]
    if names and not any(files.visible and files.infrared for files in found):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise TrainingError(
            f"{base}: no visible and infrared file have the same name; without a partner are"
            f" {', '.join(names[:_NAMED])}{more}: rename one camera's files after the other's"
        )


def _with_layout(source: str, layouts: dict[str, str]) -> str:
    """A source, and how its files were looked for."""
    if source not in layouts:
        return source
    layout = layouts[source]
    return f"{source} as {layout}: {datasets.find(layout).about}"


def _without_pairs(layouts: dict[str, str], split: Split) -> str:
    """What to know of sets that have single pictures only."""
    names = [name for name in layouts.values() if split in datasets.find(name).single]
    if not names:
        return ""
    return (
        f"; the {split} pictures of {', '.join(names)} have no partners: use them at a share of 0"
        " beside a source of pairs"
    )


def _orphan(root: Path, files: PictureFiles) -> str:
    path = files.visible or files.infrared
    assert path is not None  # a pair has at least one file
    return path.relative_to(root).as_posix()


def _reason(error: BaseException) -> str:
    """Why a file cannot be read, without the path that Pillow repeats."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error) or type(error).__name__
    return "not a picture" if "cannot identify" in said else said.splitlines()[0][:100]


def _flattened(
    pictures: list[npt.NDArray[np.uint8]], device: str
) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """One buffer (samples, channels) and each picture's (offset, height, width)."""
    offset, places = 0, []
    for picture in pictures:
        height, width = picture.shape[:2]
        places.append((offset, height, width))
        offset += height * width
    channels = 3 if pictures[0].ndim == 3 else 1
    flat = np.concatenate([picture.reshape(-1, channels) for picture in pictures])
    return torch.from_numpy(flat).to(device), np.array(places, np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of pairs in 0 to 1."""

    visible: Tensor
    """(batch, 3, size, size)."""
    infrared: Tensor
    """(batch, 1, size, size)."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How crops are varied."""

    unrelated_share: float = 0.06
    """Of crops made of two pictures that have nothing to do with each other."""
    shift_share: float = 0.4
    """Of pairs whose infrared is shifted by up to 16 px (as real pairs are, mostly by 2 to 6)."""
    scale_share: float = 0.15
    """Of pairs whose infrared is scaled by 0.9 to 1.1."""
    jitter_share: float = 0.25
    """Of pairs whose infrared gets another contrast, brightness and gamma."""
    colour_share: float = 0.0
    """Of visible pictures that get another saturation, mostly a higher one."""
    sharpen_share: float = 0.0
    """Of visible pictures that are sharpened, as many cameras do."""


class Sampler:
    """Draws varied crops; its whole state is one NumPy generator."""

    def __init__(self, store: PictureStore, *, size: int, variation: Variation, seed: int) -> None:
        self.store, self.size, self.variation = store, size, variation
        self.random = np.random.default_rng(seed)
        shares = np.array([group.share for group in store.groups])
        self.shares = shares / shares.sum()

    def draw(self, count: int) -> Batch:
        """`count` crops of both modalities, the same flips and turns for both.

        The host draws a few numbers for each crop; all that is as large as a crop is made on the
        device.
        """
        size, random, vary = self.size, self.random, self.variation
        pictures = np.empty((count, 2, 3), np.int64)  # offset, height and width of both
        corners = np.empty((count, 2, 2))
        turns = np.empty((count, 3), np.bool_)  # transposed, flipped down, flipped across
        scales = np.ones((count, 1, 1))
        for i in range(count):
            visible, infrared, related = self.pick()
            pictures[i] = self.store.visible_at[visible], self.store.infrared_at[infrared]
            corners[i, 0] = self._corner(pictures[i, 0])
            turns[i] = [random.random() < 0.5 for _ in range(3)]
            corners[i, 1] = corners[i, 0] if related else self._corner(pictures[i, 1])
            if random.random() < vary.shift_share:
                shift = np.round(random.normal(0, 5, 2))
                corners[i, 1] += np.clip(shift, -MAX_SHIFT, MAX_SHIFT)
            if random.random() < vary.scale_share:
                scales[i] = random.uniform(0.9, 1.1)
        places, corner = self._to_device(pictures), self._to_device(corners)[..., None, None]
        down, across = self._grid(self._to_device(turns)[:, :, None, None])
        offset, _, width = (places[:, 0, k, None, None] for k in range(3))
        top, left = corner[:, 0].long().unbind(1)
        vis = self.store.visible_bytes[offset + (top + down) * width + left + across]
        middle, scale = (size - 1) / 2, self._to_device(scales)
        top, left = (corner[:, 1] + middle).unbind(1)
        rows, columns = top + (down - middle) * scale, left + (across - middle) * scale
        ir = self._interpolated(places[:, 1], rows, columns)
        return Batch(
            self._processed(vis.permute(0, 3, 1, 2).float() / 255),
            self._jittered(ir / 255)[:, None],
        )

    def _corner(self, place: npt.NDArray[np.int64]) -> tuple[int, int]:
        """A crop's first row and column in a picture."""
        _, height, width = place
        random, size = self.random, self.size
        return int(random.integers(0, height - size + 1)), int(random.integers(0, width - size + 1))

    def _grid(self, turns: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns in its crop of every sample: (count, size, size) each."""
        line = torch.arange(self.size, device=self.store.device)
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        transposed, down, across = turns.unbind(1)
        turned = torch.where(transposed, columns, rows), torch.where(transposed, rows, columns)
        last = self.size - 1
        return (
            torch.where(down, last - turned[0], turned[0]),
            torch.where(across, last - turned[1], turned[1]),
        )

    def pick(self) -> tuple[int, int, bool]:
        """Numbers of a visible and an infrared picture, and whether they belong together."""
        store, random = self.store, self.random
        group = store.groups[random.choice(len(store.groups), p=self.shares)]
        visible, infrared = store.pairs[group.first + int(random.integers(group.count))]
        if random.random() >= self.variation.unrelated_share:
            return visible, infrared, True
        if store.visible_only:
            visible = store.visible_only[int(random.integers(len(store.visible_only)))]
        else:
            visible = store.pairs[int(random.integers(len(store.pairs)))][0]
        if store.infrared_only:
            infrared = store.infrared_only[int(random.integers(len(store.infrared_only)))]
        return visible, infrared, False

    def _interpolated(self, places: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Infrared samples at real coordinates, bilinear, clamped at the borders."""
        offset, height, width = (places[:, k, None, None] for k in range(3))
        rows = torch.minimum(rows.clamp(min=0), height - 1)
        columns = torch.minimum(columns.clamp(min=0), width - 1)
        top, left = rows.long(), columns.long()
        below, right = torch.minimum(top + 1, height - 1), torch.minimum(left + 1, width - 1)
        down, across = (rows - top).float(), (columns - left).float()
        flat = self.store.infrared_bytes[:, 0]

        def at(row: Tensor, column: Tensor) -> Tensor:
            return flat[offset + row * width + column].float()

        upper = at(top, left) * (1 - across) + at(top, right) * across
        lower = at(below, left) * (1 - across) + at(below, right) * across
        # Whole values, as a camera would deliver.
        return torch.round(upper * (1 - down) + lower * down)

    def _processed(self, visible: Tensor) -> Tensor:
        """Another camera's colours and sharpening for some of the crops."""
        count, random, vary = len(visible), self.random, self.variation
        if not vary.colour_share and not vary.sharpen_share:
            return visible
        coloured = random.random(count) < vary.colour_share
        saturation = np.where(coloured, np.exp(random.uniform(-0.3, 1.0, count)), 1.0)
        sharpened = random.random(count) < vary.sharpen_share
        amount = np.where(sharpened, random.uniform(0.3, 2.0, count), 0.0)
        saturation_t, amount_t = (
            self._to_device(values).float()[:, None, None, None] for values in (saturation, amount)
        )
        gray = visible.mean(1, keepdim=True)
        varied = gray + (visible - gray) * saturation_t
        around = F.avg_pool2d(F.pad(varied, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        varied = varied + (varied - around) * amount_t
        varied = torch.round(varied.clamp(0, 1) * 255) / 255
        chosen = self._to_device(coloured | sharpened)[:, None, None, None]
        return torch.where(chosen, varied, visible)

    def _jittered(self, infrared: Tensor) -> Tensor:
        """Another camera's gain for some of the crops."""
        count, random = len(infrared), self.random
        chosen = random.random(count) < self.variation.jitter_share
        gamma = np.where(chosen, np.exp(random.normal(0, 0.25, count)), 1.0)
        gain = np.where(chosen, np.exp(random.normal(0, 0.25, count)), 1.0)
        bias = np.where(chosen, random.normal(0, 0.08, count), 0.0)
        gamma_t, gain_t, bias_t = (
            self._to_device(values).float()[:, None, None] for values in (gamma, gain, bias)
        )
        varied = (infrared.clamp(min=1e-4) ** gamma_t * gain_t + bias_t).clamp(0, 1)
        varied = torch.round(varied * 255) / 255
        return torch.where(self._to_device(chosen)[:, None, None], varied, infrared)

    def _to_device(self, values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self.store.device, non_blocking=True)
