# SPDX-License-Identifier: Apache-2.0
"""Two recordings to pairs, by the times of their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from crossband.errors import SourceError
from crossband.pair import Frame, Modality, Pair
from crossband.sources.recording import Recording, TimedRaster

Rule: TypeAlias = Literal["nearest", "strict"]
"""How pictures of two cameras become pairs; see `match`."""


@dataclass(slots=True)
class MatchReport:
    """What became of the pictures so far; grows while pairs are taken."""

    rule: Rule
    tolerance_us: float
    leader: Modality
    """The camera whose pictures give the pairs their times: the slower one."""
    paired: int = 0
    """Pairs of two pictures."""
    alone: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(Modality, 0))
    """Pictures whose partner was silent."""
    dropped: dict[Modality, list[int]] = field(default_factory=lambda: {m: [] for m in Modality})
    """Numbers, from 0, of pictures that came too fast for the slower camera."""

    def lines(self) -> list[str]:
        """What to tell the user, one sentence each."""
        told = [
            f"matched {self.rule} by time, at most {self.tolerance_us / 1000:g} ms apart,"
            f" {self.leader.value} leading: {self.paired:,} pairs"
        ]
        for modality in Modality:
            if count := self.alone[modality]:
                told.append(
                    f"{count:,} {modality.value} pictures coded alone: {modality.partner.value}"
                    " camera silent"
                )
            if numbers := self.dropped[modality]:
                told.append(
                    f"{len(numbers):,} {modality.value} pictures dropped, nearer ones were there:"
                    f" {ranges(numbers)}"
                )
        return told


def ranges(numbers: list[int], *, most: int = 12) -> str:
    """Numbers for people.

    Example:
        >>> ranges([1, 2, 3, 7])
        '1-3, 7'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    told = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:most]]
    return ", ".join(told) + (f" and {len(runs) - most} more" if len(runs) > most else "")


def match(
    visible: Recording, infrared: Recording, *, rule: Rule = "nearest", tolerance_us: float = 0
) -> tuple[MatchReport, Iterator[Frame]]:
    """Pairs of two recordings, in order of time, holding a few pictures at once.

    `nearest`: the slower camera leads. Each of its pictures gets the nearest one of the other
    camera that is not taken yet and at most the tolerance away. Pictures of the other camera that
    none wants are dropped, but where the leading camera is silent (for three quarters of its period
    before and after them) they stay, alone. `strict`: picture n goes with picture n, and both
    recordings have equally many.

    Args:
        visible: one camera.
        infrared: the other one, on the same clock.
        rule: how.
        tolerance_us: how far apart the pictures of a pair may be; 0 for half a period of the
            slower camera.

    Raises:
        SourceError: while pairs are taken: a recording cannot be read, or with `strict` a picture
            has no partner.
    """
    leads = Modality.INFRARED if infrared.period_us > visible.period_us * 1.01 else Modality.VISIBLE
    leader, other = (visible, infrared) if leads is Modality.VISIBLE else (infrared, visible)
    report = MatchReport(rule, tolerance_us or leader.period_us / 2, leads)
    if rule == "strict":
        return report, _strict(visible, infrared, report)
    return report, _nearest(leader, other, report)


def alone(recording: Recording) -> Iterator[Frame]:
    """The frames of one camera without another."""
    for picture in recording:
        yield _frame(recording.camera.modality, picture, None)


def _strict(visible: Recording, infrared: Recording, report: MatchReport) -> Iterator[Frame]:
    left, right = iter(visible), iter(infrared)
    while True:
        one, two = next(left, None), next(right, None)
        if one is None and two is None:
            return
        if one is None or two is None:
            short, long = (visible, infrared) if one is None else (infrared, visible)
            raise SourceError(
                f"{short.name}: ends after {report.paired} frames and {long.name} goes on; --match"
                " strict needs equally many: use --match nearest, or cut the longer film"
            )
        if (apart := abs(one.timestamp_us - two.timestamp_us)) > report.tolerance_us:
            raise SourceError(
                f"{visible.name}: {one.name} is {apart / 1000:g} ms from {two.name} of"
                f" {infrared.name}; --match strict allows {report.tolerance_us / 1000:g} ms: use"
                " --match nearest, or raise --tolerance"
            )
        report.paired += 1
        yield _frame(Modality.VISIBLE, one, two)


def _nearest(leader: Recording, other: Recording, report: MatchReport) -> Iterator[Frame]:
    leads, follows = leader.camera.modality, other.camera.modality
    silence_us = 0.75 * leader.period_us
    followers = enumerate(other)
    waiting: list[tuple[int, TimedRaster]] = []
    last_us: float = float("-inf")
    done = False

    def settle(until_us: float, next_us: float) -> Iterator[Frame]:
        """Pictures of the other camera before a time: alone in a silence, else dropped."""
        while waiting and waiting[0][1].timestamp_us < until_us:
            number, picture = waiting.pop(0)
            at_us = picture.timestamp_us
            if at_us - last_us > silence_us and next_us - at_us > silence_us:
                report.alone[follows] += 1
                yield _frame(follows, picture, None)
            else:
                report.dropped[follows].append(number)

    def fill(until_us: float) -> Iterator[Frame]:
        """Reads on to the first picture of the other camera after a time."""
        nonlocal done
        while not done and not (waiting and waiting[-1][1].timestamp_us >= until_us):
            # What the leader cannot want any more is settled at once, so that little is held.
            yield from settle(until_us - report.tolerance_us, until_us)
            if (found := next(followers, None)) is None:
                done = True
            else:
                waiting.append(found)

    for picture in leader:
        at_us = picture.timestamp_us
        yield from fill(at_us)
        yield from settle(at_us - report.tolerance_us, at_us)
        nearest = min(
            range(len(waiting)),
            key=lambda n: abs(waiting[n][1].timestamp_us - at_us),
            default=None,
        )
        if nearest is not None and (
            abs(waiting[nearest][1].timestamp_us - at_us) <= report.tolerance_us
        ):
            partner = waiting.pop(nearest)[1]
            report.dropped[follows] += [number for number, _ in waiting[:nearest]]
            del waiting[:nearest]
            report.paired += 1
            yield _frame(leads, picture, partner)
        else:
            report.alone[leads] += 1
            yield _frame(leads, picture, None)
        last_us = at_us
    while waiting or not done:
        yield from settle(float("inf"), float("inf"))
        if (found := next(followers, None)) is None:
            done = True
        else:
            waiting.append(found)


def _frame(modality: Modality, picture: TimedRaster, partner: TimedRaster | None) -> Frame:
    """A frame at the time of the picture."""
    shown = {modality: picture}
    if partner is not None:
        shown[modality.partner] = partner
    at_ns = 1000 * picture.timestamp_us
    visible, infrared = (shown.get(each) for each in Modality)
    return Frame(
        Pair(visible.raster if visible else None, infrared.raster if infrared else None),
        picture.timestamp_us,
        visible_offset_ns=visible.stamp_ns - at_ns if visible else 0,
        infrared_offset_ns=infrared.stamp_ns - at_ns if infrared else 0,
    )
