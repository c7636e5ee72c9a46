# SPDX-License-Identifier: Apache-2.0
"""Options of `encode` and `decode` for bags of ROS: which topic is which camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from crossband.cli.outcome import UsageError
from crossband.cli.streams import STANDARD
from crossband.pair import Modality

VisibleTopic = Annotated[
    str | None,
    typer.Option(metavar="TOPIC", help="Bags (.bag, .mcap, ROS 2): topic of the visible camera."),
]
InfraredTopic = Annotated[
    str | None, typer.Option(metavar="TOPIC", help="Bags: topic of the infrared camera.")
]


def bag_topics(visible_topic: str | None, infrared_topic: str | None) -> dict[Modality, str]:
    """The topics that are named, by camera.

    Raises:
        UsageError: both are one.
    """
    named = {Modality.VISIBLE: visible_topic, Modality.INFRARED: infrared_topic}
    topics = {modality: topic for modality, topic in named.items() if topic is not None}
    if len(topics) == 2 and visible_topic == infrared_topic:
        raise UsageError(f"{visible_topic} cannot be both cameras; name two topics")
    return topics


def is_bag_input(
    first: str | None, others: tuple[str | None, ...], topics: Mapping[Modality, str]
) -> bool:
    """Whether the one input of `encode` is a bag.

    Raises:
        UsageError: topics are named and it is not the only input, or no bag.
    """
    from crossband.sources import is_bag

    found = first is not None and first != STANDARD and is_bag(first)
    if topics and not found:
        raise UsageError(
            "--visible-topic and --infrared-topic are for a bag of ROS (.bag, .mcap or a folder"
            f" with metadata.yaml), {first or 'none'} is given"
        )
    if found and any(other is not None for other in others):
        raise UsageError(f"{first} is a bag, which holds both cameras; name it alone")
    return found
