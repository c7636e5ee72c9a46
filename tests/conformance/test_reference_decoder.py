# SPDX-License-Identifier: Apache-2.0
"""Sections 10 to 12 of docs/format.md suffice to decode what crossband writes."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file

import crossband
from crossband import CorruptStream, Modality, Pair, PictureError, Raster
from crossband.container import unpack
from crossband.container.picture import pack_registration
from crossband.entropy import coder
from crossband.entropy.fixed_point import RealLayer
from crossband.entropy.prior import Prior
from crossband.entropy.tables import SymbolTables
from crossband.homography import REACH, Homography, Size
from crossband.models.settings import CodecSettings
from crossband.testing import synthetic_pair

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
# By path: tests are no package, and the decoder must run as a program of its own.
REFERENCE = runpy.run_path(str(Path(__file__).parent / "reference_decoder.py"))

TURNED = Homography((900, -400, 300, 500, -700, 100, 60, -900))
"""A part of either picture is outside of the other."""
SIDES = st.one_of(st.integers(1, 200), st.just(1024))
decode_symbols, Refused = REFERENCE["decode_symbols"], REFERENCE["Refused"]
Table, uniform = REFERENCE["Table"], REFERENCE["uniform"]


def sparks(height: int, width: int) -> Pair:
    """Flat pictures with single extreme pixels: nothing that tables of flat places expect."""
    visible = np.full((height, width, 3), 128, np.uint8)
    infrared = np.full((height, width), 30_000, np.uint16)
    visible[5::23, 3::19] = 255
    visible[7::31, 11::17, 2] = 0
    infrared[9::21, 4::27] = 65_535
    infrared[2::33, 8::15] = 0
    return Pair(Raster(visible), Raster(infrared))


@pytest.fixture(scope="module")
def tensors(base_codec):
    """The shipped weight file."""
    return load_file(base_codec.model.card.path)


@pytest.fixture(scope="module")
def page() -> str:
    """The text of the page."""
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(params=["base_codec", "tiny_codec"])
def codec(request):
    """The shipped weights, and random ones in which no layer is silent."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("pair", "options"),
    [
        (synthetic_pair(visible=(80, 96), infrared=(80, 96)), {"quality": 50}),
        (
            synthetic_pair(visible=(80, 96), infrared=(43, 130), infrared_bit_depth=14),
            {"quality": 70, "order": "visible-first"},
        ),
        (synthetic_pair(visible=(33, 70), infrared=(65, 20)), {"quality": 0}),
        (synthetic_pair(visible=(1, 1), infrared=(17, 2)), {"quality": 100}),
        (
            synthetic_pair(visible=(80, 96), infrared=(70, 121)),
            {"quality": 60, "registration": TURNED},
        ),
        (
            synthetic_pair(visible=(80, 96), infrared=(70, 121)),
            {
                "quality": 60,
                "order": "visible-first",
                "registration": TURNED,
            },
        ),
        (
            synthetic_pair(visible=(40, 33), infrared=(1, 2)),
            {"quality": 30, "registration": Homography((4096, 0, -4096, 0, -4096, 0, 4096, 0))},
        ),
        (
            synthetic_pair(visible=(40, 33), infrared=(64, 64)),
            {"quality": 30, "registration": Homography((8191, 0, 8191, 0, 8191, 0, 8191, 0))},
        ),
    ],
    ids=[
        "equal sizes",
        "visible first, unequal sizes",
        "lowest quality",
        "one position",
        "registered",
        "registered, visible first",
        "mirrored",
        "all outside",
    ],
)
def test_the_page_decodes_the_symbols_of_both_pictures(codec, pair, options):
    data = codec.encode(pair, effort=1, **options)
    assert [record.conditional for record in unpack(data).records] == [False, True]
    first, second = decode_symbols(data, codec.model.card.path)
    assert first.count > 0 and second.count > 0  # checksums are compared inside


