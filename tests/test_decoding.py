"""`decode_data_set`: nothing that is cut is taken for whole; what is whole is read as pydicom reads it."""

from __future__ import annotations

import random
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.encoded import Bounds
from dicomproto.errors import DataSetError, DataSetTooLarge
from tests.cuts import CUT_FILES, DEFLATED_FILE, ends_of_elements
from tests.data_sets import (
    BIG,
    EXPLICIT,
    FILES,
    IMPLICIT,
    TRUNCATED,
    UNDEFINED,
    closed,
    data_set_files,
    data_set_of,
    ended,
    explicit,
    implicit,
    item,
)  # fmt: skip

ID, NAME, ITEMS = 0x00100020, 0x00100010, 0x00400100


# --- what is cut --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CUT_FILES, DEFLATED_FILE])
def test_what_is_cut_anywhere_is_refused(name: str) -> None:
    """540 cuts; one exactly between two elements, or in NULs behind one, leaves nothing to be seen."""
    data, syntax = data_set_of(FILES / name)
    ends = set() if name == DEFLATED_FILE else ends_of_elements(data, syntax)
    cuts = random.Random(name).sample(range(1, len(data)), 60)
    for cut in cuts:
        whole = max((end for end in ends if end <= cut), default=0)
        if cut in ends or (not any(data[whole:cut]) and cut % 2 == 0 and ends):
            assert decode_data_set(data[:cut], syntax) is not None
        else:
            with pytest.raises(DataSetError, match=r"\(at byte \d+\)|is incomplete|cannot be inflated"):
                decode_data_set(data[:cut], syntax)


def worklist_query(syntax: str, *, is_undefined: bool) -> bytes:
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledProcedureStepStartDate = "20300102-20300103"
    step.ScheduledStationAETitle = ""
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 100"
    query.PatientName = "DOE*"
    query.ScheduledProcedureStepSequence = [step]
    query["ScheduledProcedureStepSequence"].is_undefined_length = is_undefined
    step.is_undefined_length_sequence_item = is_undefined
    query.PatientID = "1"
    return encode_data_set(query, syntax)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("is_undefined", [False, True])
def test_a_query_that_is_cut_within_an_element_is_refused(syntax: str, *, is_undefined: bool) -> None:
    data = worklist_query(syntax, is_undefined=is_undefined)
    ends = ends_of_elements(data, syntax)
    for cut in range(1, len(data)):
        left = data[:cut]
        if cut in ends:
            decode_data_set(left, syntax)
        else:
            with pytest.raises(DataSetError, match="at byte"):
                decode_data_set(left, syntax)


@pytest.mark.parametrize(
    ("syntax", "data", "text"),
    [
        (EXPLICIT, b"\xff" * 32, "has something else among its items"),
        (EXPLICIT, explicit(NAME, b"PN", b"DOE^J", 6), r"\(0010,0010\) declares 6 bytes, 5 are left"),
        (EXPLICIT, explicit(ITEMS, b"SQ", item(explicit(NAME, b"PN", b"", 8))), "8 bytes, 0 are left"),
        (EXPLICIT, explicit(ITEMS, b"SQ", item(b"", 8)) + explicit(NAME, b"PN"), "an item of 8 bytes"),
        (EXPLICIT, explicit(ITEMS, b"SQ", explicit(NAME, b"PN")), "has something else among its items"),
        (EXPLICIT, explicit(0x00091010, b"UN", b"no items at all.", UNDEFINED), "something else among"),
        (EXPLICIT, explicit(ITEMS, b"UN", b"\xff" * 32), r"\(0040,0100\) has something else than items"),
        (IMPLICIT, implicit(ITEMS, b"\xff" * 32), r"\(0040,0100\) has something else than items"),
        (IMPLICIT, implicit(ITEMS, item(implicit(ITEMS, b"abc"))), r"\(0040,0100\) has something else than"),
        (EXPLICIT, explicit(ITEMS, b"UN", item(implicit(NAME, b"", 8))), "declares 8 bytes, 0 are left"),
        (EXPLICIT, explicit(NAME, b"\0\0", b"DOE ", 40), "declares 40 bytes, 4 are left"),
        (EXPLICIT, item(), r"\(FFFE,E000\) is out of place"),
        (EXPLICIT, explicit(NAME, b"PN") + bytes(8) + b"\1", "NULs stand between elements"),
    ],
)
def test_what_cannot_be_followed_is_refused(syntax: str, data: bytes, text: str) -> None:
    with pytest.raises(DataSetError, match=text) as caught:
        decode_data_set(data, syntax)
    assert "DOE" not in str(caught.value)


def test_private_sequences_that_a_private_dictionary_knows_are_walked() -> None:
    creator = implicit(0x00290010, b"SIEMENS MEDCOM HEADER ") + implicit(0x00290020)
    name = implicit(NAME, b"DOE^JANE")
    for tag, vr in ((0x00291040, "SQ"), (0x00292040, "UN"), (0x00290040, "LO")):
        for content in (name, name[:-1]):
            data = creator + implicit(tag, item(content))
            for within in (
                data,
                implicit(ITEMS, item(data)),
                implicit(ITEMS, closed(ended(data)), UNDEFINED),
            ):
                if vr == "SQ" and content != name:
                    with pytest.raises(DataSetError, match="declares 8 bytes, 7 are left"):
                        decode_data_set(within, IMPLICIT)
                    continue
                decoded = decode_data_set(within, IMPLICIT)
                holder = decoded if within is data else decoded[ITEMS].value[0]
                assert ("SQ" if tag == 0x00291040 else (tag == 0x00290040 and "LO") or "UN") == holder[tag].VR


