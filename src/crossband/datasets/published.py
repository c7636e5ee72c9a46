# SPDX-License-Identifier: Apache-2.0
"""Published sets as their archives unpack, whole: one adapter a layout.

The root is the folder that the archive makes. Nothing is split anew: a set whose authors made no
split is all `test`. Their pictures' defects, which `crossband data check` measures, are told with
each; sources were read in November 2026.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from crossband.datasets.data_set import DataSet, PairPath, Split, match, pictures_by_stem
from crossband.errors import InputError


def list_llvip(root: Path, split: Split) -> tuple[PairPath, ...]:
    """LLVIP: `visible/SPLIT/NAME.jpg` and `infrared/SPLIT/NAME.jpg`; train and test.

    15,488 pairs of 1280x1024, 12,025 for training, mostly at night from fixed cameras, so frames of
    one camera are near duplicates. JPEG. Not for commercial use. X. Jia et al., "LLVIP: A
    Visible-infrared Paired Dataset for Low-light Vision", ICCV Workshops 2021;
    https://github.com/bupt-ai-cz/LLVIP (README, "File structure").
    """
    return match(
        pictures_by_stem(root / "visible" / split), pictures_by_stem(root / "infrared" / split)
    )


def list_msrs(root: Path, split: Split) -> tuple[PairPath, ...]:
    """MSRS: `SPLIT/vi/NAME.png` and `SPLIT/ir/NAME.png`; train and test.

    1,444 pairs of 640x480, 715 by day (names end in D) and 729 by night (N): MFNet's without 125
    pairs that are not aligned, the infrared enhanced by its authors. The infrared PNG of 15 pairs
    that were checked have traces of JPEG, and their median offset was 4 px. L. Tang et al.,
    "PIAFusion", Information Fusion 2022; https://github.com/Linfeng-Tang/MSRS (README).
    """
    return match(pictures_by_stem(root / split / "vi"), pictures_by_stem(root / split / "ir"))


def list_unsplit(root: Path, split: Split, *, visible: str, infrared: str) -> tuple[PairPath, ...]:
    """Two folders of equal names, without splits: all is test.

    RoadScene: `crop_LR_visible` and `cropinfrared`. 221 aligned pairs of about 500x300, cut from
    FLIR ADAS v1 and so no independent test of what was trained on that; noise was taken out of the
    infrared; JPEG. (`crop_HR_visible` has the visible pictures at another size.) H. Xu et al.,
    "FusionDN", AAAI 2020; https://github.com/hanna-xu/RoadScene (README).

    M3FD: `Vis` and `Ir` of M3FD_Detection (4,200 pairs) or M3FD_Fusion (300). PNG; the pair
    that was looked at has 1024x768. J. Liu et al., "Target-aware Dual Adversarial Learning", CVPR
    2022; https://github.com/JinyuanLiu-CV/TarDAL.
    """
    if split != "test":
        return ()
    return match(pictures_by_stem(root / visible), pictures_by_stem(root / infrared))


_KAIST_SETS: dict[Split, range] = {"train": range(6), "val": range(0), "test": range(6, 12)}


def list_kaist(root: Path, split: Split) -> tuple[PairPath, ...]:
    """KAIST: `setSS/VVVV/visible/NAME` and `setSS/VVVV/lwir/NAME`; sets 00-05 train, 06-11 test.

    Frames of films, so neighbours are near duplicates. The pairs come from a beam splitter and are
    called aligned, but objects were found shifted: L. Zhang et al., "Weakly Aligned Cross-Modal
    Learning for Multispectral Pedestrian Detection", ICCV 2019, arXiv 1901.02645.
    S. Hwang et al., "Multispectral Pedestrian Detection: Benchmark Dataset and Baseline", CVPR
    2015; https://github.com/SoonminHwang/rgbt-ped-detection (README, the sets of train and test).
    """
    found: list[PairPath] = []
    for number in _KAIST_SETS[split]:
        for film in sorted((root / f"set{number:02}").glob("V*")):
            found += match(
                pictures_by_stem(film / "visible"),
                pictures_by_stem(film / "lwir"),
                prefix=f"{film.parent.name}/{film.name}/",
            )
    return tuple(found)


_FLIR_FOLDERS: dict[Split, str] = {"train": "train", "val": "val", "test": "video"}


def list_flir(root: Path, split: Split) -> tuple[PairPath, ...]:
    """FLIR ADAS v1.3: `{train,val,video}/RGB/NAME.jpg` and `thermal_8_bit/NAME.jpeg`.

    `video` is test. 8,862, 1,366 and 4,224 infrared pictures of 640x512, of which 499, 109 and 29
    have no visible partner. The two cameras stand 48 mm apart and nothing is registered: the
    visible pictures are 1800x1600 mostly, of another field of view. JPEG. The video's neighbours
    are near duplicates. Teledyne FLIR, "FLIR Thermal Starter Dataset Introduction", 2018 (the
    ReadMe of the archive).
    """
    folder = root / _FLIR_FOLDERS[split]
    return match(pictures_by_stem(folder / "RGB"), pictures_by_stem(folder / "thermal_8_bit"))


_FLIR_2_FOLDERS: dict[Split, str] = {
    "train": "images_{camera}_train",
    "val": "images_{camera}_val",
    "test": "video_{camera}_test",
}
_FLIR_2_MAP = "rgb_to_thermal_vid_map.json"


def list_flir_2(root: Path, split: Split) -> tuple[PairPath, ...]:
    """FLIR ADAS v2: `{images,video}_{rgb,thermal}_SPLIT/data/NAME.jpg`; only `test` has pairs.

    `rgb_to_thermal_vid_map.json`, in the root or beside it as in the archive, says which of the
    3,749 test frames belong together; a pair is called after its visible file. The two cameras'
    `train` and `val` pictures were chosen from films independently of each other and share no name:
    they are single pictures, useful as such.

    Nothing is registered: the fields of view are 52.8 and 45 degrees wide and the sizes differ, so
    training leaves the pairs out until they are. JPEG; infrared of 8 bits, of which the archive has
    16-bit ones in `analyticsData`. The films run at 30 frames a second, so neighbours are near
    duplicates. Plates and faces are blurred in visible pictures. The readme counts 9,711 infrared
    and 9,233 visible pictures for train and val, those who unpacked it 10,742 and 10,319 for train.
    Teledyne FLIR, "Free ADAS Thermal Dataset v2", 2022 (the README of the archive).

    Raises:
        InputError: the map is no JSON object of file names.
    """
    visible, infrared = (
        pictures_by_stem(root / _FLIR_2_FOLDERS[split].format(camera=camera) / "data")
        for camera in ("rgb", "thermal")
    )
    if split != "test":
        return match(visible, infrared)
    partners = {Path(one).stem: Path(other).stem for one, other in _flir_2_map(root).items()}
    # Under their partners' names, where they have one.
    of_visible = {infrared: name for name, infrared in partners.items() if name in visible}
    return match(visible, {of_visible.get(stem, stem): path for stem, path in infrared.items()})


def _flir_2_map(root: Path) -> dict[str, str]:
    """Visible file names and their infrared partners'; empty where there is no map."""
    for path in (root / _FLIR_2_MAP, root.resolve().parent / _FLIR_2_MAP):
        if not path.is_file():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); unpack it again") from error
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise InputError(f"{path}: is no JSON object of file names; unpack it again")
        return found
    return {}


