"""`findscu`, `getscu` and `movescu` against peers that answer as they are told."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event
from time import monotonic
from types import SimpleNamespace

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomproto.datasets import decode_data_set
from dicomproto_transports.apps import main
from dicomproto_transports.apps.querying.get_contexts import COMPRESSED, ROOM, plan_get
from dicomproto_transports.blocking import AE, Server, evt
from tests.applications import APPLICATION, CT, EXPLICIT, Done, RawPeer, data_set, write_object
from tests.certificates import Authority
from tests.ports import free_port

IMPLICIT = "1.2.840.10008.1.2"
MODEL = "1.2.840.10008.5.1.4.1.2"
PATIENT_FIND, STUDY_FIND, ONLY_FIND = (f"{MODEL}.{number}.1" for number in "123")
STUDY_MOVE, STUDY_GET = f"{MODEL}.2.2", f"{MODEL}.2.3"
WORKLIST, UPS_PULL = "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.4.34.6.3"
MR, HANGING = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.38.2"
PRIVATE = "1.3.12.2.1107.5.9.1"
KEYS = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName"]

Run = Callable[..., Done]

pytestmark = pytest.mark.usefixtures("no_table")


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMPROTO_PEERS", "")


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an application in this process."""

    def run(*words: object) -> Done:
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        shown = capsys.readouterr()
        return Done(status, shown.out, shown.err)

    return run


@contextmanager
def serving(*bindings: evt.Binding, ae: AE | None = None, **options: object) -> Iterator[Server]:
    """A server that supports all models and storage, with these handlers."""
    ae = ae or AE("PACS")
    for uid in (PATIENT_FIND, STUDY_FIND, ONLY_FIND, WORKLIST, UPS_PULL, STUDY_GET, STUDY_MOVE, HANGING):
        ae.add_supported_context(uid)
    for uid in (CT, MR):
        ae.add_supported_context(uid, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bindings, **options)  # type: ignore[call-overload]
    try:
        yield server
    finally:
        server.shutdown()


def match(name: str = "A^B", **more: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    dataset.PatientName = name
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def address(server: Server) -> str:
    return f"PACS@127.0.0.1:{server.port}"


# --- findscu ------------------------------------------------------------------------------------


def finding(*matches: object, seen: list[evt.Event] | None = None) -> evt.Binding:
    def find(event: evt.Event) -> Iterator[object]:
        if seen is not None:
            seen.append(event)
        yield from matches

    return evt.EVT_C_FIND, find


def test_matches_are_shown_to_a_person(here: Run) -> None:
    with serving(finding((0xFF00, match()), (0xFF00, match("C\x1b[2J")))) as server:
        done = here("findscu", address(server), *KEYS)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "match 1",
        "  (0008,0052) CS [STUDY]  # QueryRetrieveLevel",
        "  (0010,0010) PN [A^B]  # PatientName",
        "match 2",
        "  (0008,0052) CS [STUDY]  # QueryRetrieveLevel",
        "  (0010,0010) PN [C\\x1b[2J]  # PatientName",
        "2 matches: 0000H (Success)",
    ]


def test_matches_are_shown_to_a_program(here: Run) -> None:
    umlaut = match("Ä", SpecificCharacterSet="ISO_IR 100")
    with serving(finding((0xFF00, match()), (0xFF01, umlaut))) as server:
        done = here("findscu", "--json", address(server), *KEYS)
        array = here("findscu", "--dicom-json", address(server), *KEYS)
        nothing = here("findscu", "-q", address(server), *KEYS)
    level = {"vr": "CS", "Value": ["STUDY"]}
    first = {"00080052": level, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}
    second = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080052": level,
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ä"}]},
    }
    of_none = {"path": None, "text_in_doubt": None}
    assert done.events == [
        {"event": "match", "number": 1, "status": 0xFF00, "dataset": first, **of_none},
        {"event": "match", "number": 2, "status": 0xFF01, "dataset": second, **of_none},
        {
            "event": "summary", "matches": 2, "unreadable": 0, "status": 0, "meaning": "Success",
            "cancelled": False, "ok": True,
        },
    ]  # fmt: skip
    assert done.err == "W: the peer does not support all of the optional keys, for matching at least\n"
    assert json.loads(array.out) == [first, second]
    assert nothing == Done(0, "", "")


@pytest.mark.parametrize("words", [[], ["--json"], ["--dicom-json"]])
def test_what_is_nested_too_deep_to_be_shown_is_told(here: Run, words: list[str]) -> None:
    deep = match()
    for _ in range(40):
        outer = match()
        outer.OtherPatientIDsSequence = [deep, deep] if deep == match() else [deep]
        deep = outer
    with serving(finding((0xFF00, match()), (0xFF00, deep))) as server:
        done = here("findscu", *words, address(server), *KEYS)
    assert (done.status, done.err) == (0, "W: match 2: items nested deeper than 32 sequences are left out\n")


def test_no_match_is_no_failure(here: Run) -> None:
    with serving(finding()) as server:
        assert here("findscu", address(server), *KEYS) == Done(0, "0 matches: 0000H (Success)\n", "")
        assert json.loads(here("findscu", "--dicom-json", address(server), *KEYS).out) == []


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ([], PATIENT_FIND),
        (["-P"], PATIENT_FIND),
        (["-S"], STUDY_FIND),
        (["-O"], ONLY_FIND),
        (["-W"], WORKLIST),
        (["-U"], UPS_PULL),
        (["--model", "HangingProtocolInformationModelFind"], HANGING),
        (["--model", HANGING], HANGING),
    ],
)
def test_the_model_is_chosen(here: Run, words: list[str], model: str) -> None:
    seen: list[evt.Event] = []
    with serving(finding(seen=seen)) as server:
        done = here("findscu", address(server), *words, "-k", "PatientID=x", "-k", "QueryRetrieveLevel=STUDY")
    assert done.status == 0
    (event,) = seen
    assert event.request.AffectedSOPClassUID == model
    assert event.identifier.PatientID == "x"


