"""Checks, encoded data sets and the helpers of applications, compared with pynetdicom's."""

from __future__ import annotations

import logging
from argparse import Namespace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.uid import UID

from dicomproto.errors import DataSetError

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"

both = pytest.mark.parametrize("package", [OURS, THEIRS])

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")


def module(package: str, name: str) -> Any:
    return import_module(f"{package}.{name}")


def outcome(function: Any, *args: object, **options: object) -> object:
    try:
        return function(*args, **options)
    except Exception as error:
        return type(error), str(error)


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set a switch of both packages."""

    def switch(name: str, value: object) -> None:
        for package in (OURS, THEIRS):
            monkeypatch.setattr(module(package, "_config"), name, value)

    return switch


UIDS = [None, "", "1.2.3", "1.2.03", b"1.2.3", b"\xff", UID("1.2"), "1." * 40, 5, "text"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("conformant", [True, False])
@pytest.mark.parametrize("value", UIDS, ids=repr)
def test_uids_are_judged_the_same(switches: Any, conformant: bool, value: object) -> None:
    switches("ENFORCE_UID_CONFORMANCE", conformant)
    for empty in (True, False):
        for none in (True, False):
            for judged in (True, False):
                given = value, "name", empty, none, judged
                wanted = outcome(module(THEIRS, "utils").set_uid, *given)
                assert outcome(module(OURS, "utils").set_uid, *given) == wanted, given
    if isinstance(value, str):
        wanted = module(THEIRS, "utils").validate_uid(UID(value))
        assert module(OURS, "utils").validate_uid(UID(value)) == wanted


@pytest.mark.parametrize(
    "value", [None, "", " ", "AE", "A" * 17, "A\\B", "A\nB", "ä", "A\x7f", b"AE", 5], ids=repr
)
def test_ae_titles_are_judged_the_same(value: object) -> None:
    for empty in (True, False):
        for none in (True, False):
            given = value, "name", empty, none
            wanted = outcome(module(THEIRS, "utils").set_ae, *given)
            assert outcome(module(OURS, "utils").set_ae, *given) == wanted, given


def test_a_program_may_judge_by_itself(switches: Any) -> None:
    switches("VALIDATORS", {"AE": lambda _: (True, ""), "UI": lambda _: (False, "never")})
    utils = module(OURS, "utils")
    assert utils.set_ae("A" * 20, "name") == "A" * 20
    with pytest.raises(ValueError, match="Invalid 'name' value '1.2' - never"):
        utils.set_uid("1.2", "name")


@pytest.mark.parametrize("codecs", [("ascii",), ("ascii", "utf-8"), ("latin-1",)], ids=repr)
@pytest.mark.parametrize("value", [b"", b"text", b"\xc3\xa4x", b"\xff"], ids=repr)
def test_bytes_are_decoded_the_same(switches: Any, codecs: tuple[str, ...], value: bytes) -> None:
    switches("CODECS", codecs)
    wanted = outcome(module(THEIRS, "utils").decode_bytes, value)
    assert outcome(module(OURS, "utils").decode_bytes, value) == wanted


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 511, 512, 513, 600])
@pytest.mark.parametrize("options", [{}, {"max_size": None}, {"items_per_line": 10, "suffix": "|"}], ids=repr)
def test_bytes_are_shown_the_same(size: int, options: dict[str, object]) -> None:
    for data in (bytes(size), BytesIO(bytes(size))):
        wanted = module(THEIRS, "utils").pretty_bytes(data, **options)
        assert module(OURS, "utils").pretty_bytes(data, **options) == wanted


@both
def test_a_thread_has_the_context_of_its_caller_if_asked(switches: Any, package: str) -> None:
    def target() -> None: ...

    assert module(package, "utils").make_target(target) is target
    switches("PASS_CONTEXTVARS", True)
    assert module(package, "utils").make_target(target) is not target


# --- encoded data sets --------------------------------------------------------------------------


def data_set() -> Dataset:
    ds = Dataset()
    ds.PatientName = "Test^Name"
    ds.SeriesNumber = [1, 2][0]
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Rows = 5
    ds.PatientComments = ""
    ds.BeamSequence = Sequence([Dataset(), Dataset()])
    ds.BeamSequence[0].BeamName = "one"
    ds.PixelData = bytes(20)
    ds["PixelData"].VR = "OW"
    ds.add_new(0x00291010, "OB", b"\x01\x02")
    return ds


@pytest.mark.parametrize(
    ("implicit", "little", "deflated"),
    [(True, True, False), (False, True, False), (False, True, True)],
)
def test_data_sets_are_encoded_and_decoded_the_same(implicit: bool, little: bool, deflated: bool) -> None:
    ours, theirs = module(OURS, "dsutils"), module(THEIRS, "dsutils")
    given = implicit, little, deflated
    encoded = ours.encode(data_set(), *given)
    decoded = theirs.decode(BytesIO(encoded), *given)
    assert decoded == ours.decode(BytesIO(encoded), *given)
    assert ours.decode(BytesIO(theirs.encode(data_set(), *given)), *given) == decoded
    if not deflated:
        assert encoded == theirs.encode(data_set(), *given)


@both
def test_what_cannot_be_encoded_is_none(package: str) -> None:
    ds = Dataset()
    ds.PerimeterValue = 10
    assert module(package, "dsutils").encode(ds, True, True) is None


def test_a_data_set_that_is_not_whole_is_an_error() -> None:
    encoded = module(OURS, "dsutils").encode(data_set(), False, True)
    with pytest.raises(DataSetError):
        module(OURS, "dsutils").decode(BytesIO(encoded[:-3]), False, True)


def test_compressed_pixel_data_stays_as_it_is() -> None:
    ds = Dataset()
    ds.PixelData = (
        b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x02\x00\x00\x00\xff\xd8\xfe\xff\xdd\xe0" + bytes(4)
    )
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.50")
    encoded = module(OURS, "dsutils").encode(ds, False, True)
    assert encoded == module(THEIRS, "dsutils").encode(ds, False, True)


def test_data_sets_are_shown_the_same() -> None:
    ds = data_set()
    ds.BeamSequence[1].BeamName = "x" * 60
    assert module(OURS, "dsutils").pretty_dataset(ds) == module(THEIRS, "dsutils").pretty_dataset(ds)


@both
def test_file_meta_is_made_encoded_and_split(package: str, tmp_path: Path) -> None:
    dsutils = module(package, "dsutils")
    meta = dsutils.create_file_meta(
        sop_class_uid=UID("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance_uid=UID("1.2.3"),
        transfer_syntax=UID("1.2.840.10008.1.2.1"),
    )
    assert (meta.MediaStorageSOPInstanceUID, meta.FileMetaInformationVersion) == ("1.2.3", b"\x00\x01")
    encoded = dsutils.encode_file_meta(meta)
    path = tmp_path / "file.dcm"
    path.write_bytes(bytes(128) + b"DICM" + encoded + dsutils.encode(data_set(), False, True))
    found, offset = dsutils.split_dataset(path)
    assert offset == 132 + len(encoded)
    assert found.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert [element.tag.group for element in found] == [2] * len(found)


@both
def test_what_is_no_dicom_file_is_not_split(package: str, tmp_path: Path) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(b"no DICOM " * 40)
    with pytest.raises(InvalidDicomError):
        module(package, "dsutils").split_dataset(path)


# --- helpers of the applications ------------------------------------------------------------------

PATHS = [
    "PatientName=",
    "PatientName=Citizen^Jan",
    "PatientID=a=b",
    "(0010,0010)=x",
    "0010,0010=x",
    "Rows=5",
    "Rows=5\\6",
    "SelectorFDValue=1.5\\2",
    "SelectorATValue=00100010\\00100020",
    "(7fe0,0010)=00ff",
    "(0029,0100)",
    "BeamSequence=",
    "BeamSequence[0]",
    "BeamSequence[0].BeamName=x",
    "BeamSequence[1].ControlPointSequence[1].ControlPointIndex=3",
    "BeamSequence[0",
    "BeamSequence[]",
    "BeamSequence[-1]",
    "BeamSequence[x]",
    "NoSuchKeyword=1",
    "(0010,001)=1",
    "CurveDimensions=1",
    "(0010,0010",
]


def path_outcome(package: str, path: str) -> object:
    def made() -> object:
        element = module(package, "apps.common").ElementPath(path)
        child = element.child
        found = (
            element.tag,
            element.VR,
            element.keyword,
            element.is_sequence,
            element.item_nr,
            element.components,
        )
        ds = Dataset()
        ds.BeamSequence = Sequence([Dataset()])
        return (
            *found,
            child and (child.tag, child.parent is element),
            str(element.update(Dataset())),
            str(element.update(ds)),
        )

    return outcome(made)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", PATHS)
def test_element_paths_set_the_same(path: str) -> None:
    assert path_outcome(OURS, path) == path_outcome(THEIRS, path)


@both
def test_a_data_set_is_made_of_a_file_and_keywords(package: str, tmp_path: Path) -> None:
    common = module(package, "apps.common")
    path = tmp_path / "query.dcm"
    path.write_bytes(module(package, "dsutils").encode(data_set(), True, True))
    ds = common.create_dataset(Namespace(file=str(path), keyword=["PatientName=Other", "PatientID="]))
    assert (ds.PatientName, ds.PatientID, ds.Rows) == ("Other", "", 5)
    with pytest.raises(ValueError, match="NoSuch"):
        common.create_dataset(Namespace(file=None, keyword=["NoSuch=1"]), logging.getLogger("test"))
    with pytest.raises(OSError):
        common.create_dataset(Namespace(file=str(tmp_path / "none"), keyword=None))


@both
def test_files_are_found(package: str, tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name in ("a", "folder/b", "folder/deep/c"):
        (tmp_path / name).touch()
    paths = [str(tmp_path / "a"), str(tmp_path / "folder"), str(tmp_path / "none")]
    get_files = module(package, "apps.common").get_files
    assert get_files(paths) == ([paths[0], str(tmp_path / "folder/b")], [paths[2]])
    assert len(get_files(paths, recurse=True)[0]) == 3


@both
@pytest.mark.parametrize(
    ("log_type", "log_level", "level"),
    [(None, None, logging.ERROR), ("v", None, logging.INFO), ("d", None, logging.DEBUG), ("d", "warn", 30)],
)
def test_logging_is_set_up(
    monkeypatch: pytest.MonkeyPatch, package: str, log_type: str | None, log_level: str | None, level: int
) -> None:
    both_loggers = [logging.getLogger(name) for name in ("pynetdicom", "someapp")]
    for logger in both_loggers:
        monkeypatch.setattr(logger, "handlers", [])  # those of pytest
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr(logger, "level", logging.NOTSET)
    options = Namespace(log_type=log_type, log_level=log_level)
    found = module(package, "apps.common").setup_logging(options, "someapp")
    assert found is both_loggers[1]
    assert [(logger.level, len(logger.handlers)) for logger in both_loggers] == [(level, 1)] * 2


def test_prefixes_of_file_names_are_the_same() -> None:
    ours, theirs = (module(package, "apps.common").SOP_CLASS_PREFIXES for package in (OURS, THEIRS))
    assert {uid: row[0] for uid, row in ours.items()} == {uid: row[0] for uid, row in theirs.items()}


@pytest.mark.parametrize("instance", ["1.2.3", "../../evil"])
def test_a_received_object_is_stored_under_a_safe_name(tmp_path: Path, instance: str) -> None:
    event = SimpleNamespace(
        request=SimpleNamespace(
            AffectedSOPClassUID=UID("1.2.840.10008.5.1.4.1.1.2"), AffectedSOPInstanceUID=instance
        ),
        encoded_dataset=lambda: b"the file",
    )
    args = Namespace(ignore=False, output_directory=str(tmp_path / "out"))
    status = module(OURS, "apps.common").handle_store(event, args, logging.getLogger("test"))
    assert status.Status == 0x0000
    (path,) = (tmp_path / "out").iterdir()
    assert path.name.startswith("CT.")
    assert path.read_bytes() == b"the file"


# --- handlers that show what passes ------------------------------------------------------------------


def test_a_pdu_is_logged_without_its_bytes(caplog: pytest.LogCaptureFixture) -> None:
    handlers = module(OURS, "_handlers")
    event = SimpleNamespace(
        data=b"\x04\x00\x00\x00\x00\x06secret", event=SimpleNamespace(name="EVT_DATA_SENT")
    )
    with caplog.at_level(logging.DEBUG, "pynetdicom"):
        handlers.debug_data(event, pdu_type=1)
        handlers.debug_data(event)
    assert [record.getMessage() for record in caplog.records] == ["EVT_DATA_SENT: P-DATA-TF, 12 bytes"]


@both
def test_a_transition_of_the_state_machine_is_logged(package: str, caplog: pytest.LogCaptureFixture) -> None:
    event = SimpleNamespace(
        assoc=SimpleNamespace(mode="requestor"),
        current_state="Sta6",
        fsm_event="Evt11",
        action="AR-1",
        next_state="Sta7",
    )
    with caplog.at_level(logging.DEBUG, "pynetdicom"):
        module(package, "_handlers").debug_fsm(event)
    assert caplog.records[-1].getMessage() == "R: Sta6 + Evt11 -> AR-1 -> Sta7"
