"""C-FIND and its C-CANCEL with DCMTK: ours ask dcmqrscp and wlmscpfs, findscu asks ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomproto.errors import AssociationAborted, ConnectionLost, NoAcceptedContext
from dicomproto_transports.blocking import Association, evt
from tests.interop.archives import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    WORKLIST,
    Held,
    Model,
    Told,
    associated,
    dcmqrscp,
    held_by,
    holdings,
    key_options,
    keys,
    paths,
    serving,
    told,
    wait_until,
    wlmscpfs,
    worklist_entry,
    write_small,
)
from tests.interop.catalogue import read_dataset
from tests.interop.programs import LOOPBACK, Program, dcmtk, run
from tests.interop.proxy import Proxy

pytestmark = pytest.mark.dcmtk

SUCCESS, CANCEL, PENDING, PENDING_UNSUPPORTED_KEYS = 0x0000, 0xFE00, 0xFF00, 0xFF01
SYNTAXES = {IMPLICIT: "-xi", EXPLICIT: "-xe", BIG_ENDIAN: "-xb", DEFLATED: "-xd"}
"""The transfer syntaxes of identifiers, with the options of findscu that propose them first."""

LEVELS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


def find(association: Association, identifier: Dataset, model: str) -> tuple[int, list[Dataset]]:
    """Return the final status and the matches."""
    *matches, (final, nothing) = association.send_c_find(identifier, model)
    assert nothing is None
    assert {match.Status.category.name for match, _ in matches} <= {"PENDING"}
    return int(final.Status), [found for _, found in matches if found is not None]


# --- ours ask dcmqrscp ------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (PATIENT_ROOT, ["PATIENT", "STUDY", "SERIES", "IMAGE"]),
        (STUDY_ROOT, ["STUDY", "SERIES", "IMAGE"]),
        (PATIENT_STUDY_ONLY, ["PATIENT", "STUDY"]),
    ],
    ids=["patient-root", "study-root", "patient-study-only"],
)
def test_dcmqrscp_answers_at_every_level(
    model: Model, levels: list[str], syntax: str, tmp_path: Path
) -> None:
    options = ["+xd"] if syntax == DEFLATED else []
    with (
        dcmqrscp(tmp_path, paths(holdings()), *options) as server,
        associated(server.port, (model.find, [syntax])) as association,
    ):
        assert association.accepted_contexts[0].transfer_syntax == syntax
        above: dict[str, str] = {}
        for level in levels:
            key = LEVELS[level]
            status, found = find(association, keys(level, **above, **{key: ""}), model.find)
            wanted = {getattr(held, key) for held in held_by(**above)}
            assert status == SUCCESS
            assert sorted(match[key].value for match in found) == sorted(wanted)
            assert {match.QueryRetrieveLevel for match in found} == {level}
            assert {match.RetrieveAETitle for match in found} == {"ARCHIVE"}
            # Down the tree to the next level, where there is most to be found.
            above[key] = max(wanted, key=lambda value: len(held_by(**{**above, key: value})))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_dcmqrscp_tells_names_in_any_character_set(syntax: str, tmp_path: Path) -> None:
    """It converts what the files hold in ten character sets to the one of the request."""
    identifier = keys("PATIENT", SpecificCharacterSet="ISO_IR 192", PatientID="", PatientName="")
    with (
        dcmqrscp(tmp_path, paths(holdings())) as server,
        associated(server.port, (PATIENT_ROOT.find, [syntax])) as association,
    ):
        status, found = find(association, identifier, PATIENT_ROOT.find)
        asked_for = {}
        for patient in ("SCSGREEK", "SCSRUSS", "2008-3"):
            identifier.PatientName = held_by(PatientID=patient)[0].PatientName
            asked_for[patient] = find(association, identifier, PATIENT_ROOT.find)[1]
    assert status == SUCCESS
    names = {match.PatientID: str(match.PatientName) for match in found}
    assert names == {held.PatientID: held.PatientName for held in holdings()}
    for patient, matches in asked_for.items():
        assert [match.PatientID for match in matches] == [patient]
        assert not str(matches[0].PatientName).isascii()


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"PatientName": "SC*"}, lambda held: held.PatientName.startswith("SC")),
        ({"PatientID": "9889023?"}, lambda held: held.PatientID == "98890234"),
        ({"StudyDate": "20010101-20040826"}, lambda held: "20010101" <= held.StudyDate <= "20040826"),
        ({"StudyDate": "-20010101"}, lambda held: "0" < held.StudyDate <= "20010101"),
        ({"PatientID": "no such patient"}, lambda held: False),
    ],
    ids=["star", "question-mark", "range", "until", "none"],
)
def test_dcmqrscp_matches(wanted: dict[str, str], fits: Callable[[Held], bool], tmp_path: Path) -> None:
    expected = {held.StudyInstanceUID for held in holdings() if fits(held)}
    with (
        dcmqrscp(tmp_path, paths(holdings())) as server,
        associated(server.port, STUDY_ROOT.find) as association,
    ):
        status, found = find(association, keys("STUDY", StudyInstanceUID="", **wanted), STUDY_ROOT.find)
    assert status == SUCCESS
    assert {match.StudyInstanceUID for match in found} == expected
    assert len(found) == len(expected)


def test_dcmqrscp_matches_a_list_of_uids(tmp_path: Path) -> None:
    some = sorted({held.StudyInstanceUID for held in holdings()})[:3]
    with (
        dcmqrscp(tmp_path, paths(holdings())) as server,
        associated(server.port, STUDY_ROOT.find) as association,
    ):
        _, found = find(association, keys("STUDY", StudyInstanceUID=some), STUDY_ROOT.find)
    assert sorted(match.StudyInstanceUID for match in found) == some


@pytest.mark.parametrize(
    ("identifier", "status"),
    [
        (keys("NONSENSE", StudyInstanceUID=""), 0xC000),
        (keys("IMAGE", PatientID="X"), 0xA900),  # which is a key of studies
        (keys(StudyInstanceUID=""), 0xA900),
    ],
    ids=["level", "keys", "no-level"],
)
def test_dcmqrscp_refuses_an_identifier(identifier: Dataset, status: int, tmp_path: Path) -> None:
    with dcmqrscp(tmp_path, (), "-XF") as server, associated(server.port, STUDY_ROOT.find) as association:
        assert find(association, identifier, STUDY_ROOT.find) == (status, [])
        # The association is none the worse for it.
        assert find(association, keys("STUDY", StudyInstanceUID=""), STUDY_ROOT.find) == (SUCCESS, [])


def test_dcmqrscp_does_not_have_the_model(tmp_path: Path) -> None:
    with (
        dcmqrscp(tmp_path, (), "-QS") as server,
        associated(server.port, PATIENT_ROOT.find, STUDY_ROOT.find) as association,
    ):
        with pytest.raises(NoAcceptedContext, match=re.escape(STUDY_ROOT.find)):
            association.send_c_find(keys("STUDY", StudyInstanceUID=""), STUDY_ROOT.find)
        assert find(association, keys("PATIENT", PatientID=""), PATIENT_ROOT.find) == (SUCCESS, [])


MANY = 400


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_small(tmp_path_factory.mktemp("many"), MANY)


def images(path: Path) -> Dataset:
    """Return the identifier that asks for all images of the series that a file is of."""
    head = read_dataset(path)
    uids = {key: head[key].value for key in ("StudyInstanceUID", "SeriesInstanceUID")}
    return keys("IMAGE", SOPInstanceUID="", **uids)


def test_many_matches_and_those_that_nobody_takes(many: list[Path], tmp_path: Path) -> None:
    with (
        dcmqrscp(tmp_path, many) as server,
        associated(server.port, STUDY_ROOT.find) as association,
    ):
        identifier = images(many[0])
        with association.send_c_find(identifier, STUDY_ROOT.find) as responses:
            assert [next(responses)[0].Status for _ in range(3)] == [PENDING] * 3
        assert responses.is_over
        status, found = find(association, identifier, STUDY_ROOT.find)
    assert status == SUCCESS
    assert len({match.SOPInstanceUID for match in found}) == MANY


def test_dcmqrscp_ends_what_is_cancelled(many: list[Path], tmp_path: Path) -> None:
    """The proxy lets the request and its C-CANCEL arrive together, and the one finds the other at work."""
    with dcmqrscp(tmp_path, many) as server, Proxy(server.port, hold_after=1) as proxy:
        with associated(proxy.port, STUDY_ROOT.find) as association:
            responses = association.send_c_find(images(many[0]), STUDY_ROOT.find)
            responses.cancel()
            proxy.resume.set()
            *matches, (final, _) = responses
            assert final.Status == CANCEL
            assert final.Status.category.name == "CANCEL"
            assert len(matches) < MANY
            assert association.is_established
            assert find(association, images(many[0]), STUDY_ROOT.find)[0] == SUCCESS
    assert "MatchingTerminatedDueToCancelRequest" in server.output + server.errors


def test_ours_aborts_in_mid_operation(many: list[Path], tmp_path: Path) -> None:
    with dcmqrscp(tmp_path, many) as server:
        with associated(server.port, STUDY_ROOT.find) as association:
            responses = association.send_c_find(images(many[0]), STUDY_ROOT.find)
            next(responses)
            association.abort()
            with pytest.raises(AssociationAborted):
                next(responses)
        with associated(server.port, STUDY_ROOT.find) as association:
            assert find(association, images(many[0]), STUDY_ROOT.find)[0] == SUCCESS


# --- ours ask wlmscpfs ------------------------------------------------------------------------------


def scheduled(**step: object) -> Dataset:
    """Return a worklist query for steps with these attributes."""
    step.setdefault("ScheduledProcedureStepID", "")
    return keys(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="",
        PatientID="",
        AccessionNumber="",
        ScheduledProcedureStepSequence=[keys(**step)],
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_wlmscpfs_finds_what_is_scheduled(syntax: str, tmp_path: Path) -> None:
    worklist = [worklist_entry(number, "CT" if number % 2 else "MR") for number in range(1, 21)]
    options = ["+xd"] if syntax == DEFLATED else []
    with (
        wlmscpfs(tmp_path, worklist, "-csk", *options) as server,
        associated(server.port, (WORKLIST, [syntax]), called="WORKLIST") as association,
    ):
        everything = find(association, scheduled(), WORKLIST)
        days = find(
            association,
            scheduled(Modality="CT", ScheduledProcedureStepStartDate="20240103-20240108"),
            WORKLIST,
        )
        by_name = find(
            association, keys(SpecificCharacterSet="ISO_IR 192", PatientName="Wörker^1*"), WORKLIST
        )
    assert everything[0] == days[0] == by_name[0] == SUCCESS
    told = {
        match.PatientID: (
            str(match.PatientName),
            match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID,
        )
        for match in everything[1]
    }
    assert told == {f"W{number}": (f"Wörker^{number}", f"S{number}") for number in range(1, 21)}
    assert {match.AccessionNumber for match in days[1]} == {"A3", "A5", "A7"}
    assert len(by_name[1]) == 11  # 1 and 10 to 19


def test_wlmscpfs_says_that_it_does_not_support_a_key(tmp_path: Path) -> None:
    with (
        wlmscpfs(tmp_path, [worklist_entry(1)]) as server,
        associated(server.port, WORKLIST, called="WORKLIST") as association,
    ):
        plain = [status.Status for status, _ in association.send_c_find(scheduled(), WORKLIST)]
        identifier = scheduled()
        identifier.Rows = 512
        unsupported = [status.Status for status, _ in association.send_c_find(identifier, WORKLIST)]
    assert plain == [PENDING, SUCCESS]
    assert unsupported == [PENDING_UNSUPPORTED_KEYS, SUCCESS]


def test_wlmscpfs_refuses_an_identifier(tmp_path: Path) -> None:
    with (
        wlmscpfs(tmp_path, [worklist_entry(1)]) as server,
        associated(server.port, WORKLIST, called="WORKLIST") as association,
    ):
        with pytest.warns(UserWarning, match="Invalid value"):
            identifier = scheduled(ScheduledProcedureStepStartDate="tomorrow")
        status, found = find(association, identifier, WORKLIST)
    assert (status, found) == (0xA900, [])


def test_wlmscpfs_ends_what_is_cancelled(tmp_path: Path) -> None:
    """The request and its C-CANCEL arrive together, as at dcmqrscp."""
    worklist = [worklist_entry(number) for number in range(1, 21)]
    with wlmscpfs(tmp_path, worklist) as server, Proxy(server.port, hold_after=1) as proxy:
        with associated(proxy.port, WORKLIST, called="WORKLIST") as association:
            responses = association.send_c_find(scheduled(), WORKLIST)
            responses.cancel()
            proxy.resume.set()
            *matches, (final, nothing) = responses
            assert (final.Status, nothing) == (CANCEL, None)
            assert len(matches) < len(worklist)
            assert association.is_established
            status, found = find(association, scheduled(), WORKLIST)
            assert (status, len(found)) == (SUCCESS, len(worklist))
        server.until(
            lambda: "MatchingTerminatedDueToCancelRequest" in server.output + server.errors, "it says so"
        )


def test_wlmscpfs_is_killed_before_it_has_answered(tmp_path: Path) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        wlmscpfs(tmp_path, [worklist_entry(1)], "--sleep-before", "60") as server,
    ):
        asking = pool.submit(ask_once, server.port)
        server.until(lambda: "C-FIND RQ" in server.output + server.errors, "it is asked")
        server.kill()
        with pytest.raises(ConnectionLost, match="on the established association"):
            asking.result()


def ask_once(port: int) -> None:
    with associated(port, WORKLIST, called="WORKLIST") as association:
        find(association, scheduled(), WORKLIST)


# --- findscu asks ours --------------------------------------------------------------------------------


def findscu(port: int, *options: str | Path, identifier: Dataset | None = None) -> list[int]:
    """Run findscu, which asks for studies by default, and return the statuses that it received."""
    identifier = keys("STUDY", StudyInstanceUID="") if identifier is None else identifier
    done = run([*dcmtk("findscu"), "-d", *options, *key_options(identifier), LOOPBACK, str(port)])
    assert done.status == 0, done.everything
    return [response.status for response in told(done.errors)]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("option", "model"),
    [("-P", PATIENT_ROOT.find), ("-S", STUDY_ROOT.find), ("-O", PATIENT_STUDY_ONLY.find), ("-W", WORKLIST)],
)
def test_findscu_receives_the_matches_as_they_are(
    option: str, model: str, syntax: str, tmp_path: Path
) -> None:
    asked: list[evt.Event] = []
    matches = [worklist_entry(number) for number in range(1, 8)]

    def handle(event: evt.Event) -> Iterator[object]:
        asked.append(event)
        for match in matches:
            yield PENDING, match

    identifier = keys("STUDY", PatientName="W*", PatientID="", StudyDate="20240101-")
    with serving((evt.EVT_C_FIND, handle), contexts=[(model, [syntax])]) as port:
        statuses = findscu(port, option, SYNTAXES[syntax], "-X", "-od", tmp_path, identifier=identifier)
    assert statuses == [PENDING] * len(matches) + [SUCCESS]
    (event,) = asked
    assert event.request.AffectedSOPClassUID == model
    assert event.context.transfer_syntax == syntax
    assert event.identifier == identifier
    assert [read_dataset(path) for path in sorted(tmp_path.glob("rsp*.dcm"))] == matches


def test_findscu_receives_many_matches() -> None:
    def handle(event: evt.Event) -> Iterator[object]:
        for number in range(2000):
            yield PENDING, keys("STUDY", StudyInstanceUID=f"1.2.826.0.1.3680043.8.498.6.{number}")

    with serving((evt.EVT_C_FIND, handle), contexts=[STUDY_ROOT.find]) as port:
        assert findscu(port, "-S") == [PENDING] * 2000 + [SUCCESS]


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, CANCEL, 0x0122])
@pytest.mark.parametrize("before", [0, 3])
def test_findscu_receives_the_final_status(status: int, before: int) -> None:
    def handle(event: evt.Event) -> Iterator[object]:
        for number in range(before):
            yield PENDING_UNSUPPORTED_KEYS, keys("STUDY", StudyInstanceUID=f"1.2.{number}")
        yield status, None

    with serving((evt.EVT_C_FIND, handle), contexts=[STUDY_ROOT.find]) as port:
        assert findscu(port, "-S") == [PENDING_UNSUPPORTED_KEYS] * before + [status]


def test_findscu_is_told_what_was_wrong() -> None:
    def handle(event: evt.Event) -> Iterator[object]:
        status = keys(Status=0xA900, ErrorComment="no such key", OffendingElement=[0x00100020])
        yield status, None

    with serving((evt.EVT_C_FIND, handle), contexts=[STUDY_ROOT.find]) as port:
        options = key_options(keys("STUDY", StudyInstanceUID=""))
        done = run([*dcmtk("findscu"), "-d", "-S", *options, LOOPBACK, str(port)])
    assert told(done.errors) == [Told(0xA900)]
    assert re.search(r"\(0000,0901\) AT \(0010,0020\)", done.errors)
    assert re.search(r"\(0000,0902\) LO \[no such key", done.errors)


def test_findscu_asks_for_what_nobody_provides() -> None:
    with serving(contexts=[STUDY_ROOT.find, WORKLIST]) as port:
        assert findscu(port, "-S") == [0x0211]
        refused = run([*dcmtk("findscu"), "-P", "-k", "0010,0020=", LOOPBACK, str(port)])
    assert refused.status != 0
    assert "No Acceptable Presentation Contexts" in refused.errors


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_findscu_cancels(is_heard: bool) -> None:
    """The handler has more matches than anybody counts; it ends by itself, or is ended."""
    closed: list[bool] = []

    def handle(event: evt.Event) -> Iterator[object]:
        try:
            for number in count():
                if is_heard and event.is_cancelled:
                    yield CANCEL, None
                yield PENDING, keys("STUDY", StudyInstanceUID=f"1.2.{number}")
        finally:
            closed.append(event.is_cancelled)

    with serving((evt.EVT_C_FIND, handle), contexts=[STUDY_ROOT.find]) as port:
        *pending, final = findscu(port, "-S", "--cancel", "5")
    assert set(pending) == {PENDING}
    assert len(pending) >= 5
    assert final == CANCEL
    assert closed == [True]


def test_findscu_is_killed_in_mid_operation(tmp_path: Path) -> None:
    """The handler would go on for ever; it is closed, and its association is gone."""
    closed: list[evt.Event] = []

    def handle(event: evt.Event) -> Iterator[object]:
        try:
            for number in count():
                yield PENDING, keys("STUDY", StudyInstanceUID=f"1.2.{number}")
        finally:
            closed.append(event)

    with serving((evt.EVT_C_FIND, handle), contexts=[STUDY_ROOT.find]) as port:
        options = key_options(keys("STUDY", StudyInstanceUID=""))
        with Program([*dcmtk("findscu"), "-v", "-S", *options, LOOPBACK, str(port)], tmp_path) as asking:
            asking.until(lambda: "Find Response: 9 " in asking.errors, "it has some matches")
            asking.kill()
        wait_until(lambda: closed, "the handler is closed")
        wait_until(lambda: closed[0].assoc.ending, "the association has ended")
        assert isinstance(closed[0].assoc.ending, ConnectionLost)
