# SPDX-License-Identifier: Apache-2.0
"""Stage 5: coded bytes into one file and back; needs neither weights nor torch.

    PairFile ── pack ──► header | record | record ...  ── unpack ──► PairFile

`docs/format.md` is normative; each module names its sections.

    fields      numbers as bytes
    framing     header, chained and checksummed records
    picture     the record of one coded picture
    bounded     the record of an infrared picture with a guaranteed error
    metadata    the record of what the source files said beside their samples
    pair_file   the file of one pair
    film        the records of a film
    film_stream films written and read record by record
"""

from crossband.container.bounded import BoundedRecord, least_stream_bytes, pack_bounded
from crossband.container.film import (
    HEAD_BYTES,
    FilmHeader,
    FrameRecord,
    IndexEntry,
    crc_bytes,
    is_film,
)
from crossband.container.film_stream import (
    Damage,
    FilmReader,
    FilmWriter,
    StoredFrame,
    read_frame,
    read_index,
)
from crossband.container.framing import VERSION
from crossband.container.metadata import MAX_METADATA_BYTES, Blob, BlobKind, blobs_of
from crossband.container.pair_file import PairFile, Part, pack, unpack
from crossband.container.picture import PictureRecord

__all__ = [
    "HEAD_BYTES",
    "MAX_METADATA_BYTES",
    "VERSION",
    "Blob",
    "BlobKind",
    "BoundedRecord",
    "Damage",
    "FilmHeader",
    "FilmReader",
    "FilmWriter",
    "FrameRecord",
    "IndexEntry",
    "PairFile",
    "Part",
    "PictureRecord",
    "StoredFrame",
    "blobs_of",
    "crc_bytes",
    "is_film",
    "least_stream_bytes",
    "pack",
    "pack_bounded",
    "read_frame",
    "read_index",
    "unpack",
]
