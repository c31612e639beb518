"""What is logged, at which level, and what never is."""

from __future__ import annotations

import logging
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom.dataset import Dataset

from dicomproto.datasets import encode_data_set
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CEchoRQ, CFindRQ
from dicomproto.errors import AssociationRejected
from dicomproto.negotiation import build_associate_rq
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import PresentationContextRQ, RoleSelection, UserIdentityRQ
from dicomproto_transports import anyio, blocking, evt, testing, trio
from dicomproto_transports.events import dumps as _dumps
from dicomproto_transports.logs import debug_logger, log_associations, log_datasets, log_messages
from tests.associations import (
    CT_IMAGE,
    INSTANCE,
    PATIENT_ROOT_FIND,
    Stored,
    associate,
    associated,
    connect,
    data_set,
    make_ae,
    make_server,
    part10,
)
from tests.backends import AnyBackend, Lockstep

REJECTED = "rejected permanently by the service-user: calling AE title not recognized"
NAME, NUMBER, SECRET = "Wunderlich^Adalbert", "4711-0815", "open sesame"


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """All that is logged, by whomever."""
    taken: list[logging.LogRecord] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = taken.append  # type: ignore[method-assign]
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield taken
    root.removeHandler(handler)
    root.setLevel(before)


def told(records: list[logging.LogRecord], level: int = logging.INFO) -> list[str]:
    """Return what was logged at one level, without the addresses that the system chose."""
    messages = [record.getMessage() for record in records if record.levelno == level]
    return [re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", message) for message in messages]


def everything(records: list[logging.LogRecord]) -> str:
    """Return all that anybody could show of some records."""
    texts = []
    for record in records:
        texts += [record.getMessage(), repr(record.args), logging.Formatter().format(record)]
    return "\n".join(texts)


def patient() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CT_IMAGE
    dataset.SOPInstanceUID = INSTANCE
    dataset.PatientName = NAME
    dataset.PatientID = NUMBER
    return dataset


def patient_file() -> BytesIO:
    return BytesIO(part10(encode_data_set(patient(), EXPLICIT_VR_LITTLE_ENDIAN)))


# --- what is logged -----------------------------------------------------------------------------


def test_associations_and_operations(backend: AnyBackend, records: list[logging.LogRecord]) -> None:
    async def main() -> None:
        handlers = [(evt.EVT_C_STORE, Stored(0xB000)), (evt.EVT_C_ECHO, lambda event: 0x0122)]
        core = make_server(backend, handlers)
        contexts = [VERIFICATION, CT_IMAGE, "1.2.3"]
        async with associated(backend, core, contexts=contexts) as assoc:
            await assoc.send_c_echo()
            await assoc.send_c_store(BytesIO(part10(data_set())))

    backend.run(main)
    lines = told(records)
    assert sorted(lines) == sorted(
        [
            "'SCU' at ADDRESS: the association was accepted, with 2 of 3 presentation contexts",
            "'ANY-SCP' at ADDRESS: the association was accepted, with 2 of 3 presentation contexts",
            "'SCU' at ADDRESS: its C-ECHO 1 was answered 0122H (Refused: SOP class not supported)",
            "'ANY-SCP' at ADDRESS: our C-ECHO 1 was answered 0122H (Refused: SOP class not supported)",
            "'SCU' at ADDRESS: its C-STORE 2 was answered B000H (Warning of the service class)",
            "'ANY-SCP' at ADDRESS: our C-STORE 2 was answered B000H (Coercion of data elements)",
            "'SCU' at ADDRESS released the association",
            "'ANY-SCP' at ADDRESS: the association was released",
        ]
    )
    assert {record.name for record in records if record.levelno == logging.INFO} == {"dicomproto.association"}
    assert max(record.levelno for record in records) == logging.INFO


def test_other_ends(backend: AnyBackend, records: list[logging.LogRecord]) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            await (await associate(backend, server.port)).abort()
            rejecting = make_server(backend, [(evt.EVT_REQUESTED, lambda event: event.reject(1, 1, 3))])
            async with backend.serving(rejecting) as other:
                with pytest.raises(AssociationRejected):
                    await associate(backend, other.port)
        probing, probed = await backend.pair()
        await probing.close([], probing.now())
        await make_server(backend).serve_connection(probed, backend.backend, lambda: None)

    backend.run(main)
    assert sorted(line for line in told(records) if "accepted" not in line) == [
        f"'ANY-SCP' at ADDRESS: {REJECTED}",
        "'ANY-SCP' at ADDRESS: the association was aborted from this side",
        "'SCU' at ADDRESS ended the association: aborted by the service-user",
        f"'SCU' at ADDRESS: the association was {REJECTED}, from this side",
    ]
    assert "the peer at ADDRESS closed the connection before it requested an association" in told(
        records, logging.DEBUG
    )


def test_one_message_that_is_odd_all_over_makes_a_few_lines(records: list[logging.LogRecord]) -> None:
    backend = Lockstep()
    numbers = [0x0120, 0x0700, 0x0900, 0x0903, 0x1002, 0x1008, *range(0x1020, 0x1024), *[0x1005] * 5000]
    odd = [struct.pack("<HHI", 0, number, 3) + b"abc" for number in numbers]
    command = encode_command(CEchoRQ(AffectedSOPClassUID=VERIFICATION, MessageID=7)) + b"".join(odd)

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            peer = await connect(backend, server.port)
            await peer.request(VERIFICATION)
            peer.connection._upper.send_p_data(1, (command,), is_command=True, is_last=True)
            await peer.close()

    backend.run(main)
    tolerated = [line for line in told(records, logging.DEBUG) if "tolerated" in line]
    assert len(tolerated) == 11
    assert tolerated[-1] == "'PEER' at ADDRESS: tolerated: 3 more"


def test_what_is_pending_or_refused_or_odd(records: list[logging.LogRecord]) -> None:
    backend = Lockstep()

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, patient()

    async def main() -> None:
        ae = make_ae(backend, "SCP")
        ae.add_supported_context(PATIENT_ROOT_FIND)
        async with backend.serving(make_server(backend, [(evt.EVT_C_FIND, find)], ae)) as server:
            async with await associate(backend, server.port, contexts=[PATIENT_ROOT_FIND]) as assoc:
                async for _ in assoc.send_c_find(patient(), PATIENT_ROOT_FIND):
                    pass
            peer = await connect(backend, server.port)
            await peer.request(VERIFICATION)
            request = encode_command(CFindRQ(AffectedSOPClassUID="1.2-3", MessageID=7))
            forged = (request.replace(b"1.2-3", b"1.2\n3"),)
            peer.connection._upper.send_p_data(1, forged, is_command=True, is_last=True)
            peer.connection._upper.send_p_data(1, (b"  ",), is_command=False, is_last=True)
            await peer.close()

    backend.run(main)
    assert "'SCU' at ADDRESS: its C-FIND 1 was answered FF00H (Pending)" in told(records, logging.DEBUG)
    pending = [line for line in told(records, logging.DEBUG) if line.startswith("'ANY-SCP' at ADDRESS: our")]
    assert len(pending) == 1
    assert "our C-FIND 1 was answered FF00H (" in pending[0]
    assert "'SCU' at ADDRESS: its C-FIND 1 was answered 0000H (Success)" in told(records)
    (refused,) = [line for line in told(records) if "refused" in line]
    assert refused.startswith("'PEER' at ADDRESS: its C-FIND 7 was refused: ")
    assert "\n" not in refused


# --- what never is ------------------------------------------------------------------------------


@pytest.mark.parametrize("dumps", [False, True])
def test_no_patient_and_no_secret_is_in_any_record(
    backend: AnyBackend, records: list[logging.LogRecord], dumps: bool
) -> None:
    if dumps:
        debug_logger()
    exchange(backend)
    text = everything(records)
    assert ("PatientName" in text or "C-STORE-RQ from" in text) == dumps
    for word in (NAME, "Wunderlich", "Adalbert", NUMBER, SECRET, "the user"):
        assert word not in text


def test_patients_are_shown_to_those_who_ask_for_them_by_name_and_secrets_never(
    backend: AnyBackend, records: list[logging.LogRecord]
) -> None:
    debug_logger(datasets=True)
    exchange(backend)
    text = everything(records)
    for kind in ("C-STORE-RQ from", "C-STORE-RQ to", "C-FIND-RQ from", "C-FIND-RSP from"):
        (dump, *_) = [record.getMessage() for record in records if record.getMessage().startswith(kind)]
        assert NAME in dump
        assert NUMBER in dump
    assert SECRET not in text
    assert "the user" not in text


def exchange(backend: AnyBackend) -> None:
    """Send a patient's object and identifier, and the passcode of a user."""
    stored = Stored()

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, event.identifier

    identity = UserIdentityRQ(identity_type=2, primary_field=b"the user", secondary_field=SECRET.encode())

    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.add_supported_context(PATIENT_ROOT_FIND)
        core = make_server(backend, [(evt.EVT_C_STORE, stored), (evt.EVT_C_FIND, find)], scp)
        contexts = [CT_IMAGE, PATIENT_ROOT_FIND]
        async with associated(backend, core, contexts=contexts, ext_neg=[identity]) as assoc:
            await assoc.send_c_store(patient_file())
            await assoc.send_c_store(patient())
            found = [identifier async for _, identifier in assoc.send_c_find(patient(), PATIENT_ROOT_FIND)]
            assert found[0].PatientName == NAME

    backend.run(main)
    assert NAME.encode() in stored.objects[0]


@pytest.mark.parametrize("logger", ["", "dicomproto"])
def test_a_level_that_is_inherited_asks_for_no_dumps(logger: str, records: list[logging.LogRecord]) -> None:
    logging.getLogger(logger).setLevel(logging.DEBUG)
    backend = Lockstep()
    observers = []

    async def main() -> None:
        async with associated(backend, make_server(backend)) as assoc:
            observers.append(assoc._session.driver.observer)
            await assoc.send_c_echo()

    backend.run(main)
    assert observers == [None]
    assert not [record for record in records if record.name.startswith("dicomproto.dumps")]


def test_text_of_a_peer_makes_no_line_of_its_own(
    backend: AnyBackend, records: list[logging.LogRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    """It would pass for what we log."""
    forged = "A\nI: all is well"
    debug_logger()
    request = build_associate_rq("SCU", "SCP", [(VERIFICATION, [EXPLICIT_VR_LITTLE_ENDIAN])])
    request = request.replace(
        calling_ae_title=forged,
        implementation_version_name=forged,
        implementation_class_uid=forged,
        application_context_name=forged,
        presentation_contexts=(
            *request.presentation_contexts,
            PresentationContextRQ(context_id=3, abstract_syntax=forged, transfer_syntaxes=(forged,)),
        ),
        role_selections=(RoleSelection(sop_class_uid=forged, scu_role=True, scp_role=False),),
    )

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            stream = await backend.backend.connect("127.0.0.1", server.port)
            await stream.send([encode_pdu(request)], None)
            while await stream.receive(None):
                pass
            await stream.close([], stream.now())

    backend.run(main)
    lines = capsys.readouterr().err.splitlines()
    assert all(line[1:3] == ": " for line in lines)
    assert not [line for line in lines if line.startswith("I: all")]
    assert len([line for line in lines if "I: all is well" in line]) > 5


# --- debug_logger -------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", [blocking, trio, anyio, testing])
def test_every_flavour_has_it(flavour: object) -> None:
    assert flavour.debug_logger is debug_logger  # type: ignore[attr-defined]


def test_called_again_it_shows_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        debug_logger()
    log = logging.getLogger("dicomproto.handlers")
    log.warning("once\nand no more")
    try:
        raise ZeroDivisionError("reason")
    except ZeroDivisionError:
        log.exception("failed")
    first, second, *trace = capsys.readouterr().err.splitlines()
    assert first == "W: once\\nand no more"
    assert second == "E: failed"
    assert trace[0] == "E: Traceback (most recent call last):"
    assert trace[-1] == "E: ZeroDivisionError: reason"


def test_data_sets_are_asked_for_anew_each_time() -> None:
    datasets = logging.getLogger("dicomproto.dumps.datasets")
    debug_logger(datasets=True)
    assert datasets.level == logging.DEBUG
    debug_logger()
    assert datasets.level == logging.NOTSET


def test_without_it_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even by the handler of last resort of `logging`."""
    code = (
        "import logging\n"
        "import dicomproto_transports.blocking\n"
        "logging.getLogger('dicomproto.association').error('shown')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- handlers that dump -------------------------------------------------------------------------


def test_dumps_of_one_association(records: list[logging.LogRecord]) -> None:
    backend = Lockstep()
    bindings = [(evt.EVT_ACSE_SENT, log_associations), (evt.EVT_DIMSE_RECV, log_messages)]

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, Stored())])
        async with associated(backend, core, evt_handlers=bindings) as assoc:
            await assoc.send_c_echo()
            assoc.bind(evt.EVT_DIMSE_SENT, log_datasets)
            await assoc.send_c_store(patient())

    backend.run(main)
    heads = [record.getMessage().partition("\n")[0] for record in records if "dumps" in record.name]
    assert heads == [
        "A-ASSOCIATE-RQ to 'ANY-SCP' at 127.0.0.1:11112",
        "C-ECHO-RSP from 'ANY-SCP' at 127.0.0.1:11112, context 1",
        "C-STORE-RQ to 'ANY-SCP' at 127.0.0.1:11112, context 3",
        "C-STORE-RSP from 'ANY-SCP' at 127.0.0.1:11112, context 3",
        "A-RELEASE-RQ to 'ANY-SCP' at 127.0.0.1:11112",
    ]


def test_what_is_bound_already_is_not_dumped_twice(records: list[logging.LogRecord]) -> None:
    backend = Lockstep()
    debug_logger()

    async def main() -> None:
        core = make_server(backend)
        async with associated(backend, core, evt_handlers=[(evt.EVT_DIMSE_SENT, log_messages)]) as assoc:
            await assoc.send_c_echo()
            assert assoc._session.driver.observer is not None
        assert core.handlers.get_events() == []

    backend.run(main)
    assert len([record for record in records if record.getMessage().startswith("C-ECHO-RQ to")]) == 1


def test_dumps_that_nobody_would_see_are_not_made() -> None:
    backend = Lockstep()
    logging.getLogger("dicomproto").setLevel(logging.INFO)
    bindings = [
        (kind, handler)
        for kind, handler in (
            (evt.EVT_ACSE_SENT, log_associations),
            (evt.EVT_DIMSE_SENT, log_messages),
            (evt.EVT_DIMSE_RECV, log_datasets),
        )
    ]

    async def main() -> None:
        async with associated(backend, make_server(backend), evt_handlers=bindings) as assoc:
            await assoc.send_c_echo()

    with pytest.MonkeyPatch.context() as patch:
        for name in ("association_lines", "message_lines", "dataset_lines"):
            patch.delattr(_dumps, name)
        backend.run(main)