_M3SVD_FOLDERS = (("visible_Enhance", "infrared_Enhance"), ("vi", "ir"))


def list_m3svd(root: Path, split: Split) -> tuple[PairPath, ...]:
    """M3SVD: `SPLIT/{visible,infrared}_Enhance/CLIP/FRAME.png`, or `SPLIT/{vi,ir}/CLIP/FRAME.png`.

    220 clips, 153,797 pairs of 640x480 at 30 frames a second, registered; the authors gave out the
    test split alone at first. "Enhance" are clean frames that they denoised and whose contrast they
    raised; `infrared_noise` and `visible_Blur`, which they spoilt on purpose, are left alone. Most
    cameras stand still, so neighbours are near duplicates. The clips are also given out as MPEG-4
    (`Video/`), which is lossy: about 37 dB against the frames. Visible frames have traces of a
    block codec (docs/benchmark.md). L. Tang et al., "VideoFusion", CVPR 2026, arXiv 2503.23359;
    https://github.com/Linfeng-Tang/M3SVD and https://github.com/Linfeng-Tang/VideoFusion (README,
    `dataset/M3SVD`).
    """
    found: list[PairPath] = []
    for visible, infrared in _M3SVD_FOLDERS:
        folders = root / split / visible, root / split / infrared
        clips = {clip.name for folder in folders for clip in folder.glob("*") if clip.is_dir()}
        for clip in sorted(clips):
            both = (pictures_by_stem(folder / clip) for folder in folders)
            found += match(*both, prefix=f"{clip}/")
    return tuple(found)


