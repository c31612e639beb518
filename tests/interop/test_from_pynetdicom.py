"""Programs for pynetdicom run after a change of their import lines; a page says where every name went.

The examples are those of pynetdicom's README, as it is and as it was in version 1.5, retyped: what they
do stands as it is there, but for the address and the port. After each of them the test looks at what
came of it.
"""

from __future__ import annotations

import inspect
import io
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pynetdicom
import pytest
from pynetdicom import _config, dsutils, pdu_primitives, presentation, sop_class, status, transport, utils
from pynetdicom import events as pynetdicom_events
from pynetdicom.association import Association as TheirAssociation
from pynetdicom.association import ServiceUser as TheirServiceUser

from dicomproto.errors import ConnectionLost
from dicomproto_transports.blocking import AE, Association, evt
from tests.interop.programs import LOOPBACK, TIMEOUT
from tests.ports import free_port

CT_FILE = str(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
PAGE = (Path(__file__).parents[2] / "docs" / "from-pynetdicom.md").read_text()


@contextmanager
def storage_scp() -> Iterator[tuple[int, list[Any]]]:
    """A server of ours for the examples of requestors: its port, and the events of what it was asked."""
    seen: list[Any] = []

    def keep(event: evt.Event) -> int:
        seen.append(event)
        return 0x0000

    ae = AE()
    for uid in ("1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"):
        ae.add_supported_context(uid)
    handlers = [(evt.EVT_C_ECHO, keep), (evt.EVT_C_STORE, keep)]
    server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    try:
        yield server.port, seen
    finally:
        server.shutdown()


# --- the examples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["MY_ECHO_SCU", b"MY_ECHO_SCU"])
def test_echo_scu(title: str | bytes) -> None:
    def example(addr: str, port: int) -> None:
        from dicomproto_transports.blocking import AE

        ae = AE(ae_title=title)
        ae.add_requested_context("1.2.840.10008.1.1")
        assoc = ae.associate(addr, port)
        if assoc.is_established:
            status = assoc.send_c_echo()
            if status:
                print("C-ECHO Response: 0x{0:04x}".format(status.Status))  # noqa: UP030, UP032 - as it was
            assoc.release()

    with storage_scp() as (port, seen), redirect_stdout(io.StringIO()) as printed:
        example(LOOPBACK, port)
    assert printed.getvalue() == "C-ECHO Response: 0x0000\n"
    (event,) = seen
    assert (event.request.name, event.assoc.requestor.ae_title) == ("C-ECHO-RQ", "MY_ECHO_SCU")


@pytest.mark.parametrize(
    ("host", "title"), [("localhost", "MY_ECHO_SCP"), ("", "MY_ECHO_SCP"), ("", b"MY_ECHO_SCP")]
)
def test_echo_scp_that_blocks(host: str, title: str | bytes) -> None:
    servers = []

    def example(port: int) -> None:
        from dicomproto_transports import VerificationPresentationContexts
        from dicomproto_transports.blocking import AE

        ae = AE(ae_title=title)
        ae.require_called_aet = True  # the example does not, but so its title shows
        ae.supported_contexts = VerificationPresentationContexts
        servers.append(ae)
        ae.start_server((host, port), block=True)

    port = free_port()
    thread = threading.Thread(target=example, args=[port])
    thread.start()
    try:
        ae = AE()
        ae.add_requested_context("1.2.840.10008.1.1")

        def echoes() -> bool:
            try:
                with ae.associate("localhost", port, ae_title="MY_ECHO_SCP") as assoc:
                    return assoc.send_c_echo().Status == 0x0000
            except ConnectionLost:
                return False  # it does not listen yet

        deadline = time.monotonic() + TIMEOUT
        while not echoes():
            assert time.monotonic() < deadline
    finally:
        servers[0].shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["now", "1.5"])
