# SPDX-License-Identifier: Apache-2.0
"""Every error that crossband raises on purpose.

    CrossbandError
    ├── InputError            what was handed in cannot be used
    │   ├── SourceError       a picture file is missing, unreadable or of a kind that is not taken
    │   ├── PictureError      samples, sizes, depths or options outside their range
    │   └── OutputError       the result cannot be put where it was asked for
    ├── StreamError           bytes that claim to be a crossband file
    │   ├── NotCrossband      they are something else
    │   ├── UnsupportedVersion written by a newer crossband
    │   ├── CorruptStream     damaged, truncated, or with bytes added
    │   ├── MissingWeights    made with weights that are not here
    │   └── MissingPicture    the picture asked for is not in the file
    ├── TargetUnreachable     no quality gives the size asked for
    └── TrainingError         a recipe, a data set or a run that cannot be trained on

Each message is one line and says what, what was found, what is allowed and what to do.
"""

from __future__ import annotations


class CrossbandError(Exception):
    """Any error that crossband raises on purpose."""


class InputError(CrossbandError, ValueError):
    """What was handed in cannot be used."""


class SourceError(InputError):
    """A picture file is missing, unreadable or of a kind that is not taken."""


class PictureError(InputError):
    """Samples, sizes, depths or options outside their range."""


class OutputError(InputError):
    """The result cannot be put where it was asked for."""


class StreamError(CrossbandError):
    """Bytes that claim to be a crossband file and cannot be decoded."""


class NotCrossband(StreamError):
    """The bytes are something else than a crossband file."""


class UnsupportedVersion(StreamError):
    """The file was written by a newer crossband."""


class CorruptStream(StreamError):
    """The file is damaged, truncated, or has bytes added."""


class MissingWeights(StreamError):
    """The file was made with weights that are not here."""


class MissingPicture(StreamError):
    """The picture asked for is not in the file."""


class TargetUnreachable(CrossbandError):
    """No quality gives the size asked for."""


class TrainingError(CrossbandError):
    """A recipe, a data set or a run that cannot be trained on."""