@pytest.mark.parametrize(("word", "syntax"), [("-xe", EXPLICIT), ("-xi", IMPLICIT)])
def test_the_transfer_syntax_is_chosen(here: Run, word: str, syntax: str) -> None:
    seen: list[evt.Event] = []
    with serving(finding((0xFF00, match()), seen=seen)) as server:
        assert here("findscu", address(server), word, *KEYS).status == 0
    assert seen[0].context.transfer_syntax == syntax


def test_matches_are_written(here: Run, tmp_path: Path) -> None:
    matches = [match(SOPInstanceUID="1.2.3"), match("B")]
    with serving(finding(*((0xFF00, found) for found in matches))) as server:
        done = here("findscu", "--json", "-w", "-od", tmp_path, address(server), *KEYS)
        assert here("findscu", "-w", "-od", tmp_path, address(server), *KEYS).out.startswith(
            f"match 1, written to {tmp_path}/rsp000001.dcm\n"
        )
    assert [event["path"] for event in done.named("match")] == [
        str(tmp_path / "rsp000001.dcm"), str(tmp_path / "rsp000002.dcm"),
    ]  # fmt: skip
    one, two = (dcmread(tmp_path / f"rsp00000{number}.dcm") for number in (1, 2))
    assert one == matches[0]
    assert (one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID) == (
        STUDY_FIND, "1.2.3",
    )  # fmt: skip
    assert two.file_meta.MediaStorageSOPInstanceUID.startswith("2.25.")


def test_what_cannot_be_written_is_a_failure(here: Run, tmp_path: Path) -> None:
    (tmp_path / "rsp000001.dcm").mkdir()
    with serving(finding((0xFF00, match()))) as server:
        done = here("findscu", "--json", "-w", "-od", tmp_path, address(server), *KEYS)
    assert done.status == 1
    assert "rsp000001.dcm cannot be written: Is a directory" in done.err
    summary = done.events[-1]
    assert (summary["matches"], summary["unreadable"], summary["ok"]) == (1, 1, False)


@pytest.mark.parametrize("wanted", [1, 2])
def test_enough_is_enough(here: Run, wanted: int) -> None:
    def find(event: evt.Event) -> Iterator[object]:
        while not event.is_cancelled:
            yield 0xFF00, match()
        yield 0xFE00, None

    with serving((evt.EVT_C_FIND, find)) as server:
        done = here("findscu", "--json", "--cancel", wanted, address(server), *KEYS)
    assert done.status == 0
    assert len(done.named("match")) == wanted
    summary = done.events[-1]
    assert (summary["status"], summary["cancelled"], summary["ok"]) == (0xFE00, True, True)


def test_a_reader_that_leaves_ends_the_query() -> None:
    cancelled = Event()

    def find(event: evt.Event) -> Iterator[object]:
        while not event.is_cancelled:
            yield 0xFF00, match()
        cancelled.set()
        yield 0xFE00, None

    with serving((evt.EVT_C_FIND, find)) as server:
        words = [*APPLICATION, "findscu", address(server), *KEYS]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr is not None
        process.stderr.close()
        assert cancelled.wait(60)


def test_a_cancel_that_comes_too_late_is_no_failure(here: Run) -> None:
    with serving(finding((0xFF00, match()), (0xFF00, match()))) as server:
        done = here("findscu", "--json", "--cancel", 2, address(server), *KEYS)
    assert (done.status, len(done.named("match"))) == (0, 2)


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00, 0x0122])
def test_a_failure_is_a_failure(here: Run, status: int) -> None:
    failure = SimpleNamespace(Status=status, ErrorComment="Smith has measles")
    with serving(finding((0xFF00, match()), (failure, None))) as server:
        done = here("findscu", "--json", address(server), *KEYS)
        shown = here("findscu", "--show-comments", address(server), *KEYS)
    assert (done.status, done.events[-1]["status"], done.events[-1]["ok"]) == (1, status, False)
    assert f"E: the peer answered {status:04X}H" in done.err
    assert "Smith" not in done.out + done.err
    assert "W: the peer says: Smith has measles" in shown.err


def test_a_match_that_is_none_is_a_failure(here: Run) -> None:
    def find(event: evt.Event) -> Iterator[object]:
        yield 0xFF00, match()
        yield 0xFF00, match()

    with serving((evt.EVT_C_FIND, find)) as server, Spoiler(server.port) as spoiler:
        done = here("findscu", "--json", f"127.0.0.1:{spoiler.port}", *KEYS, "-xe")
    assert done.status == 1
    assert done.named("match") == []
    assert (done.events[-1]["unreadable"], done.events[-1]["status"]) == (2, 0)
    assert "E: match 1 cannot be read: " in done.err
    assert "E: match 2 cannot be read: " in done.err


ENDLESS = (b"PN\4\0A^B ", b"SQ\0\0\xff\xff\xff\xff")
"""A name, and a sequence that never ends."""


class Spoiler:
    """Passes bytes on between a client and a server, with the names in the answers spoilt."""

    def __init__(self, port: int, *replacements: tuple[bytes, bytes]) -> None:
        self._server = port
        self._replacements = replacements or (ENDLESS,)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Spoiler:
        from threading import Thread

        self._thread = Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        self._listener.close()

    def _work(self) -> None:
        from select import select

        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            while True:
                for source in select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    for old, new in self._replacements if source is server else ():
                        data = data.replace(old, new)
                    (client if source is server else server).sendall(data)