@pytest.mark.parametrize("registration", [None, TURNED], ids=["plain", "registered"])
@pytest.mark.parametrize("depth", [8, 14])
def test_the_page_decodes_the_symbols_of_a_picture_after_a_bounded_one(
    base_codec, depth, registration
):
    pair = synthetic_pair(visible=(80, 96), infrared=(70, 50), infrared_bit_depth=depth)
    data = base_codec.encode(pair, max_error=3, effort=1, registration=registration)
    assert unpack(data).records[1].conditional
    (visible,) = decode_symbols(data, base_codec.model.card.path)
    assert visible.count > 0


@st.composite
def homographies(draw: st.DrawFn) -> Homography:
    """Any that can be coded, from a shift by a unit to two pictures' widths."""
    reach = draw(st.sampled_from((2, 300, 2000, REACH)))
    number = st.integers(-reach, reach - 1)
    for _ in range(20):
        with contextlib.suppress(PictureError):
            return Homography(tuple(draw(number) for _ in range(8)))
    return Homography((draw(number),) * 8)


@settings(max_examples=100)
@given(
    homographies(),
    st.one_of(st.builds(Size, SIDES, SIDES), st.sampled_from((Size(65_535, 16), Size(3, 65_535)))),
    st.builds(Size, st.one_of(SIDES, st.just(65_535)), st.one_of(SIDES, st.just(65_535))),
    st.booleans(),
    st.sampled_from((1, 2)),
)
def test_the_page_looks_where_the_codec_looks(homography, size, partner, to_infrared, finer):
    found = homography.places(size, partner, to_infrared=to_infrared, finer=finer)
    modality = Modality.VISIBLE if to_infrared else Modality.INFRARED
    records = [
        SimpleNamespace(
            modality=each, height=side.height, width=side.width, registration=homography
        )
        for each, side in ((modality, size), (modality.partner, partner))
    ]
    looks = REFERENCE["looks"](*records, 16 // finer)
    outside = np.array(looks.outside)
    assert (outside == ~found.inside).all()
    nearest = np.where(outside[..., None], 0, np.array(looks.nearest, dtype=object))
    assert (nearest == np.stack([found.rows, found.columns], -1)).all()
    exact = np.array(looks.exact)[~outside]
    assert np.allclose(np.stack([found.down, found.right], -1)[~outside], exact)
    assert np.isfinite(found.down).all() and np.isfinite(found.right).all()


def test_the_matrices_of_the_page_are_those_of_the_codec_and_of_the_reference(page):
    displacements = (0, -1, 1, 200, 0, 0, -64, 64)
    assert ", ".join(map(str, displacements)) in page
    assert f"`{pack_registration(Homography(displacements)).hex(' ')}`" in page
    block = re.search(r"```matrix\n(.*?)\n```", page, re.DOTALL)[1]
    for line, to_infrared in zip(block.splitlines(), (False, True), strict=True):
        numbers = np.array(line.split(":")[1].split(), np.int64).reshape(3, 3)
        assert (numbers == Homography(displacements).integers(to_infrared=to_infrared)).all()
        assert numbers.tolist() == REFERENCE["matrix"](displacements, to_infrared)


def test_the_page_decodes_escaped_symbols(codec):
    data = codec.encode(sparks(160, 160), quality=100, effort=1)
    assert sum(each.escapes for each in decode_symbols(data, codec.model.card.path)) > 0


def test_the_page_decodes_pictures_coded_alone(codec):
    data = codec.encode(synthetic_pair(visible=(40, 24), infrared=None), quality=60)
    assert len(decode_symbols(data, codec.model.card.path)) == 1


def test_a_conditional_picture_needs_the_symbols_of_the_one_before(tiny_codec):
    weights = tiny_codec.model.card.path
    data = tiny_codec.encode(synthetic_pair(visible=(80, 96), infrared=(80, 96)), effort=1)
    record = unpack(data).records[1]
    first, second = decode_symbols(data, weights)
    other = dataclasses.replace(first, signal=first.signal + 256)
    wrong = REFERENCE["decode_record"](record, other, load_file(weights))
    assert second.checksum == record.symbols_crc != wrong.checksum


@pytest.mark.parametrize("registration", [None, TURNED], ids=["plain", "registered"])
def test_the_page_decodes_the_symbols_of_predicted_frames(tiny_codec, tiny_predictor, registration):
    """By integers alone: the tables of a frame depend on decoded symbols and on nothing else."""
    file = io.BytesIO()
    with crossband.Writer(
        file,
        codec=tiny_codec,
        predictor=tiny_predictor,
        keyframe=32,
        effort=1,
        registration=registration,
    ) as writer:
        whole = synthetic_pair(visible=(80, 120), infrared=(80, 120))
        for by in range(3):
            writer.write(
                Pair(
                    Raster(np.roll(whole.visible.samples, by, 1)),
                    Raster(np.roll(whole.infrared.samples, by, 1)),
                )
            )
    key, films = (load_file(each.model.card.path) for each in (tiny_codec, tiny_predictor))
    past: dict[Modality, object] = {}
    predicted = 0
    for stored in crossband.open(file).stored():
        before = partner = None
        for record in stored.frame.pictures:
            assert record.registration == (registration if record.conditional else None)
            tensors = films if stored.frame.predicted else key
            known = past[record.modality] if stored.frame.predicted else None
            before = REFERENCE["decode_record"](record, before, tensors, known, partner)
            partner = record
            stored_bits = 0xFFFF if stored.frame.predicted else 0xFFFF_FFFF
            assert before.checksum & stored_bits == record.symbols_crc
            past[record.modality] = before
            predicted += known is not None
    assert predicted == 4


# ------------------------------------------------------------------- the entropy coder


def test_every_place_of_every_table_takes_the_bytes_that_the_page_says(tensors):
    tables = SymbolTables(tensors["tables.radius"], tensors["tables.frequencies"])
    writer = coder.SymbolWriter(coder.TableModels(tables))
    encoder = REFERENCE["RangeEncoder"]()
    for index, radius in enumerate(tables.radius.tolist()):
        symbols = np.arange(-radius, radius + 1, dtype=np.int32)
        writer.put(symbols, np.full(len(symbols), index, np.int32))
        table = Table.of(tables.table(index).tolist())
        for place in range(2 * radius + 1):
            encoder.put(place, table)
    assert writer.finish() == encoder.finish()


def test_carries_and_ends_take_the_bytes_that_the_page_says():
    chance = np.random.default_rng(5)
    carried = 0
    for _ in range(400):
        encoder, library = REFERENCE["RangeEncoder"](), coder.coding.queue.RangeEncoder()
        raised: list[list[int]] = []
        for _ in range(int(chance.integers(1, 40))):
            # A few places of very unequal frequency: long words of ones, and carries into them.
            rare = int(chance.integers(1, 1 << int(chance.integers(1, 23))))
            frequencies = np.array([rare, (1 << 24) - rare - 1, 1], np.int32)
            place = int(chance.choice(3, p=[0.2, 0.5, 0.3]))
            before = list(encoder.words)
            encoder.put(place, Table.of(frequencies.tolist()))
            raised += [before] if encoder.words[: len(before)] != before else []
            library.encode(np.array([place], np.int32), coder._exact_model(frequencies))
        words = library.get_compressed()
        assert encoder.finish() == words.astype("<u4").tobytes().rstrip(b"\0")
        carried += len(raised)
    assert carried > 10


def test_symbols_of_any_size_come_out_as_they_went_in(tensors):
    tables = SymbolTables(tensors["tables.radius"], tensors["tables.frequencies"])
    chance = np.random.default_rng(7)
    magnitude = np.exp2(chance.uniform(0, 30, 2000)).astype(np.int64)
    symbols = np.append(magnitude * chance.choice([-1, 1], 2000), [2**30 - 1, 1 - 2**30, 0])
    indices = chance.integers(0, 64, len(symbols)).astype(np.int32)
    writer = coder.SymbolWriter(coder.TableModels(tables))
    writer.put(symbols.astype(np.int32), indices)
    reader = REFERENCE["SymbolReader"](writer.finish(), tensors)
    assert (reader.batch(indices.astype(np.int64)) == symbols).all()
    assert REFERENCE["crc32c"](reader.decoded) == writer.checksum


def test_both_refuse_words_beyond_every_place(tensors):
    models = coder.TableModels(
        SymbolTables(tensors["tables.radius"], tensors["tables.frequencies"])
    )
    with pytest.raises(CorruptStream):
        coder.SymbolReader(b"\xff" * 8, models).get(np.zeros(1, np.int32))
    with pytest.raises(Refused):
        REFERENCE["SymbolReader"](b"\xff" * 8, tensors).batch(np.zeros(1, np.int64))


def test_both_refuse_an_escape_of_more_than_30_bits(tensors):
    models = coder.TableModels(
        SymbolTables(tensors["tables.radius"], tensors["tables.frequencies"])
    )
    encoder = REFERENCE["RangeEncoder"]()
    radius = int(tensors["tables.radius"][0])
    encoder.put(2 * radius + 1, Table.of(tensors["tables.frequencies"][: 2 * radius + 2].tolist()))
    encoder.put(0, uniform(1))
    encoder.put(30, uniform(5))
    stream = encoder.finish()
    with pytest.raises(CorruptStream):
        coder.SymbolReader(stream, models).get(np.zeros(1, np.int32))
    with pytest.raises(Refused):
        REFERENCE["SymbolReader"](stream, tensors).batch(np.zeros(1, np.int64))


def test_the_example_of_the_page_is_what_the_library_writes(page):
    stream = bytes.fromhex(re.search(r"```stream\n(.*?)\n```", page, re.DOTALL)[1])
    frequencies = [1, (1 << 24) - 3, 1, 1]
    places = [1, 0, 0, 3]
    library = coder.coding.queue.RangeEncoder()
    library.encode(np.array(places, np.int32), coder._exact_model(np.array(frequencies)))
    library.encode(np.array([4660], np.int32), coder.coding.model.Uniform(1 << 16))
    assert library.get_compressed().astype("<u4").tobytes().rstrip(b"\0") == stream
    decoder = REFERENCE["RangeDecoder"](stream)
    assert [decoder.place(Table.of(frequencies)) for _ in places] == places
    assert decoder.place(uniform(16)) == 4660


def test_the_steps_of_the_example_are_those_of_the_coder_on_the_page(page):
    encoder = REFERENCE["RangeEncoder"]()
    table, steps = Table.of([1, (1 << 24) - 3, 1, 1]), []
    for place in (1, 0, 0, 3, 4660):
        encoder.put(place, uniform(16) if place == 4660 else table)
        words = " ".join(f"{word:08x}" for word in encoder.words)
        steps.append((str(place), words, f"{encoder.low:016x}", f"{encoder.range:016x}"))
    row = r"^\| (\d+) \|([\da-f` ]*)\| `([\da-f]{16})` \| `([\da-f]{16})` \|$"
    found = re.findall(row, page, re.MULTILINE)
    assert [(place, words.strip(" `"), low, size) for place, words, low, size in found] == steps


# ------------------------------------------------------------------- the weight file


def prior_layers(tensors, modality: Modality) -> list[str]:
    start, end = f"{modality.value}.prior.", ".weight"
    return [
        key[len(start) : -len(end)]
        for key in tensors
        if key.startswith(start) and key.endswith(end)
    ]


def test_the_page_lists_every_layer_of_the_shipped_weights(page, tensors):
    listed = {}
    for name, kind, visible, infrared in re.findall(
        r"^\| `([\w.]+)` \| (1x1|3x3) \| ([\d to]+) \| ([\d to]+) \|$", page, re.MULTILINE
    ):
        for modality, text in ((Modality.VISIBLE, visible), (Modality.INFRARED, infrared)):
            numbers = [int(number) for number in text.split(" to ")]
            shape = (numbers[1], numbers[0]) if kind == "1x1" else (numbers[0], 9)
            listed[f"{modality.value}.{name}"] = shape
    shipped = {
        f"{modality.value}.{layer}": tensors[f"{modality.value}.prior.{layer}.weight"].shape
        for modality in Modality
        for layer in prior_layers(tensors, modality)
    }
    of_films = {  # the layers that weights of films have beside these
        f"{modality.value}.{name}": tuple(layer.weight.shape)
        for modality in Modality
        for name, layer in Prior(CodecSettings(past=True).entropy(modality)).named_modules()
        if isinstance(layer, RealLayer) and name.startswith(("past_", "key_"))
    }
    assert len(of_films) == 2 * (3 + 3)
    assert listed == shipped | of_films


def test_the_page_gives_the_type_of_every_integer_tensor(page, base_codec):
    listed = dict(re.findall(r"^\| `([\w.*]+)` \| `([IU]\d+)` \|", page, re.MULTILINE))
    with safe_open(base_codec.model.card.path, framework="numpy") as file:
        for key in file.keys():  # noqa: SIM118 - not a dictionary
            name = re.sub(r"^(visible|infrared)\.", "M.", key)
            name = re.sub(r"^M\.prior\..*\.", "M.prior.*.", name)
            kind = file.get_slice(key).get_dtype()
            if kind[0] in "IU" and ".training." not in name:
                assert listed[name] == kind, key


@pytest.mark.parametrize("modality", Modality)
def test_no_sum_of_the_shipped_layers_leaves_the_bounds_of_the_page(tensors, modality):
    layers = prior_layers(tensors, modality)
    assert layers
    for layer in layers:
        weight, bias, shift = (
            tensors[f"{modality.value}.prior.{layer}.{field}"].astype(np.int64)
            for field in ("weight", "bias", "shift")
        )
        assert abs(weight).max() <= 32_767 and abs(bias).max() < 2**31 and shift.max() <= 15
        # Any order of summation: no partial sum exceeds the sum of magnitudes.
        largest = int((abs(weight).sum(1) * 32_767 + abs(bias)).max())
        bound = weight.shape[1] * 32_767**2 + 2**31
        assert largest <= bound < (2**34 if weight.shape[1] == 9 else 2**39)


@pytest.mark.parametrize("modality", Modality)
def test_the_shipped_step_tables_keep_every_product_within_the_bounds_of_the_page(
    tensors, modality
):
    part = {
        key.rsplit(".", 1)[-1]: value.astype(np.int64)
        for key, value in tensors.items()
        if key.startswith(f"{modality.value}.qualities.")
    }
    assert part["signal"].min() >= 2**9 and part["signal"].max() < 2**20
    inverse = (2**31 + part["signal"]) // (2 * part["signal"])
    assert inverse.min() > 0 and inverse.max() <= 2**21
    assert part["hyper_value"].min() > 0 and part["hyper_value"].max() < 2**21
    assert abs(part["offset"]).max() < 2**15
    assert abs(part["features"]).max() <= 32_767
    radius = int(tensors["tables.radius"].max())
    symbol = radius + 2**30 - 1
    mean = (32_767 * int(inverse.max()) >> 18) + 1
    assert 64 * symbol + mean < 2**37
    assert 32_767 * int(inverse.max()) < 2**36
    assert symbol * int(part["hyper_value"].max()) < 2**52
    assert 32_767 * (16 + symbol) + 256 * symbol < 2**47
    # Beyond 2^53 a product of floats is rounded; by then the signal is long saturated.
    assert 2**53 >> 12 > 32_767
