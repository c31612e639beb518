"""What handlers give beside a status, and what they leave for after the response."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import JPEGBaseline8Bit

from dicomproto.dimse.commands import CFindRSP, Response
from dicomproto.dimse.status import Status
from dicomproto.errors import LocalProtocolError
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import RoleSelection
from dicomproto_transports import evt
from tests.associations import CT_IMAGE, associated, in_flavour, make_ae, make_server
from tests.backends import AnyBackend, Lockstep

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
CONTEXTS = (VERIFICATION, CT_IMAGE, FIND, MPPS, MPPS_RETRIEVE, FILM_SESSION)


def dataset(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def provided(backend: AnyBackend, *bindings: evt.Binding, **options: Any) -> Any:
    aes = [make_ae(backend, title) for title in ("SCP", "SCU")]
    for ae in aes:
        for uid in CONTEXTS:
            ae.add_requested_context(uid)
            ae.add_supported_context(uid)
    return associated(backend, make_server(backend, bindings, aes[0]), aes[1], **options)


async def echo(assoc: Any) -> Response:
    return await assoc.send_c_echo()  # type: ignore[no-any-return]


async def store(assoc: Any) -> Response:
    image = dataset(SOPClassUID=CT_IMAGE, SOPInstanceUID="1.2.3")
    return await assoc.send_c_store(image)  # type: ignore[no-any-return]


async def get_attributes(assoc: Any) -> Response:
    return (await assoc.send_n_get([], MPPS_RETRIEVE, "1.2.3"))[0]  # type: ignore[no-any-return]


async def find(assoc: Any) -> Response:
    responses = [status async for status, _ in assoc.send_c_find(dataset(PatientID=""), FIND)]
    return responses[-1]  # type: ignore[no-any-return]


SERVICES = {
    "C-ECHO": (evt.EVT_C_ECHO, echo, 0x0110),
    "C-STORE": (evt.EVT_C_STORE, store, 0xC002),
    "N-GET": (evt.EVT_N_GET, get_attributes, 0x0110),
    "C-FIND": (evt.EVT_C_FIND, find, 0xC311),
}


def giving(kind: evt.EventKind, result: object) -> Callable[[evt.Event], object]:
    """Return a handler that gives a status in the way that its service has."""
    return lambda event: iter([result]) if kind is evt.EVT_C_FIND else result


class Raising:
    @property
    def Status(self) -> int:
        raise ZeroDivisionError


ODD: dict[str, object] = {
    "error id too large": SimpleNamespace(Status=0xC000, ErrorID=70000),
    "error id negative": SimpleNamespace(Status=0xC000, ErrorID=-1),
    "error id in words": SimpleNamespace(Status=0xC000, ErrorID="x"),
    "error id true": SimpleNamespace(Status=0xC000, ErrorID=True),
    "tag too large": SimpleNamespace(Status=0xC000, OffendingElement=1 << 33),
    "tag negative": SimpleNamespace(Status=0xC000, OffendingElement=[-1]),
    "tag true": SimpleNamespace(Status=0xC000, OffendingElement=True),
    "no keyword": SimpleNamespace(Status=0xC000, OffendingElement="Doe^Jane"),
    "no tag": SimpleNamespace(Status=0xC000, OffendingElement=1.5),
    "no tags": SimpleNamespace(Status=0xC000, AttributeIdentifierList=[b"x", None]),
    "too many tags": SimpleNamespace(Status=0xC000, AttributeIdentifierList=range(20000)),
    "a status that raises": Raising(),
}


@pytest.mark.parametrize("service", SERVICES)
def test_what_cannot_be_sent_beside_a_status(
    backend: AnyBackend, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs the operation, and the association stays."""
    kind, call, nonsense = SERVICES[service]

    async def main() -> None:
        for what, result in ODD.items():
            async with provided(backend, (kind, giving(kind, result))) as assoc:
                for _ in range(2):
                    response = await call(assoc)
                    assert (response.Status, response.get("OffendingElement")) == (nonsense, None), what

    backend.run(main)
    assert "dicomproto.handlers" in {record.name for record in caplog.records}
    assert "Doe" not in caplog.text