IN_IMPLICIT = [
    (b"\x10\0\x10\0PN\4\0", b"\x10\0\x10\0\4\0\0\0"),
    (b"\0\x10\0\x10PN\0\4", b"\x10\0\x10\0\4\0\0\0"),
]


@pytest.mark.parametrize("spoils", [False, True])
@pytest.mark.parametrize("word", ["-xi", "-xe", "-xb", ""])
@pytest.mark.parametrize("output", ["", "--json", "--dicom-json"])
def test_each_transfer_syntax_goes_with_each_output(
    here: Run, tmp_path: Path, word: str, output: str, spoils: bool
) -> None:
    """A match in Implicit VR is shown and written, whatever the transfer syntax that was agreed upon."""
    words = [*filter(None, (word, output)), "-w", "-od", tmp_path, *KEYS]
    only = Dataset()
    only.PatientName = "A^B "
    with (
        serving(finding((0xFF00, only))) as server,
        Spoiler(server.port, *(IN_IMPLICIT if spoils else [(b"?", b"?")])) as peer,
    ):
        done = here("findscu", f"127.0.0.1:{peer.port}", *words)
    assert (done.status, done.err) == (0, "")
    assert dcmread(tmp_path / "rsp000001.dcm").PatientName == "A^B"
    if output:
        assert '"Alphabetic": "A^B"' in done.out


@pytest.mark.parametrize("named", [None, "ISO_IR 192"])
@pytest.mark.parametrize("by", ["--json", "--dicom-json", "", "the table"])
def test_the_character_set_of_a_peer_may_be_known(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, named: str | None
) -> None:
    content = b"\x10\0\x10\0PN\6\0M\xfcller"
    if named:
        content = b"\x08\0\x05\0CS\x0a\0" + named.encode() + content
    answer = decode_data_set(content, EXPLICIT, file_meta=False)
    with serving(finding((0xFF00, answer))) as server:
        done = here("findscu", address(server), *filter(None, [by.removeprefix("the table")]), *KEYS)
        assert "(0010,0010) PatientName has text that is not in a character set" in done.err
        assert "--assume-charset" in done.err
        where, option = address(server), ["--assume-charset", "ISO_IR 100"]
        if by == "the table":
            table = tmp_path / "peers.toml"
            host, port = where.rpartition("@")[2].split(":")
            table.write_text(f'[pacs]\nhost = "{host}"\nport = {port}\nassume_charset = "ISO_IR 100"\n')
            monkeypatch.setenv("DICOMPROTO_PEERS", str(table))
            where, option = "pacs", []
        words = [*filter(None, [by.removeprefix("the table")]), *option, "-w", "-od", tmp_path, *KEYS]
        done = here("findscu", where, *words)
    assert done.status == 0
    assert "charset" not in done.err
    assert "M\xfcller" in done.out or "M\\u00fcller" in done.out
    written = dcmread(tmp_path / "rsp000001.dcm")
    assert (written.SpecificCharacterSet, written.PatientName) == ("ISO_IR 100", "M\xfcller")


@pytest.mark.parametrize("words", [["findscu"], ["getscu"], ["movescu", "-aem", "HERE"]], ids=" ".join)
def test_a_date_that_is_none_is_not_sent(here: Run, words: list[str]) -> None:
    done = here(*words, "127.0.0.1:104", *KEYS, "-k", "StudyDate=20261399")
    assert (done.status, done.out) == (2, "")
    told = "argument -k: 'StudyDate=20261399': a date is YYYYMMDD, a range of them YYYYMMDD-YYYYMMDD"
    assert told in done.err


@pytest.mark.parametrize("assumed", [None, "ISO_IR 192"])
@pytest.mark.parametrize("output", ["", "--json", "--dicom-json"])
def test_each_match_whose_text_is_in_doubt_is_told(
    here: Run, tmp_path: Path, output: str, assumed: str | None
) -> None:
    """By its number and the element; ten of them, then how many more."""
    whole = Dataset()
    whole.PatientName = "A^B"
    name = decode_data_set(b"\x10\0\x10\0PN\6\0M\xfcller", EXPLICIT, file_meta=False)
    inner = b"\x10\0\x02\x10SQ\0\0\x16\0\0\0\xfe\xff\0\xe0\x0e\0\0\0\x10\0\x20\0LO\6\0M\xfcller"
    item = decode_data_set(inner, EXPLICIT, file_meta=False)
    found = [whole, name, whole, item, *[name] * 12]
    options = [*filter(None, [output]), *(["--assume-charset", assumed] if assumed else [])]
    with serving(finding(*[(0xFF00, one) for one in found])) as server:
        done = here("findscu", address(server), *options, "-w", "-od", tmp_path, *KEYS)
    assert done.status == 0
    told = [line for line in done.err.splitlines() if "in doubt" in line]
    assert told == [
        "W: match 2: the text of element (0010,0010) PatientName is in doubt",
        "W: match 4: the text of element (0010,0020) PatientID is in doubt",
        *[
            f"W: match {number}: the text of element (0010,0010) PatientName is in doubt"
            for number in range(5, 13)
        ],
        "W: the text of 4 more matches is in doubt",
    ]
    assert done.err.count(" assume_charset") == 1  # the remedy
    if output == "--json":
        lines = [json.loads(line) for line in done.out.splitlines()][:-1]
        tags = [None, "00100010", None, "00100020", *["00100010"] * 12]
        assert [line["text_in_doubt"] for line in lines] == tags