_FLIR_LISTS: dict[Split, str] = {"train": "align_train.txt", "val": "align_validation.txt"}
_FLIR_VISIBLE, _FLIR_INFRARED = "_RGB", "_PreviewData"


def list_flir_aligned(root: Path, split: Split) -> tuple[PairPath, ...]:
    """FLIR aligned: `JPEGImages/NAME_RGB.jpg` and `NAME_PreviewData.jpeg`; train and val by lists.

    `align_train.txt` and `align_validation.txt` have a name a line, with or without its last part.
    4,129 and 1,013 pairs of FLIR ADAS v1, registered and of 640x512. JPEG. H. Zhang et al.,
    "Multispectral Fusion for Object Detection with Cyclic Fuse-and-Refine Blocks", ICIP 2020.
    """
    listed = root / _FLIR_LISTS.get(split, "")
    if not listed.is_file():
        return ()
    lines = listed.read_text(encoding="utf-8", errors="replace").split()
    names = {line.removesuffix(_FLIR_INFRARED).removesuffix(_FLIR_VISIBLE) for line in lines}
    pictures = pictures_by_stem(root / "JPEGImages")
    visible, infrared = (
        {name: pictures[name + end] for name in names if name + end in pictures}
        for end in (_FLIR_VISIBLE, _FLIR_INFRARED)
    )
    return match(visible, infrared)


PUBLISHED: tuple[DataSet, ...] = (
    DataSet("llvip-full", list_llvip, True, "visible/{train,test}, infrared/{train,test}; JPEG"),
    DataSet("msrs-full", list_msrs, True, "{train,test}/{vi,ir}; infrared of low gain"),
    DataSet(
        "roadscene-full",
        partial(list_unsplit, visible="crop_LR_visible", infrared="cropinfrared"),
        True,
        "crop_LR_visible, cropinfrared; crops of FLIR ADAS; JPEG",
    ),
    DataSet("m3fd-full", partial(list_unsplit, visible="Vis", infrared="Ir"), True, "Vis, Ir; PNG"),
    DataSet("kaist", list_kaist, True, "set*/V*/{visible,lwir}; films; objects partly shifted"),
    DataSet(
        "flir-adas",
        list_flir,
        False,
        "{train,val,video}/{RGB,thermal_8_bit}; other fields of view; JPEG",
    ),
    DataSet(
        "flir-adas-v2",
        list_flir_2,
        False,
        f"{{images,video}}_{{rgb,thermal}}_*/data; pairs in test only, by {_FLIR_2_MAP}; JPEG",
        single=("train", "val"),
        key=_FLIR_2_MAP,
    ),
    DataSet(
        "m3svd-full",
        list_m3svd,
        True,
        "{train,val,test}/{visible,infrared}_Enhance/CLIP or .../{vi,ir}/CLIP; films; PNG",
    ),
    DataSet(
        "flir-aligned",
        list_flir_aligned,
        True,
        "JPEGImages/NAME_{RGB,PreviewData}, align_{train,validation}.txt; JPEG",
        key="file name before _RGB and _PreviewData",
    ),
)
"""Sets that are found in the folders in which their archives put them."""
