# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a set of pairs: one rule a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crossband.datasets.check.facts import FileFacts, PairFacts
from crossband.datasets.check.likeness import ALIKE_BITS, nearest_before
from crossband.datasets.check.offset import CLEAR_SCORE
from crossband.pair import Modality

MOST_BLOCKING = 0.04
"""Trace of blocks above which a file was a JPEG once. Kodak's 24 lossless pictures have up to 0.01;
after JPEG at quality 50, 75, 85, 90 and 95 it tells 100, 96, 75, 54 and 12 % of them."""
MOST_OFFSET_PX = 8.0
"""Offset above which a pair is not called aligned. Published aligned pairs are mostly within 6 px;
`crossband train` varies offsets up to 16 px."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect and where it is."""

    kind: str
    """One of `KINDS`."""
    where: tuple[str, ...]
    """Files or pairs, in the order of their names, each with what was found."""
    advice: str
    """What to do."""


def find_defects(pairs: Sequence[PairFacts]) -> tuple[Finding, ...]:
    """Every kind of defect that the pairs have, in the order of `KINDS`."""
    found = []
    for kind, (rule, advice) in _RULES.items():
        if where := tuple(rule(pairs)):
            found.append(Finding(kind, where, advice))
    return tuple(found)


def _unreadable(pairs: Sequence[PairFacts]) -> list[str]:
    return [f"{file.path}: {file.error}" for file in _files(pairs) if file.picture is None]


def _orphans(pairs: Sequence[PairFacts]) -> list[str]:
    """Files alone in a split that has files of both cameras; else they are meant to be alone."""
    cameras: dict[str, set[Modality]] = {}
    for pair in pairs:
        cameras.setdefault(pair.split, set()).update(file.modality for file in pair.files)
    return [
        pair.files[0].path
        for pair in pairs
        if len(pair.files) == 1 and len(cameras[pair.split]) == 2 and not pair.single
    ]


def _unequal(pairs: Sequence[PairFacts]) -> list[str]:
    lines = []
    for pair in pairs:
        visible = pair.visible and pair.visible.picture
        infrared = pair.infrared and pair.infrared.picture
        if visible and infrared:
            sizes = [f"{each.width}x{each.height}" for each in (visible, infrared)]
            if sizes[0] != sizes[1]:
                lines.append(f"{pair.name} (visible {sizes[0]}, infrared {sizes[1]})")
    return lines


def _eight_bit(pairs: Sequence[PairFacts]) -> list[str]:
    return [
        f"{file.path} ({file.picture.true_bits} bits)"
        for file in _files(pairs)
        if file.picture and file.picture.stored_bits > 8 >= file.picture.true_bits
    ]


def _jpeg_origin(pairs: Sequence[PairFacts]) -> list[str]:
    return [
        f"{file.path} ({file.picture.blocking:.2f})"
        for file in _files(pairs)
        if file.picture and not file.is_jpeg and file.picture.blocking > MOST_BLOCKING
    ]


def _misaligned(pairs: Sequence[PairFacts]) -> list[str]:
    return [
        f"{pair.name} ({pair.offset.right_px:+.0f} right, {pair.offset.down_px:+.0f} down,"
        f" score {pair.offset.score:.0f})"
        for pair in pairs
        if pair.offset
        and pair.offset.score >= CLEAR_SCORE
        and pair.offset.distance_px > MOST_OFFSET_PX
    ]


def _duplicates(pairs: Sequence[PairFacts]) -> list[str]:
    lines = []
    for modality in Modality:
        for split in dict.fromkeys(pair.split for pair in pairs):
            files = _pictures(pairs, modality, (split,))
            lines += _look_alikes(files, files, earlier=True)
    return lines


def _leaks(pairs: Sequence[PairFacts]) -> list[str]:
    lines = []
    for modality in Modality:
        trained = _pictures(pairs, modality, ("train",))
        tested = _pictures(pairs, modality, ("val", "test"))
        lines += _look_alikes(tested, trained, earlier=False)
    return lines


def _look_alikes(
    files: Sequence[FileFacts], candidates: Sequence[FileFacts], *, earlier: bool
) -> list[str]:
    """A line for each file that looks like a candidate; of several the first is named."""
    nearest = nearest_before(
        [file.picture.likeness if file.picture else None for file in files],
        [file.picture.likeness if file.picture else None for file in candidates],
        most_bits=ALIKE_BITS,
        earlier=earlier,
    )
    first_of: dict[str, str] = {}
    if not earlier:
        for file in reversed(candidates):
            first_of[file.sha256] = file.path
    lines = []
    for file, near in zip(files, nearest, strict=True):
        if same := first_of.get(file.sha256):
            lines.append(f"{file.path} = {same} (the same bytes)")
        elif near:
            lines.append(
                f"{file.path} like {candidates[near[0]].path} ({near[1]} of 64 bits differ)"
            )
        if earlier:
            first_of.setdefault(file.sha256, file.path)
    return lines


def _files(pairs: Sequence[PairFacts]) -> list[FileFacts]:
    return [file for pair in pairs for file in pair.files]


def _pictures(
    pairs: Sequence[PairFacts], modality: Modality, splits: tuple[str, ...]
) -> list[FileFacts]:
    """Readable files of one camera."""
    return [
        file
        for pair in pairs
        if pair.split in splits
        for file in pair.files
        if file.modality is modality and file.picture
    ]


_RULES: dict[str, tuple[Callable[[Sequence[PairFacts]], list[str]], str]] = {
    "unreadable": (_unreadable, "copy them again, or take them and their partners out"),
    "without partner": (_orphans, "name both files of a pair alike, or take these out"),
    "two sizes": (_unequal, "register and scale the pictures first; training leaves these out"),
    "8-bit infrared in 16-bit files": (_eight_bit, "export raw counts: these are no finer"),
    "once a JPEG": (_jpeg_origin, "get the originals: a codec learns these files' blocks"),
    "misaligned": (
        _misaligned,
        "register the pairs, or expect little gain from coding them jointly",
    ),
    "near duplicates": (_duplicates, "keep one of each: the others weigh it more and add nothing"),
    "train pictures in val or test": (
        _leaks,
        "split by scene or by stretches of a film, not by chance",
    ),
}
KINDS = tuple(_RULES)
"""Every kind of defect, as findings and the table name them."""