def test_a_private_sequence_that_comes_again_with_its_creator_is_one() -> None:
    creator = implicit(0x00290010, b"SIEMENS MEDCOM HEADER ")
    again = implicit(0x00291040, closed(ended(implicit(NAME, b"DOE^JANE"))), UNDEFINED)
    decoded = decode_data_set(implicit(0x00291040, b"no items") + creator + again, IMPLICIT)
    assert decoded[0x00291040].value[0].PatientName == "DOE^JANE"


def test_a_private_sequence_without_a_creator_is_not_looked_for() -> None:
    data = implicit(0x00291040, item(b"abc"))
    assert decode_data_set(data, IMPLICIT)[0x00291040].value == item(b"abc")


def test_private_sequences_that_were_not_walked_are_bytes() -> None:
    creator, name = implicit(0x00290010, b"SIEMENS MEDCOM HEADER "), implicit(NAME, b"DOE^JANE")
    for value, is_late in ((item(name) + item(name[:-1], 16), True), (name[:-3], False)):
        element = implicit(0x00291040, value)
        content = element + creator if is_late else creator + element
        assert decode_data_set(content, IMPLICIT)[0x00291040].value == value
        for items in (item(content), ended(content)):
            within = decode_data_set(implicit(ITEMS, items), IMPLICIT)[ITEMS].value[0]
            assert (within[0x00291040].VR, within[0x00291040].value) == ("UN", value)


# --- what is whole ------------------------------------------------------------------------------


def assert_read_alike(ours: Dataset, theirs: Dataset) -> None:
    assert list(ours.keys()) == list(theirs.keys())
    assert ours.original_encoding == theirs.original_encoding
    assert ours.is_undefined_length_sequence_item == theirs.is_undefined_length_sequence_item
    for tag in ours.keys():  # noqa: SIM118  # a Dataset is no dict
        mine, other = ours.get_item(tag), theirs.get_item(tag)
        assert mine.is_raw == other.is_raw
        if mine.is_raw:
            assert mine._replace(value_tell=0) == other._replace(value_tell=0)
        mine, other = ours[tag], theirs[tag]
        assert (mine.VR, mine.is_undefined_length) == (other.VR, other.is_undefined_length)
        if mine.VR == "SQ":
            for item_of_ours, item_of_theirs in zip(mine.value, other.value, strict=True):
                assert_read_alike(item_of_ours, item_of_theirs)
        else:
            assert mine == other