def test_echo_scp_that_does_not_block(version: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pynetdicom")

    def example(port: int) -> None:
        import logging

        from dicomproto.services.sop_classes import Verification, VerificationSOPClass
        from dicomproto_transports import debug_logger
        from dicomproto_transports.blocking import AE, evt

        if version == "1.5":
            Verification = VerificationSOPClass
        debug_logger()

        ae = AE(ae_title="MY_ECHO_SCP" if version == "now" else b"MY_ECHO_SCP")
        ae.add_supported_context(Verification)

        def handle_echo(event: Any, logger: Any) -> int:
            requestor = event.assoc.requestor
            timestamp = event.timestamp.strftime("%Y-%m-%d %H:%M:%S")
            msg = (
                f"Received C-ECHO service request from ({requestor.address}, {requestor.port}) at {timestamp}"
            )
            logger.info(msg)
            return 0x0000

        handlers = [(evt.EVT_C_ECHO, handle_echo, [logging.getLogger("pynetdicom")])]
        scp = ae.start_server(("localhost", port), block=False, evt_handlers=handlers)

        ae.add_requested_context(Verification)
        assoc = ae.associate("localhost", port)
        if assoc.is_established:
            status = assoc.send_c_echo()
            assert status
            assoc.release()

        scp.shutdown()

    example(free_port())
    messages = [record.message for record in caplog.records if record.name == "pynetdicom"]
    assert len(messages) == 1
    assert re.fullmatch(
        r"Received C-ECHO service request from \((127\.0\.0\.1|::1), \d+\) at [\d-]{10} [\d:]{8}", messages[0]
    )


@pytest.mark.parametrize("title", ["MY_STORAGE_SCU", b"MY_STORAGE_SCU"])
def test_storage_scu(title: str | bytes) -> None:
    results = []

    def example(addr: str, port: int) -> None:
        from pydicom import dcmread
        from pydicom.uid import ImplicitVRLittleEndian

        from dicomproto.services.sop_classes import CTImageStorage, MRImageStorage
        from dicomproto_transports import VerificationPresentationContexts
        from dicomproto_transports.blocking import AE

        ae = AE(ae_title=title)
        ae.requested_contexts = VerificationPresentationContexts
        ae.add_requested_context(
            CTImageStorage,
            transfer_syntax=ImplicitVRLittleEndian,
        )
        ae.add_requested_context(
            MRImageStorage,
            transfer_syntax=[ImplicitVRLittleEndian, "1.2.840.10008.1.2.1"],
        )

        assoc = ae.associate(addr, port)
        if assoc.is_established:
            dataset = dcmread(CT_FILE)
            status = assoc.send_c_store(dataset)
            results.append(status)

            assoc.release()

    with storage_scp() as (port, seen):
        example(LOOPBACK, port)
    (result,) = results
    assert result
    assert result.Status == 0x0000
    (event,) = seen
    sent = pydicom.dcmread(CT_FILE)
    assert (event.request.name, event.assoc.requestor.ae_title) == ("C-STORE-RQ", "MY_STORAGE_SCU")
    assert event.request.AffectedSOPInstanceUID == sent.SOPInstanceUID
    assert event.context.transfer_syntax == "1.2.840.10008.1.2"
    assert event.dataset.PixelData == sent.PixelData
    assert event.dataset == sent


def test_two_tuples_and_statuses() -> None:
    """A handler without arguments, a status that is a Dataset, and the truth of what comes back."""
    from pydicom.dataset import Dataset

    def handle_store(event: evt.Event) -> Dataset:
        answer = Dataset()
        answer.Status = 0xB006
        answer.ErrorComment = "a comment"
        answer.OffendingElement = [0x00100010]
        return answer

    ae = AE()
    ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.2")
    scp = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, handle_store)])
    assoc = ae.associate(LOOPBACK, scp.server_address[1])
    status = assoc.send_c_store(CT_FILE, msg_id=5, priority=1)
    assert status
    assert (status.Status, f"0x{status.Status:04x}", status.ErrorComment) == (0xB006, "0xb006", "a comment")
    assert status.OffendingElement == (0x00100010,)
    assert status.status.category.value == "Warning"
    assert assoc.ae is ae
    assert len(ae.active_associations) == 2  # that of either side
    assoc.release()
    assert assoc.is_released
    assert not assoc.is_established
    ae.shutdown()


# --- the page -------------------------------------------------------------------------------------