@pytest.mark.parametrize("service", SERVICES)
def test_what_came_with_a_status(backend: AnyBackend, service: str) -> None:
    """A response has the elements that were sent, as attributes and by name, and no others."""
    kind, call, _ = SERVICES[service]
    results = [Status(0xC000), SimpleNamespace(Status=0xC000, ErrorComment="no room")]

    async def main() -> None:
        for result, comment in zip(results, [None, "no room"], strict=True):
            async with provided(backend, (kind, giving(kind, result))) as assoc:
                response = await call(assoc)
                assert response.get("ErrorComment") == response.get(0x00000902) == comment
                assert hasattr(response, "ErrorComment") is (comment is not None)
                assert ("ErrorComment" in response) is (comment is not None)
                assert ("ErrorComment" in set(response.keys())) is (comment is not None)
                assert not hasattr(response, "ErrorID")
                assert {"Status", "MessageIDBeingRespondedTo"} <= set(response.keys())
                assert response

    backend.run(main)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (0x00100010, (0x00100010,)),
        (Tag(0x0010, 0x0020), (0x00100020,)),
        ("PatientName", (0x00100010,)),
        ((0x0010, 0x0010), (0x00100010,)),
        ([(0x0010, 0x0010), "PatientID", 0x00080018], (0x00100010, 0x00100020, 0x00080018)),
        ((0x00100010, 0x00100020), (0x00100010, 0x00100020)),
        ([], None),
        ("", None),
    ],
)
def test_tags_beside_a_status(
    backend: AnyBackend, service: str, given: object, sent: tuple[int, ...] | None
) -> None:
    kind, call, _ = SERVICES[service]
    result = SimpleNamespace(Status=0xC000, OffendingElement=given, ErrorID=5)

    async def main() -> None:
        async with provided(backend, (kind, giving(kind, result))) as assoc:
            response = await call(assoc)
            assert (response.Status, response.ErrorID, response.get("OffendingElement")) == (0xC000, 5, sent)

    backend.run(main)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (0xA700, 0xA700),
        (0x0000, 0x0000),
        (Status(0xFE00), 0xFE00),
        (SimpleNamespace(Status=0xC001, ErrorComment="no"), 0xC001),
        (dataset(Status=0xA900), 0xA900),
        ((0xA700, None), 0xA700),
        (CFindRSP(MessageIDBeingRespondedTo=1, Status=0xA700), 0xA700),
        (0xFF00, 0xC311),
        (True, 0xC311),
        (None, 0xC311),
        ("0000", 0xC311),
    ],
)
@pytest.mark.parametrize("form", ["plain", "async", "in_thread"])
def test_a_status_that_a_find_handler_returns(
    backend: AnyBackend, result: object, expected: int, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It need not be yielded."""
    caplog.set_level(logging.CRITICAL)

    def handle(event: evt.Event) -> object:
        return result

    async def handle_async(event: evt.Event) -> object:
        return result

    handlers: dict[str, Any] = {
        "plain": handle,
        "async": in_flavour(backend, handle_async),
        "in_thread": handle if backend.name == "lockstep" else evt.in_thread(handle),
    }

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handlers[form])) as assoc:
            assert (await find(assoc)).Status == expected
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


def test_a_uid_that_is_none_for_what_was_created(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    def create(event: evt.Event) -> object:
        created = Dataset()
        created.add_new(0x00001000, "LO", "no UID: 中")
        return 0, created

    async def main() -> None:
        async with provided(backend, (evt.EVT_N_CREATE, create)) as assoc:
            for _ in range(2):
                response, _ = await assoc.send_n_create(dataset(PatientID="1"), MPPS)
                assert response.Status == 0x0110

    backend.run(main)


def test_a_requestor_that_answers_nonsense_goes_on(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of its own operation, whose responses it takes."""
    caplog.set_level(logging.CRITICAL)
    statuses: list[int] = []

    async def find_handler(event: evt.Event) -> object:
        statuses.append((await event.assoc.send_c_echo()).Status)
        return 0

    async def main() -> None:
        roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
        odd = ODD["error id too large"]
        async with provided(
            backend,
            (evt.EVT_C_FIND, in_flavour(backend, find_handler)),
            ext_neg=roles,
            evt_handlers=[(evt.EVT_C_ECHO, lambda event: odd)],
        ) as assoc:
            assert (await find(assoc)).Status == 0

    backend.run(main)
    assert statuses == [0x0110]


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xA700])
def test_a_match_beside_a_final_status_is_told(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is not sent, so whoever meant it to be has to hear of it."""
    handler = giving(evt.EVT_C_FIND, (status, dataset(PatientName="Doe")))
    backend = Lockstep()

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handler)) as assoc:
            assert (await find(assoc)).Status == status

    backend.run(main)
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert f"beside the final status {status:04X}H is not sent" in record.getMessage()
    assert record.getMessage().startswith("'SCU' at 127.0.0.1:")
    assert "Doe" not in caplog.text


def test_a_data_set_where_the_service_has_none(backend: AnyBackend, caplog: pytest.LogCaptureFixture) -> None:
    """It is not sent; the status is, and the association stays."""
    extra = dataset(PatientName="Doe^Jane")

    async def main() -> None:
        handlers = [
            (evt.EVT_C_ECHO, lambda event: (0, extra)),
            (evt.EVT_N_DELETE, lambda event: (0x0110, extra)),
        ]
        async with provided(backend, *handlers) as assoc:
            for _ in range(2):
                assert (await assoc.send_c_echo()).Status == 0
                assert (await assoc.send_n_delete(FILM_SESSION, "1.2.3")).Status == 0x0110

    backend.run(main)
    assert "C-ECHO-RSP has no data set" in caplog.text
    assert "Doe" not in caplog.text


def test_a_request_that_needs_a_data_set(backend: AnyBackend) -> None:
    async def main() -> None:
        async with provided(backend, (evt.EVT_N_SET, lambda event: 0)) as assoc:
            with pytest.raises(LocalProtocolError, match="N-SET-RQ needs a data set"):
                await assoc.send_n_set(None, MPPS, "1.2.3")
            assert (await assoc.send_n_set(Dataset(), MPPS, "1.2.3"))[0].Status == 0

    backend.run(main)


# --- after the response -------------------------------------------------------------------------


@pytest.mark.parametrize("result", [0x0000, 0x0122, 0xB000])
def test_after_the_response(backend: AnyBackend, result: int) -> None:
    """Whatever the handler returned; and what is left for later meanwhile is not forgotten."""
    log: list[object] = []

    async def handle(event: evt.Event) -> object:
        def first(assoc: Any, *args: object) -> None:
            log.append(args)
            event.after_response(lambda assoc: log.append("third"))

        event.after_response(first, 1, 2)
        event.after_response(lambda assoc: log.append("second"))
        log.append("handler")
        return result

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_ECHO, in_flavour(backend, handle))) as assoc:
            assert (await assoc.send_c_echo()).Status == result
            await assoc.release()

    backend.run(main)
    assert log == ["handler", (1, 2), "second", "third"]


@pytest.mark.parametrize(
    ("service", "how"),
    [
        *((name, how) for name in SERVICES for how in ("raises", "nonsense")),
        ("N-GET", "unsendable"),
        ("C-FIND", "unsendable"),
    ],
)
def test_nothing_after_a_response_that_the_handler_did_not_give(
    backend: AnyBackend, service: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer was told that it failed, so what should follow its answer must not."""
    caplog.set_level(logging.CRITICAL)
    kind, call, _ = SERVICES[service]
    log: list[object] = []
    compressed = dataset(PixelData=b"compressed", file_meta=FileMetaDataset())
    compressed.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    def handle(event: evt.Event) -> object:
        event.after_response(log.append)
        if how == "raises":
            raise KeyError
        if how == "nonsense":
            return "nonsense"
        return [(0xFF00, compressed)] if kind is evt.EVT_C_FIND else (0x0000, compressed)

    async def main() -> None:
        async with provided(backend, (kind, handle)) as assoc:
            assert (await call(assoc)).Status >> 8 in (0x01, 0xC0, 0xC2, 0xC3)

    backend.run(main)
    assert log == []