@pytest.mark.parametrize(
    "path",
    [path for path in data_set_files() if path.name not in TRUNCATED | {"image_dfl.dcm"}],
    ids=lambda path: str(path.relative_to(FILES)),
)
def test_whole_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    data, syntax = data_set_of(path)
    uid = UID(syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = read_dataset(BytesIO(data), uid.is_implicit_VR, uid.is_little_endian)
        assert_read_alike(decode_data_set(data, syntax, file_meta=False), theirs)


WHOLE = explicit(NAME, b"PN", b"DOE^JANE") + explicit(ID, b"LO", b"42")
STRAY, STRAY_END = implicit(0xFFFEE00D), implicit(0xFFFEE0DD)


@pytest.mark.parametrize(
    ("syntax", "data"),
    [
        (EXPLICIT, explicit(NAME, b"PN", b"DOE^JANE") + STRAY + explicit(ID, b"LO", b"42")),
        (EXPLICIT, STRAY_END + STRAY + WHOLE + STRAY_END),
        (EXPLICIT, WHOLE + bytes(4096)),
        (EXPLICIT, WHOLE + bytes(2)),
        (EXPLICIT, explicit(NAME, b"ZZ", b"DOE^JANE") + explicit(ID, b"\0\0", b"42")),
        (EXPLICIT, explicit(NAME, b"  ", b"DOE^JANE") + explicit(ID, b"U\0", b"42")),
        (EXPLICIT, explicit(NAME, b"PN", b"DOE^JANE")[:4] + b"ZZ\0\0\x08\0\0\0DOE^JANE" + WHOLE[16:]),
        (EXPLICIT, implicit(NAME, b"DOE^JANE") + implicit(ID, b"42")),
        (IMPLICIT, WHOLE),
        (EXPLICIT, explicit(NAME, b"PN", b"DOE^JANE", order=">") + explicit(ID, b"LO", b"42", order=">")),
        (BIG, WHOLE),
    ],
)
def test_what_is_odd_but_whole_is_read_to_its_end(syntax: str, data: bytes) -> None:
    decoded = decode_data_set(data, syntax)
    assert (decoded.PatientName, decoded.PatientID) == ("DOE^JANE", "42")
    assert len(decoded) == 2
    # The same within items, of defined and of undefined length; byte order and VR are then what they are.
    if (syntax, data[:4]) == (EXPLICIT, WHOLE[:4]) and not data.endswith(bytes(4096)):
        for items in (item(data), item(data) + STRAY):
            outer = decode_data_set(
                explicit(ITEMS, b"SQ", items) + explicit(0x00401001, b"SH", b"77"), EXPLICIT
            )
            assert outer.RequestedProcedureID == "77"
            (inner,) = outer[ITEMS].value
            assert (inner.PatientName, inner.PatientID) == ("DOE^JANE", "42")


def test_items_of_un_are_read_in_their_own_encoding() -> None:
    content = implicit(NAME, b"DOE^JANE") + implicit(0x00280010, b"\2\1")
    for order, syntax in (("<", EXPLICIT), (">", BIG)):
        data = explicit(ITEMS, b"UN", closed(ended(content) + item(content)), UNDEFINED, order)
        for made in decode_data_set(data + explicit(0x00401001, b"SH", b"77", order=order), syntax)[
            ITEMS
        ].value:
            assert (made.PatientName, made.Rows) == ("DOE^JANE", 258)
            assert made.original_encoding == (True, True)
    data = explicit(ITEMS, b"UN", item(content))
    assert decode_data_set(data, EXPLICIT)[ITEMS].value[0].Rows == 258


IMPLICIT_NAME = implicit(NAME, b"DOE^JANE")
NESTED = implicit(ITEMS, closed(ended()), UNDEFINED) + IMPLICIT_NAME


@pytest.mark.parametrize(
    ("syntax", "within"),
    [
        (BIG, explicit(0x00091010, b"UN", closed(ended(NESTED) + item(IMPLICIT_NAME)), UNDEFINED, ">")),
        (BIG, explicit(ITEMS, b"UN", item(NESTED) + item(IMPLICIT_NAME), order=">")),
        (EXPLICIT, explicit(ITEMS, b"UN", item(NESTED) + item(IMPLICIT_NAME))),
        (EXPLICIT, explicit(0x00091010, b"UN", closed(ended(NESTED) + item(IMPLICIT_NAME)), UNDEFINED)),
        (IMPLICIT, implicit(0x00101001, closed(ended(NESTED) + item(IMPLICIT_NAME)), UNDEFINED)),
    ],
)
def test_nothing_in_sequences_of_defined_length_is_lost(syntax: str, within: bytes) -> None:
    if syntax == IMPLICIT:
        data = implicit(0x00081115, item(within))
    else:
        order = ">" if syntax == BIG else "<"
        data = explicit(0x00081115, b"SQ", item(within, order=order), order=order)
    (outer,) = decode_data_set(data, syntax)[0x00081115].value
    (sequence,) = outer
    assert [made.PatientName for made in sequence.value] == ["DOE^JANE", "DOE^JANE"]
    assert len(sequence.value[0][ITEMS].value) == 1


def test_fragments_within_items_are_kept() -> None:
    fragments = item() + item(b"\xff\xd8\xff\xd9")
    icon = explicit(0x7FE00010, b"OB", closed(fragments), UNDEFINED)
    for items in (item(icon), ended(icon)):
        decoded = decode_data_set(explicit(0x00880200, b"SQ", items), EXPLICIT)
        assert decoded.IconImageSequence[0].PixelData == fragments


def test_items_inherit_the_character_set() -> None:
    name = "Müller".encode("latin-1")
    latin = implicit(0x00080005, b"ISO_IR 100")
    for inner in (b"", implicit(0x00080005, b"ISO_IR 192")):
        for nested in (item, ended):
            content = inner + implicit(NAME, "Müller ".encode() if inner else name)
            data = latin + implicit(ITEMS, closed(nested(content)), UNDEFINED)
            assert decode_data_set(data, IMPLICIT)[ITEMS].value[0].PatientName == "Müller"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = implicit(0x00080005, b"ISO_IR 100\\" * 9) + implicit(NAME, name)
        assert decode_data_set(odd, IMPLICIT).PatientName == "Müller"


def test_more_than_is_allowed_is_told_from_what_is_not_whole() -> None:
    data = explicit(ITEMS, b"SQ", item() * 3)
    assert len(decode_data_set(data, EXPLICIT, bounds=Bounds(items=3))[ITEMS].value) == 3
    with pytest.raises(DataSetTooLarge, match="an item too many, 2 are allowed"):
        decode_data_set(data, EXPLICIT, bounds=Bounds(items=2))
    nested = explicit(ITEMS, b"SQ", item(b"", UNDEFINED), UNDEFINED) * 65
    with pytest.raises(DataSetTooLarge, match="nested deeper than 64 sequences"):
        decode_data_set(nested, EXPLICIT)


def test_a_character_set_that_pydicom_cannot_take_is_an_error() -> None:
    with pydicom.config.disable_value_validation(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
        with pytest.raises(DataSetError, match="cannot be decoded as Explicit VR Little Endian: LookupError"):
            decode_data_set(explicit(0x00080005, b"CS", b"NONSENSE"), EXPLICIT)
