# SPDX-License-Identifier: Apache-2.0
"""Stage 5: coded bytes into one file and back; needs neither weights nor torch.

    PairFile ── pack ──► header | record | record ...  ── unpack ──► PairFile

`docs/format.md` is normative; each module names its sections.

    fields      numbers as bytes
    framing     header, chained and checksummed records
    picture     the record of one coded picture
    pair_file   the file of one pair
"""

from crossband.container.framing import VERSION
from crossband.container.pair_file import PairFile, Part, pack, unpack
from crossband.container.picture import PictureRecord

__all__ = ["VERSION", "PairFile", "Part", "PictureRecord", "pack", "unpack"]