def test_a_character_set_that_there_is_not_is_refused(here: Run) -> None:
    done = here("findscu", "127.0.0.1:104", "--assume-charset", "latin-1", *KEYS)
    assert done.status == 2
    assert "there is no character set 'latin-1'; give one such as 'ISO_IR 100'" in done.err


def test_extended_negotiation_is_asked_for_and_missed(here: Run) -> None:
    seen: list[dict[str, bytes]] = []

    def extended(event: evt.Event) -> dict[str, bytes]:
        seen.append(dict(event.app_info))
        return {STUDY_FIND: b"\1\0\1\0\0"} if STUDY_FIND in event.app_info else {}

    with serving(finding(), (evt.EVT_SOP_EXTENDED, extended)) as server:
        words = ["--relational-query", "--dt-matching", "--fuzzy-names"]
        done = here("findscu", address(server), *KEYS, *words)
        here("findscu", address(server), "-W", "-k", "PatientName", "--fuzzy-names", "--timezone-adj")
        wrong = here("findscu", address(server), "-W", "-k", "PatientName", "--enhanced-conversion")
    assert seen == [{STUDY_FIND: b"\1\1\1\0\0"}, {WORKLIST: b"\1\1\1\1"}]
    assert done.status == 0
    assert done.err == "W: the peer does not support combined matching of date and time (--dt-matching)\n"
    assert wrong.status == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-S"], "-k or -f is needed: the keys of the query"),
        (["-k", "X=1"], "argument -k: 'X=1': there is no element with the keyword 'X' (at character 1)"),
        (["-f", "/nonexistent"], "argument -f: /nonexistent: No such file or directory"),
        (["-S", "-P", "-k", "PatientID"], "not allowed with argument"),
        (["--model", "Nonsense", "-k", "PatientID"], "there is no SOP class 'Nonsense'"),
        (["--json", "--dicom-json", "-k", "PatientID"], "two forms of output"),
        (["--cancel", "0", "-k", "PatientID"], "the value is a whole number from 1"),
    ],
)
def test_a_wrong_query_is_refused(here: Run, words: list[str], text: str) -> None:
    done = here("findscu", "host:104", *words)
    assert done.status == 2
    assert text in done.err


def test_a_missing_level_is_warned_of(here: Run) -> None:
    with serving(finding()) as server:
        assert "W: the query has no level: " in here("findscu", address(server), "-k", "PatientID").err
        assert here("findscu", address(server), "-W", "-k", "PatientID").err == ""


@pytest.mark.parametrize("name", ["findscu", "getscu", "movescu"])
def test_nobody_there(here: Run, name: str, tmp_path: Path) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        done = here(name, "--json", f"127.0.0.1:{bound.getsockname()[1]}", *KEYS)
    assert done.status == 1
    assert done.named("error")[0]["error"] == "ConnectionLost"
    assert (done.events[-1]["event"], done.events[-1]["status"], done.events[-1]["ok"]) == (
        "summary", None, False,
    )  # fmt: skip


def test_an_association_that_ends_in_the_middle(here: Run) -> None:
    def find(event: evt.Event) -> Iterator[object]:
        yield 0xFF00, match()
        event.assoc.abort()  # type: ignore[attr-defined]

    with serving((evt.EVT_C_FIND, find)) as server:
        done = here("findscu", "--json", address(server), *KEYS)
    assert done.status == 1
    assert len(done.named("match")) == 1
    assert done.named("error")[0]["error"] == "AssociationAborted"
    assert done.events[-1]["ok"] is False