def public(thing: object) -> list[str]:
    """Return the names without underscore that a module or class has of its own."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    if inspect.ismodule(thing):
        return [
            name
            for name in names
            if not inspect.ismodule(getattr(thing, name))
            and getattr(getattr(thing, name), "__module__", thing.__name__) == thing.__name__
        ]
    return names


def theirs() -> dict[str, list[str]]:
    of_thread = dir(threading.Thread)
    return {
        "the package": [name for name in public(pynetdicom) if name[0].isupper() or name.startswith("build")],
        "AE": public(pynetdicom.AE),
        "Association": [name for name in public(TheirAssociation) if name not in of_thread],
        "ServiceUser": public(TheirServiceUser),
        "Event": public(pynetdicom_events.Event),
        "events": [name for name in dir(pynetdicom.evt) if name.startswith("EVT_")],
        "what events are": public(pynetdicom_events),
        "negotiation items": [name for name in public(pdu_primitives) if name[0].isupper()],
        "PresentationContext": public(presentation.PresentationContext),
        "presentation": [name for name in public(presentation) if "ROLE" not in name and name[0] != "_"],
        "sop_class": [
            "SOPClass",
            *(name for name in public(sop_class) if inspect.isfunction(getattr(sop_class, name))),
        ],
        "status": [
            name for name in public(status) if not name.endswith(("_SERVICE_CLASS_STATUS", "STEP_STATUS"))
        ],
        "utils": public(utils),
        "dsutils": public(dsutils),
        "transport": [name for name in public(transport) if inspect.isclass(getattr(transport, name))],
        "_config": [name for name in dir(_config) if name.isupper()],
    }


NOT_FOR_USERS = {
    *("CONTEXT_REJECTED", "SOP_CLASS_MODULE", "HAVE_CTYPES", "PYNETDICOM_IMPLEMENTATION_VERSION"),
    *("TYPE_CHECKING", "T_CONNECT", "DEFAULT_TRANSFER_SYNTAXES", "LOGGER"),
    *("DEFAULT_MAX_LENGTH", "ServiceParameter"),
}


@pytest.mark.parametrize("place", theirs())
def test_the_page_names_everything(place: str) -> None:
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    named = set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", " ".join(re.findall(r"`([^`]+)`", prose))))
    missing = [name for name in theirs()[place] if name not in named | NOT_FOR_USERS]
    assert missing == []


SAME_CALLS = {
    "associate": (),
    "start_server": (),
    "add_requested_context": (),
    "add_supported_context": (),
    "remove_requested_context": (),
    "remove_supported_context": (),
    **{name: () for name in dir(TheirAssociation) if name.startswith("send_")},
    **dict.fromkeys(("bind", "unbind", "get_events", "get_handlers", "release"), ()),
    "abort": ("block",),
}
"""The methods that take what pynetdicom's take, in the same order; and what of that they do not take."""


@pytest.mark.parametrize("name", SAME_CALLS)
def test_the_same_calls(name: str) -> None:
    at_home, here = (TheirAssociation, Association) if hasattr(Association, name) else (pynetdicom.AE, AE)

    def parameters(owner: type) -> list[str]:
        return list(inspect.signature(getattr(owner, name)).parameters)

    expected = [one for one in parameters(at_home) if one not in SAME_CALLS[name]]
    assert parameters(here)[: len(expected)] == expected


def test_what_is_set_without_effect_is_refused() -> None:
    ae = AE()
    ae.add_requested_context("1.2.840.10008.1.1")
    with storage_scp() as (port, _), ae.associate(LOOPBACK, port) as assoc:
        for name in ("dimse_timeout", "network_timeout", "acse_timeout", "connection_timeout"):
            assert getattr(assoc, name) == getattr(ae, name)
            with pytest.raises(AttributeError):
                setattr(assoc, name, 5)
        assoc.patients = 3  # what a program keeps there is its own affair


def test_categories_equal_their_names() -> None:
    from dicomproto.dimse.status import category_of

    for code in (0x0000, 0xB000, 0xA700, 0xFE00, 0xFF00):
        assert category_of(code) == status.code_to_category(code)
        assert f"{category_of(code)}" == status.code_to_category(code)


def test_the_lists_of_contexts_are_theirs() -> None:
    """The same SOP classes; of the transfer syntaxes that both know, the same."""
    import dicomproto_transports

    lists = [name for name in dir(pynetdicom) if name.endswith("PresentationContexts")]
    assert len(lists) >= 24
    for name in lists:
        ours = {context.abstract_syntax for context in getattr(dicomproto_transports, name)}
        assert ours == {str(context.abstract_syntax) for context in getattr(pynetdicom, name)}, name


def test_sop_classes_have_their_names() -> None:
    from dicomproto.services import sop_classes

    names = [name for name in dir(sop_class) if isinstance(getattr(sop_class, name), sop_class.SOPClass)]
    assert len(names) > 250
    for name in names:
        assert getattr(sop_classes, name) == str(getattr(sop_class, name)), name
