# SPDX-License-Identifier: Apache-2.0
"""Looks at every file of a set of pairs and says what is wrong with it."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossband.datasets.check.facts import PairFacts, look_at
from crossband.datasets.check.findings import Finding, find_defects
from crossband.datasets.check.offset import CLEAR_SCORE
from crossband.datasets.data_set import SPLITS, DataSet, PairPath, Split
from crossband.errors import InputError


@dataclass(frozen=True, slots=True)
class Audit:
    """What the files are and what is wrong with them."""

    data_set: str
    key: str
    """What makes a pair of two files."""
    pairs: tuple[PairFacts, ...]
    """Pairs and single pictures, by split and name."""
    findings: tuple[Finding, ...]

    def summary(self) -> dict[str, Any]:
        """Counts, sizes, depths, offsets and findings; without the files."""
        files = [file for pair in self.pairs for file in pair.files]
        pictures = [(file.modality, file.picture) for file in files if file.picture]
        offsets = [pair.offset for pair in self.pairs if pair.offset is not None]
        clear = [each for each in offsets if each.score >= CLEAR_SCORE]
        return {
            "data_set": self.data_set,
            "paired_by": self.key,
            "files": len(files),
            "size_bytes": sum(file.size_bytes for file in files),
            "splits": {
                split: {
                    "pairs": sum(len(pair.files) == 2 for pair in members),
                    "visible_only": sum(pair.infrared is None for pair in members),
                    "infrared_only": sum(pair.visible is None for pair in members),
                }
                for split in SPLITS
                if (members := [pair for pair in self.pairs if pair.split == split])
            },
            "sizes": _counted(f"{kind.value} {one.width}x{one.height}" for kind, one in pictures),
            "depths": _counted(
                f"{kind.value} {one.true_bits} of {one.stored_bits} bits" for kind, one in pictures
            ),
            "offsets": {
                "clear": len(clear),
                "unclear": len(offsets) - len(clear),
                "not_compared": sum(len(pair.files) == 2 for pair in self.pairs) - len(offsets),
                "median_right_px": _median([each.right_px for each in clear]),
                "median_down_px": _median([each.down_px for each in clear]),
                "median_distance_px": _median([each.distance_px for each in clear]),
            },
            "findings": [
                {
                    "kind": finding.kind,
                    "count": len(finding.where),
                    "advice": finding.advice,
                    "where": list(finding.where),
                }
                for finding in self.findings
            ],
        }

    def manifest(self) -> bytes:
        """The summary, all pairs, and all files with their SHA-256, as JSON.

        Paths are below the root, and nothing tells the time or the machine: the same files give
        the same bytes.
        """
        value = {
            **self.summary(),
            "pairs": [pair.to_mapping() for pair in self.pairs],
            "file_list": [file.to_mapping() for pair in self.pairs for file in pair.files],
        }
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def audit(
    root: Path, data_set: DataSet, *, report: Callable[[int, int], None] = lambda done, total: None
) -> Audit:
    """Reads every picture of the set below the root.

    Args:
        root: the folder that the set's adapter knows its way in.
        data_set: one of `crossband.datasets`.
        report: told, after each pair, how many are done and how many there are.

    Raises:
        InputError: the root is no folder, or holds no pair of this set.
    """
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; name the one that holds the pairs")
    listed = [(split, pair) for split in SPLITS for pair in data_set.list_pairs(root, split)]
    if not listed:
        raise InputError(
            f"{root}: has no pair in the layout of {data_set.name} ({data_set.about});"
            " check the folder, or name another layout with --set"
        )
    if data_set.name == "folder" and {split for split, _ in listed} == {"test"}:
        listed = _split_as_training([pair for _, pair in listed])
    facts = []
    for done, (split, pair) in enumerate(listed, 1):
        single = split in data_set.single
        facts.append(look_at(pair, split, root=root, single=single))
        report(done, len(listed))
    pairs = tuple(facts)
    return Audit(data_set.name, data_set.key, pairs, find_defects(pairs))


def _split_as_training(pairs: Sequence[PairPath]) -> list[tuple[Split, PairPath]]:
    """A folder without splits: the last tenth of the whole pairs is val, as `crossband train`."""
    whole = [pair.name for pair in pairs if pair.visible and pair.infrared]
    val = set(whole[-max(1, len(whole) // 10) :]) if len(whole) > 1 else set()
    return [("val" if pair.name in val else "train", pair) for pair in pairs]


def _counted(words: Any) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    return dict(Counter(words).most_common())


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None