def test_ctrl_c_ends_it_with_a_summary(tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    os.mkfifo(waiting)

    def find(event: evt.Event) -> Iterator[object]:
        yield 0xFF00, match()
        with open(waiting, "w"):  # the other end is opened by the test
            pass
        while not event.is_cancelled:
            yield 0xFF00, match()

    with serving((evt.EVT_C_FIND, find)) as server:
        process = subprocess.Popen(
            [*APPLICATION, "findscu", "--json", address(server), *KEYS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "match"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        with open(waiting):
            pass
    assert process.returncode == 1
    assert json.loads(out.splitlines()[-1])["event"] == "summary"
    assert "E: interrupted\n" in err


def test_a_match_that_cannot_be_written_takes_nothing_away(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with serving(finding((0xFF00, match()))) as server:
        words = ["findscu", "--json", address(server), *KEYS, "-w", "-od", out]
        assert run(*words).status == 0
        good = (out / "rsp000001.dcm").read_bytes()
        full = resource.RLIMIT_FSIZE, (100, 100)  # as on a disk that is full
        done = run(*words, preexec_fn=lambda: resource.setrlimit(*full), env=os.environ)
    assert (done.status, done.events[-1]["unreadable"]) == (1, 1)
    assert os.listdir(out) == ["rsp000001.dcm"]
    assert (out / "rsp000001.dcm").read_bytes() == good


# --- getscu -------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    (tmp_path / "archive").mkdir()
    for number, sop_class in enumerate((CT, MR, CT), 1):
        path = tmp_path / "archive" / f"{number}.dcm"
        write_object(path, f"1.2.{number}", sop_class=sop_class, pixels=70_000)
        paths.append(path)
    return paths


def getting(*results: object) -> evt.Binding:
    def get(event: evt.Event) -> Iterator[object]:
        yield from results

    return evt.EVT_C_GET, get


def sending(files: list[Path]) -> list[object]:
    return [len(files), *((0xFF00, str(path)) for path in files)]


def test_what_is_got_is_written_as_it_comes(here: Run, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with serving(getting(*sending(files))) as server:
        done = here("getscu", "--json", address(server), *KEYS, "-od", out)
        again = here("getscu", address(server), *KEYS, "-od", out)
        thrown_away = here("getscu", address(server), *KEYS, "-od", tmp_path / "none", "--ignore")
    assert (done.status, done.err) == (0, "")
    assert sorted(os.listdir(out)) == ["CT.1.2.1", "CT.1.2.3", "MR.1.2.2"]
    for number, prefix in enumerate(("CT", "MR", "CT"), 1):
        data = (out / f"{prefix}.1.2.{number}").read_bytes()
        assert data.endswith(files[number - 1].read_bytes()[-70_000:])
    objects = done.named("object")
    assert [event["outcome"] for event in objects] == ["stored"] * 3
    assert objects[0]["called_ae_title"] == "PACS"
    progress = [(event["remaining"], event["completed"]) for event in done.named("progress")]
    assert progress == [(2, 1), (1, 2)]
    summary = done.events[-1]
    assert (summary["suboperations_completed"], summary["stored"], summary["status"], summary["ok"]) == (
        3, 3, 0, True,
    )  # fmt: skip
    assert again.status == 0
    assert again.out.splitlines()[-1].startswith("received objects: 3 identical; ")
    assert thrown_away.status == 0
    assert not (tmp_path / "none").exists()


def test_what_fails_is_named(here: Run, files: list[Path], tmp_path: Path) -> None:
    unsendable = tmp_path / "other.dcm"
    write_object(unsendable, "1.2.9", sop_class="1.2.840.10008.5.1.4.1.1.7")  # nobody accepts it
    with serving(getting(*sending([*files, unsendable]))) as server:
        done = here("getscu", "--json", address(server), *KEYS, "-od", tmp_path / "out")
        text = here("getscu", address(server), *KEYS, "-od", tmp_path / "out")
    assert done.status == text.status == 1
    summary = done.events[-1]
    assert (summary["status"], summary["suboperations_failed"], summary["failed_uids"], summary["ok"]) == (
        0xB000, 1, ["1.2.9"], False,
    )  # fmt: skip
    assert text.out.splitlines()[-2:] == ["Not retrieved, says the peer:", "  1.2.9"]


def test_ten_of_many_that_fail_are_shown(here: Run, tmp_path: Path) -> None:
    uids = [f"1.2.{number}" for number in range(13)]
    for uid in uids:
        write_object(tmp_path / uid, uid, sop_class="1.2.840.10008.5.1.4.1.1.7", pixels=10)
    with serving(getting(*sending([tmp_path / uid for uid in uids]))) as server:
        done = here("getscu", "--json", address(server), *KEYS, "-od", tmp_path / "out")
        text = here("getscu", address(server), *KEYS, "-od", tmp_path / "out")
    assert done.events[-1]["failed_uids"] == uids
    lines = text.out.splitlines()
    shown = lines[lines.index("Not retrieved, says the peer:") + 1 :]
    assert shown == [*(f"  {uid}" for uid in uids[:10]), "  and 3 more; --json shows all"]


def test_what_could_not_be_kept_is_a_failure(here: Run, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(getting(*sending(files))) as server:
        words = ["getscu", "--json", address(server), *KEYS, "-od", out, "--on-duplicate", "refuse"]
        assert here(*words).status == 0
        done = here(*words)
    assert done.status == 1
    assert (done.events[-1]["refused"], done.events[-1]["ok"]) == (3, False)
    assert "--sop-class" not in done.err


def test_a_directory_that_cannot_be_written_to(here: Run, files: list[Path]) -> None:
    done = here("getscu", "--json", "127.0.0.1:104", *KEYS, "-od", files[0])
    assert done.status == 1
    assert f"E: cannot write to {files[0]}: " in done.err
    assert [event["event"] for event in done.events] == ["error", "summary"]
    done = here("findscu", "--json", "127.0.0.1:104", *KEYS, "-w", "-od", files[0])
    assert done.status == 1
    assert f"E: cannot write to {files[0]}: " in done.err
    assert [event["event"] for event in done.events] == ["error", "summary"]
    done = here("movescu", "--json", "127.0.0.1:104", *KEYS, "--store", "-od", files[0])
    assert done.status == 1
    assert [event["event"] for event in done.events] == ["error", "summary"]


def test_enough_objects_are_enough(here: Run, files: list[Path], tmp_path: Path) -> None:
    def get(event: evt.Event) -> Iterator[object]:
        yield 1000
        for path in files:
            yield 0xFF00, str(path)
        while not event.is_cancelled:
            yield 0xFF00, str(files[0])
        yield 0xFE00, None

    with serving((evt.EVT_C_GET, get)) as server:
        done = here("getscu", "--json", "--cancel", 2, address(server), *KEYS, "-od", tmp_path / "out")
    assert done.status == 0
    summary = done.events[-1]
    assert (summary["status"], summary["cancelled"], summary["ok"]) == (0xFE00, True, True)


def test_a_peer_that_counts_more_than_came_is_not_believed(
    here: Run, files: list[Path], tmp_path: Path
) -> None:
    with serving(getting(0)) as server:
        assert here("getscu", address(server), *KEYS, "-od", tmp_path).status == 0
        assert here("getscu", "-q", address(server), *KEYS, "-od", tmp_path) == Done(0, "", "")


def test_only_the_chosen_sop_classes_are_proposed(here: Run, files: list[Path], tmp_path: Path) -> None:
    requests = []
    requested: evt.Binding = (evt.EVT_REQUESTED, lambda event: requests.append(event.associate_request))
    with serving(getting(*sending(files)), requested) as server:
        words = [address(server), *KEYS, "-od", tmp_path / "out"]
        assert here("getscu", *words, "--sop-class", "CT", "--sop-class", "MRImageStorage").status == 0
        done = here("getscu", "--json", *words, "--sop-class", CT, "-xi", "--on-duplicate", "replace")
    both, one = requests
    assert {context.abstract_syntax for context in both.presentation_contexts} == {STUDY_GET, CT, MR}
    assert {(role.sop_class_uid, role.scu_role, role.scp_role) for role in both.role_selections} == {
        (CT, False, True), (MR, False, True),
    }  # fmt: skip
    assert [(c.abstract_syntax, c.transfer_syntaxes) for c in one.presentation_contexts] == [
        (STUDY_GET, (IMPLICIT,)), (CT, (IMPLICIT,)),
    ]  # fmt: skip
    assert done.status == 1  # the MR could not be sent
    assert {event["transfer_syntax_uid"] for event in done.named("object")} == {IMPLICIT}


def test_one_association_has_room_for_so_many_contexts(here: Run) -> None:
    usual = plan_get()
    assert len(usual.contexts) == ROOM
    assert {EXPLICIT, IMPLICIT} <= set(usual.contexts[0][1])
    assert len({role.sop_class_uid for role in usual.roles}) == len(usual.roles) == 106
    assert usual.left_out > 0
    one = plan_get([CT, CT])
    assert [syntaxes for _, syntaxes in one.contexts[1:]] == [(syntax,) for syntax in COMPRESSED]
    assert plan_get([CT], IMPLICIT).contexts == ((CT, (IMPLICIT,)),)
    assert plan_get([CT], IMPLICIT, [PRIVATE]).contexts == ((CT, (IMPLICIT,)), (CT, (PRIVATE,)))
    assert [syntaxes for _, syntaxes in plan_get([CT], None, [PRIVATE]).contexts[1:3]] == [
        (PRIVATE,), (COMPRESSED[0],),
    ]  # fmt: skip
    many = [word for number in range(ROOM + 1) for word in ("--sop-class", f"1.2.{number}")]
    assert len(plan_get(many[3::2]).contexts) == ROOM
    done = here("getscu", "host:104", "-k", "PatientID", *many)
    assert done.status == 2
    assert "argument --sop-class: one association has room for 127 SOP classes, not for 128" in done.err
    words = [word for number in range(4) for word in ("--transfer-syntax", f"1.2.{number}")]
    done = here("getscu", "host:104", "-k", "PatientID", *words)
    assert done.status == 2
    assert "no room for 4 more transfer syntaxes of 14 SOP classes" in done.err
    done = here("getscu", "host:104", "-k", "PatientID", "--transfer-syntax", "JPEG")
    assert (done.status, "'JPEG' is not a UID" in done.err) == (2, True)


def test_private_objects_can_be_fetched(here: Run, tmp_path: Path) -> None:
    content = write_object(tmp_path / "private", "1.2.3", sop_class=PRIVATE, transfer_syntax=f"{PRIVATE}.1")
    ae = AE("PACS")
    ae.unrestricted_storage = True
    with serving(getting(1, (0xFF00, str(tmp_path / "private"))), ae=ae) as server:
        words = ["--sop-class", PRIVATE, "--transfer-syntax", f"{PRIVATE}.1", "-od", tmp_path / "out"]
        done = here("getscu", address(server), *KEYS, *words)
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "out" / "UN.1.2.3").read_bytes().endswith(content)


def test_ctrl_c_leaves_no_half_file(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"

    def get(event: evt.Event) -> Iterator[object]:
        yield 1000
        while True:
            yield 0xFF00, str(files[0])

    with serving((evt.EVT_C_GET, get)) as server:
        words = [*APPLICATION, "getscu", "--json", address(server), *KEYS, "-od", str(out)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "object"
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "E: interrupted\n" in err
    summary = json.loads(printed.splitlines()[-1])
    assert (summary["event"], summary["status"], summary["ok"]) == ("summary", None, False)
    assert os.listdir(out) == ["CT.1.2.1"]


def test_on_a_terminal_there_is_a_progress_bar(files: list[Path], tmp_path: Path) -> None:
    master, slave = pty.openpty()
    with serving(getting(*sending(files))) as server:
        words = [*APPLICATION, "getscu", address(server), *KEYS, "-od", str(tmp_path / "out")]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=slave, text=True, env=os.environ | {"TERM": "xterm"}
        )
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 65536):
                shown += data
        except OSError:  # the other end is closed
            pass
        os.close(master)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"objects" in shown
    assert b"\x1b[" in shown
    assert out.startswith("sub-operations: 3 completed")


# --- movescu ------------------------------------------------------------------------------------


def moving(files: list[Path], destinations: dict[str, tuple[str, int]], **options: object) -> evt.Binding:
    def move(event: evt.Event) -> Iterator[object]:
        where = destinations.get(event.move_destination)
        if where is None:
            yield None, None
            return
        yield (*where, options)
        yield from sending(files)

    return evt.EVT_C_MOVE, move


def test_objects_are_sent_where_they_are_wanted(here: Run, files: list[Path], tmp_path: Path) -> None:
    stored = []

    def store(event: evt.Event) -> int:
        stored.append(event.request.AffectedSOPInstanceUID)
        return 0

    with serving((evt.EVT_C_STORE, store), ae=AE("WORKSTATION")) as workstation:
        known = {"WORKSTATION": ("127.0.0.1", workstation.port)}
        with serving(moving(files, known)) as server:
            done = here("movescu", "--json", address(server), *KEYS, "-aem", "WORKSTATION")
            unknown = here("movescu", "--json", address(server), *KEYS, "-aem", "NOBODY")
            default = here("movescu", address(server), *KEYS)
            table = tmp_path / "peers.toml"
            table.write_text('[ws]\nhost = "h"\nport = 1\nae_title = "WORKSTATION"\n')
            named = here("movescu", address(server), *KEYS, "--peers", table, "-aem", "ws")
    assert (done.status, named.status) == (0, 0)
    assert stored == ["1.2.1", "1.2.2", "1.2.3"] * 2
    summary = done.events[-1]
    assert (summary["suboperations_completed"], summary["status"], summary["ok"]) == (3, 0, True)
    assert "stored" not in summary
    assert (unknown.status, unknown.events[-1]["status"]) == (1, 0xA801)
    assert default.status == 1  # STORESCP is not known either


def test_a_destination_needs_a_title(here: Run, tmp_path: Path) -> None:
    table = tmp_path / "peers.toml"
    table.write_text('[ws]\nhost = "h"\nport = 1\n')
    done = here("movescu", "127.0.0.1:104", *KEYS, "--peers", table, "-aem", "ws")
    assert done.status == 2
    assert "argument -aem: [ws] ae_title: is needed for a destination of C-MOVE" in done.err


def test_the_objects_may_come_here(files: list[Path], tmp_path: Path) -> None:
    """With --store-port 0, whose number only the program knows: so the peer is told by this test."""
    known: dict[str, tuple[str, int]] = {}
    told = tmp_path / "told"
    os.mkfifo(told)

    def move(event: evt.Event) -> Iterator[object]:
        with open(told):
            pass
        yield known[event.move_destination]
        yield from sending(files)

    with serving((evt.EVT_C_MOVE, move)) as server:
        words = ["movescu", "--json", address(server), *KEYS, "--store", "--store-port", "0"]
        words += ["--store-aet", "MINE", "-ba", "127.0.0.1", "-od", str(tmp_path / "out")]
        process = subprocess.Popen(
            [*APPLICATION, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert (first["event"], first["address"]) == ("listening", "127.0.0.1")
        known["MINE"] = ("127.0.0.1", first["port"])
        with open(told, "w"):
            pass
        out, err = process.communicate(timeout=60)
    done = Done(process.returncode, out, err)
    assert (done.status, done.err) == (0, "")
    assert sorted(os.listdir(tmp_path / "out")) == ["CT.1.2.1", "CT.1.2.3", "MR.1.2.2"]
    assert [event["calling_ae_title"] for event in done.named("object")] == ["PACS"] * 3
    assert (done.events[-1]["stored"], done.events[-1]["ok"]) == (3, True)


def test_an_object_that_is_still_coming_after_the_final_response_is_waited_for(tmp_path: Path) -> None:
    """For longer than the two seconds that silence has, and on the port that it says."""
    content = data_set("1.2.3", pixels=1_000)
    begun = Event()

    def move(event: evt.Event) -> Iterator[object]:
        begun.wait(60)
        yield "127.0.0.1", 1
        yield 0

    with serving((evt.EVT_C_MOVE, move)) as server:
        words = ["movescu", address(server), *KEYS, "--store", "--store-port", "0"]
        process = subprocess.Popen(
            [*APPLICATION, *words, "-ba", "127.0.0.1", "-od", str(tmp_path / "out")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"DICOMPROTO_PEERS": ""},
        )  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("listening on 127.0.0.1, port ")
        with RawPeer(int(first.split()[-1]), (CT, (EXPLICIT,)), called="STORESCP") as peer:
            peer.begin_store("1.2.3", content[:100])
            begun.set()
            began = monotonic()
            for place in range(100, 1000, 2):
                peer.go_on(content[place : place + 2], last=False)
                Event().wait(3 / 450)  # a slow line
            peer.go_on(content[1000:], last=True)
            assert peer.status() == 0
            assert monotonic() - began > 2.5
            peer.release()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "1 stored" in out


@contextmanager
def storing(*words: object) -> Iterator[tuple[int, int, Callable[[], Done]]]:
    """`movescu --store`: its port, the ID of its request, and what has the peer end it with success."""
    asked, ended = Queue[int](), Event()

    def move(event: evt.Event) -> Iterator[object]:
        asked.put(event.request.MessageID)
        ended.wait(60)
        yield "127.0.0.1", 1
        yield 0

    with serving((evt.EVT_C_MOVE, move)) as server:
        process = subprocess.Popen(
            [*APPLICATION, "movescu", "--json", address(server), *KEYS, "-aet", "MOVER", "--store",
             "--store-port", "0", "-ba", "127.0.0.1", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

        def end() -> Done:
            ended.set()
            out, err = process.communicate(timeout=60)
            return Done(process.returncode, out, err)

        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield port, asked.get(timeout=60), end
        finally:
            ended.set()
            process.communicate(timeout=60)


def test_only_what_was_asked_for_is_taken(tmp_path: Path) -> None:
    title, number = "MoveOriginatorApplicationEntityTitle", "MoveOriginatorMessageID"
    out = tmp_path / "out"
    with storing("-od", out) as (port, message_id, end):
        with RawPeer(port, (CT, (EXPLICIT,)), called="STORESCP") as peer:
            for uid, originator, status in (
                ("1.2.1", {}, 0),
                ("1.2.2", {title: "MOVER", number: message_id}, 0),
                ("1.2.3", {title: "OTHER", number: message_id}, 0x0124),
                ("1.2.4", {title: "MOVER", number: message_id % 0xFFFF + 1}, 0x0124),
                ("1.2.5", {title: "MOVER"}, 0),
                ("1.2.6", {number: message_id}, 0),
                ("1.2.7", {title: "RAW", number: message_id}, 0),  # its own, as that of pynetdicom
                ("1.2.8", {title: "RAW", number: message_id % 0xFFFF + 1}, 0x0124),
            ):
                assert peer.store(uid, data_set(uid), **originator) == status
            peer.release()
        done = end()
    assert sorted(os.listdir(out)) == [f"CT.1.2.{number}" for number in (1, 2, 5, 6, 7)]
    assert "its Move Originator is 'OTHER', not 'MOVER'" in done.err
    assert "3 objects of other requests were refused; --any-originator accepts them" in done.err
    assert [event["outcome"] for event in done.named("object")].count("foreign") == 3
    summary = done.events[-1]
    assert (done.status, summary["stored"], summary["refused"], summary["ok"]) == (0, 5, 0, True)


def test_private_objects_are_taken_on_request(tmp_path: Path) -> None:
    words = ["--any-sop-class", "--any-transfer-syntax"]
    with storing("-od", tmp_path / "out", *words) as (port, _, end):
        with RawPeer(port, (PRIVATE, (f"{PRIVATE}.1",)), called="STORESCP") as peer:
            assert peer.store("1.2.1", data_set("1.2.1", PRIVATE), sop_class=PRIVATE) == 0
            peer.release()
        assert end().events[-1]["stored"] == 1


@pytest.mark.parametrize(
    "option", ["--any-sop-class", "--any-transfer-syntax", "--any-originator", "--allow-network ::1"]
)
def test_what_belongs_to_store_takes_store(here: Run, option: str) -> None:
    done = here("movescu", "host:104", "-aem", "A", "-k", "PatientID", *option.split())
    assert done.status == 2
    assert f"{option.split()[0]} needs --store" in done.err


def test_a_wrong_originator_may_be_overlooked(tmp_path: Path) -> None:
    with storing("-od", tmp_path / "out", "--any-originator") as (port, message_id, end):
        with RawPeer(port, (CT, (EXPLICIT,)), called="STORESCP") as peer:
            assert peer.store("1.2.1", data_set("1.2.1"), MoveOriginatorMessageID=message_id - 1) == 0
            peer.release()
        assert end().events[-1]["stored"] == 1


@pytest.mark.parametrize(
    ("words", "titles", "is_let_in"),
    [
        ([], ("ANY", "STORESCP"), True),
        ([], ("ANY", "ANY-SCP"), False),
        (["-aem", "MINE"], ("ANY", "MINE"), True),
        (["-aem", "MINE"], ("ANY", "OTHER"), False),
        (["--allow-calling-aet", "PACS"], ("PACS", "STORESCP"), True),
        (["--allow-calling-aet", "PACS"], ("ANY", "STORESCP"), False),
        (["--allow-network", "127.0.0.0/8"], ("ANY", "STORESCP"), True),
        (["--allow-network", "10.0.0.0/8"], ("ANY", "STORESCP"), None),
    ],
)
def test_not_everybody_may_bring_objects(
    tmp_path: Path, words: list[str], titles: tuple[str, str], is_let_in: bool | None
) -> None:
    title, called = titles
    with storing("-od", tmp_path / "out", *words) as (port, _, end):
        run = [*APPLICATION, "echoscu", "--json", "-aet", title, "-aec", called, f"127.0.0.1:{port}"]
        echo = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
        done = Done(echo.returncode, echo.stdout, echo.stderr)
        told = end()
    assert told.status == 0
    assert ("rejected" in told.err) == (is_let_in is False)
    if is_let_in:
        assert done.status == 0
    elif is_let_in is None:
        assert done.named("error")[0]["error"] == "ConnectionLost"
    else:
        assert done.named("error")[0]["error"] == "AssociationRejected"


def test_a_port_that_is_taken(here: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["--store", "--store-port", port, "-ba", "127.0.0.1", "-od", tmp_path]
        done = here("movescu", "--json", "127.0.0.1:104", *KEYS, *words)
    assert done.status == 1
    assert f"cannot listen on 127.0.0.1, port {port}: " in done.err
    assert done.events[-1]["ok"] is False


def test_what_comes_here_is_secured_as_the_request_is(here: Run, files: list[Path], tmp_path: Path) -> None:
    from dicomproto_transports.tls import client_context, server_context

    authority = Authority(tmp_path)
    mine, theirs = authority.issue("mine", "127.0.0.1"), authority.server
    port = free_port()
    outgoing = client_context(authority.ca_file, theirs.cert, theirs.key)
    known = {"STORESCP": ("127.0.0.1", port)}
    context = server_context(theirs.cert, theirs.key, ca_file=authority.ca_file)
    with (
        serving(moving(files, known, tls_args=outgoing), ssl_context=context) as server,
        serving(moving(files, known), ssl_context=context) as plain,
    ):
        words = ["--store", "--store-port", port, "-ba", "127.0.0.1", "-od", tmp_path / "out"]
        words += ["--add-cert-file", authority.ca_file, *KEYS]
        secured = ["--enable-tls", mine.key, mine.cert]
        assert here("movescu", address(server), *words, *secured).status == 0
        assert here("movescu", address(plain), *words, *secured).status == 1
        assert here("movescu", address(plain), *words, *secured, "--store-plain").status == 0
        done = here("movescu", address(server), *words, "--tls")
    assert done.status == 2
    assert "--store-plain receives over plain TCP" in done.err
