"""Wrong arguments are told in words, before anything is done, and without what they contain."""

from __future__ import annotations

import codecs
import io
import ipaddress
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio as anyio_library
import pytest
import trio as trio_library
from pydicom.dataset import Dataset

from dicomproto.errors import LocalProtocolError
from dicomproto.negotiation import SupportedContext
from dicomproto.services import ServiceClass
from dicomproto.uids import DEFAULT_TRANSFER_SYNTAXES, EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import RoleSelection, SOPClassExtendedNegotiation, UserIdentityRQ
from dicomproto_transports import anyio, blocking, evt, trio
from dicomproto_transports.contexts import (
    PresentationContext,
    VerificationPresentationContexts,
    build_context,
    build_role,
)
from tests.associations import HOST
from tests.operations import CONTEXTS, FIND, GET, MOVE, MPPS, MPPS_RETRIEVE, an_object, some_dataset

ONE_CONTEXT = VerificationPresentationContexts[0]


def handle(event: evt.Event) -> int:
    return 0


def an_ae(flavour: Any = blocking) -> Any:
    ae = flavour.AE("TEST")
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    return ae


def a_supported(**fields: object) -> SupportedContext:
    made: SupportedContext = SupportedContext(
        abstract_syntax=VERIFICATION, transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,)
    ).replace(**fields)
    return made


def a_patient() -> Dataset:
    made = some_dataset()
    made.PatientName = "DOE"
    return made


def refused(call: Callable[[], object], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)) as caught:
        call()
    assert "DOE" not in str(caught.value)


PORT = "a port is a number from 1 to 65535, not "
HANDLERS = "evt_handlers is a list of (event, handler) or (event, handler, [args])"

# Arguments of associate -> what is said.
ASSOCIATE: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"port": "104"}, TypeError, PORT + "'104'"),
    ({"port": None}, TypeError, PORT + "None"),
    ({"port": 104.0}, TypeError, PORT + "104.0"),
    ({"port": True}, TypeError, PORT + "True"),
    ({"port": 0}, ValueError, PORT + "0"),
    ({"port": 65536}, ValueError, PORT + "65536"),
    (
        {"addr": 104, "port": HOST},
        TypeError,
        "addr: must be the name or IP address of a host, as text, not 104",
    ),
    ({"addr": None}, TypeError, "addr: must be"),
    ({"addr": b"localhost"}, TypeError, "not b'localhost'"),
    ({"addr": ipaddress.ip_address(HOST)}, TypeError, "not an IPv4Address"),
    ({"addr": a_patient()}, TypeError, "not a Dataset"),
    ({"addr": ""}, ValueError, "addr: must be the name or IP address of a host, not ''"),
    ({"addr": " \t"}, ValueError, "not ' \\t'"),
    ({"addr": "archive\n"}, ValueError, "not 'archive\\n'"),
    ({"addr": "a\0b"}, ValueError, "addr: must be the name or IP address of a host"),
    ({"addr": [a_patient()]}, TypeError, "not a list"),
    ({"ae_title": 5}, TypeError, "ae_title: an AE title is str or bytes, not an int"),
    ({"ae_title": ["PACS"]}, TypeError, "not a list"),
    ({"ae_title": None}, TypeError, "ae_title: an AE title is str or bytes, not None"),
    ({"ae_title": "A" * 17}, ValueError, "ae_title: an AE title has 1 to 16 ASCII characters"),
    ({"calling_ae_title": 5}, TypeError, "calling_ae_title: an AE title is str or bytes"),
    ({"calling_ae_title": b"\xff"}, ValueError, "calling_ae_title: an AE title has 1 to 16 ASCII"),
    ({"calling_ae_title": "A\nB"}, ValueError, "calling_ae_title: an AE title has 1 to 16 ASCII"),
    ({"contexts": VERIFICATION}, TypeError, "contexts: must be a list of SOP classes"),
    ({"contexts": {VERIFICATION: "1.2"}}, TypeError, "contexts: must be a list of SOP classes"),
    ({"contexts": ["1..2"]}, LocalProtocolError, "abstract syntax of context 1 '1..2' is no valid UID"),
    ({"contexts": 5}, TypeError, "contexts: must be a list"),
    ({"contexts": ONE_CONTEXT}, TypeError, "not a PresentationContext"),
    ({"contexts": [5]}, TypeError, "a presentation context must be a SOP class UID"),
    ({"contexts": [[VERIFICATION]]}, TypeError, "a presentation context must be"),
    ({"contexts": [[ONE_CONTEXT, ONE_CONTEXT]]}, TypeError, "an abstract syntax must be a UID, as text"),
    ({"contexts": [(VERIFICATION, 5)]}, TypeError, "a transfer syntax must be a UID"),
    ({"max_pdu": "16384"}, TypeError, "max_pdu: must be a whole number from 0, not '16384'"),
    ({"max_pdu": -1}, ValueError, "max_pdu: must be"),
    ({"max_pdu": True}, TypeError, "max_pdu: must be a whole number from 0, not True"),
    ({"max_pdu": 127}, ValueError, "max_pdu: must be 0 for any number, or a number of bytes from 128"),
    ({"max_pdu": 2**32}, ValueError, "max_pdu: must be 0 for any number, or a number of bytes from 128"),
    (
        {"ext_neg": RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)},
        TypeError,
        "ext_neg: must be a list of items of the extended negotiation, not a RoleSelection",
    ),
    ({"ext_neg": [5]}, TypeError, "ext_neg holds items of the extended negotiation, not 5"),
    ({"ext_neg": [RoleSelection()]}, LocalProtocolError, "RoleSelection has no sop_class_uid: set it, or"),
    (
        {"ext_neg": [UserIdentityRQ(identity_type=1)]},
        LocalProtocolError,
        "UserIdentityRQ has no primary_field: set it, or give it when the item is made",
    ),
    (
        {"ext_neg": [SOPClassExtendedNegotiation(sop_class_uid="x", application_information=b"")]},
        LocalProtocolError,
        "SOP class of an extended negotiation 'x' is no valid UID",
    ),
    ({"bind_address": HOST}, TypeError, "bind_address: must be (address, port), with port 0 for any"),
    ({"bind_address": (HOST, "0")}, TypeError, "bind_address: must be"),
    ({"bind_address": (HOST, 65536)}, ValueError, "a port is a number from 0 to 65535, not 65536"),
    ({"tls_args": True}, TypeError, "tls_args is an ssl.SSLContext"),
    ({"evt_handlers": (evt.EVT_C_ECHO, handle)}, TypeError, f"{HANDLERS}, this is one binding"),
    ({"evt_handlers": {evt.EVT_C_ECHO: handle}}, TypeError, f"{HANDLERS}, not a dict"),
    ({"evt_handlers": handle}, TypeError, f"{HANDLERS}, not a function"),
    ({"evt_handlers": evt.EVT_C_ECHO}, TypeError, f"{HANDLERS}, not an EventKind"),
    ({"evt_handlers": [handle]}, TypeError, f"{HANDLERS}; a function is none of those"),
    ({"evt_handlers": [(evt.EVT_C_ECHO, handle, 1, 2)]}, TypeError, f"{HANDLERS}; a tuple is none"),
    ({"evt_handlers": [(handle, evt.EVT_C_ECHO)]}, TypeError, "handle is no event; the events are the EVT_*"),
    ({"evt_handlers": [(evt.EVT_C_ECHO, 0)]}, TypeError, "EVT_C_ECHO: 0 is not callable"),
    ({"evt_handlers": [(evt.EVT_C_ECHO, handle, a_patient())]}, TypeError, "a list or tuple, not a Dataset"),
    ({"timeouts": 5}, TypeError, "timeouts: must be a Timeouts, or a mapping of those that differ"),
    ({"timeouts": {"conect": 5}}, TypeError, "timeouts: there is none called 'conect'"),
    ({"timeouts": {"connect": "5"}}, TypeError, "timeouts: connect: must be a number of seconds, not '5'"),
    ({"timeouts": {"connect": -1}}, ValueError, "timeouts: connect: must be"),
    ({"operations_window": (5, 1)}, TypeError, "operations_window: must be an AsynchronousOperationsWindow"),
    ({"strict_roles": "no"}, TypeError, "strict_roles: must be True or False, not 'no'"),
    ({"allow_unknown": "no"}, TypeError, "allow_unknown: must be True or False, not 'no'"),
    ({"pack_pdvs": "no"}, TypeError, "pack_pdvs: must be True or False, not 'no'"),
]


FLAVOURS = pytest.mark.parametrize("flavour", [blocking, trio, anyio], ids=["blocking", "trio", "anyio"])


def run(flavour: Any, function: Callable[[], Awaitable[object]]) -> None:
    """Run a coroutine function; in the blocking flavour it does not wait."""
    if flavour is blocking:
        blocking.run(function())  # type: ignore[arg-type]
    else:
        {trio: trio_library.run, anyio: anyio_library.run}[flavour](function)


@FLAVOURS
def test_of_associate(flavour: Any) -> None:
    """Nobody listens where it would connect to, and nobody is asked."""
    ae = an_ae(flavour)

    async def main() -> None:
        for arguments, kind, text in ASSOCIATE:
            with pytest.raises(kind, match=re.escape(text)) as caught:
                await ae.associate(**{"addr": HOST, "port": 1, **arguments})
            assert "DOE" not in str(caught.value)

    run(flavour, main)


# The calls of each class that users know by this name.
CALLED = {
    "AE": [
        "__init__", "associate", "start_server", "register_uid", "add_requested_context",
        "remove_requested_context", "add_supported_context", "remove_supported_context",
    ],
    "Association": [
        "send_c_echo", "send_c_store", "store_many", "send_c_find", "send_c_get", "send_c_move",
        "send_c_cancel", "send_n_event_report", "send_n_get", "send_n_set", "send_n_action", "send_n_create",
        "send_n_delete", "serve", "release", "abort", "bind", "unbind", "get_events", "get_handlers",
    ],
    "Server": ["shutdown", "serve_forever", "bind", "unbind", "get_events", "get_handlers"],
}  # fmt: skip


@FLAVOURS
def test_an_argument_that_no_call_has_is_told_with_the_name_of_the_call(flavour: Any) -> None:
    ae = an_ae(flavour)

    def judge(one: object) -> None:
        kind = type(one).__name__.removesuffix("Core").removeprefix("Async")
        for name in CALLED[kind]:
            text = f"{kind}.{name}() got an unexpected keyword argument 'titel'"
            with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
                getattr(one, name)(titel="PACS")

    async def main() -> None:
        judge(ae)
        if flavour is blocking:
            with ae.start_server((HOST, 0), block=False) as server, ae.associate(HOST, server.port) as assoc:
                judge(server)
                judge(assoc)
        else:
            async with (
                ae.start_server((HOST, 0)) as server,
                ae.associate(HOST, server.port) as assoc,
            ):
                judge(server)
                judge(assoc)

    run(flavour, main)


LISTENS = "where a server listens must be (host, port), a stream socket or a list of them, not "

START_SERVER: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"address": HOST}, TypeError, LISTENS + "'127.0.0.1'"),
    ({"address": 104}, TypeError, LISTENS + "104"),
    ({"address": None}, TypeError, LISTENS),
    ({"address": (HOST, "104")}, TypeError, LISTENS + "('127.0.0.1', '104')"),
    ({"address": (104, HOST)}, TypeError, LISTENS),
    ({"address": (None, 104)}, TypeError, LISTENS),
    ({"address": (HOST, 104, 0)}, TypeError, LISTENS),
    ({"address": [a_patient()]}, TypeError, LISTENS + "a list"),
    ({"address": ()}, ValueError, "a server needs an address"),
    ({"address": (HOST, 65536)}, ValueError, "a port is a number from 0 to 65535, not 65536"),
    ({"address": (HOST, -1)}, ValueError, "a port is a number"),
    ({"evt_handlers": (evt.EVT_C_ECHO, handle)}, TypeError, f"{HANDLERS}, this is one binding"),
    ({"ae_title": 5}, TypeError, "ae_title: an AE title is str or bytes, not an int"),
    ({"ae_title": " "}, ValueError, "ae_title: an AE title has 1 to 16 ASCII characters"),
    ({"contexts": VERIFICATION}, TypeError, "contexts: must be a list"),
    ({"contexts": 5}, TypeError, "contexts: must be a list"),
    ({"contexts": {VERIFICATION: "1.2"}}, TypeError, "contexts: must be a list of SOP classes"),
    ({"contexts": [5]}, TypeError, "a presentation context must be"),
    ({"contexts": [a_supported(scp_role="yes")]}, TypeError, "scp_role: must be True or False, not 'yes'"),
    ({"contexts": [a_supported(transfer_syntaxes=5)]}, TypeError, "a transfer syntax must be a UID"),
    ({"ssl_context": True}, TypeError, "ssl_context is an ssl.SSLContext"),
    ({"proxy_protocol_from": 5}, TypeError, "proxy_protocol_from: must be a network such as"),
    ({"proxy_protocol_from": [5]}, TypeError, "proxy_protocol_from: must be a network such as"),
    ({"proxy_protocol_from": object()}, TypeError, "proxy_protocol_from: must be a network such as"),
    ({"proxy_protocol_from": "nowhere"}, ValueError, "proxy_protocol_from: must be a network such as"),
    ({"proxy_protocol_from": None}, TypeError, "proxy_protocol_from: must be a network such as"),
    ({"reuse_port": "no"}, TypeError, "reuse_port: must be True or False"),
    ({"reuse_port": None}, TypeError, "reuse_port: must be True or False, not None"),
    ({"maximum_pending": "5"}, TypeError, "maximum_pending: must be a whole number"),
    ({"maximum_pending": -1}, ValueError, "maximum_pending: must be a whole number"),
]


@FLAVOURS
def test_of_start_server(flavour: Any) -> None:
    ae, given = an_ae(flavour), {"block": False} if flavour is blocking else {}

    async def main() -> None:
        for arguments, kind, text in START_SERVER:
            refused(lambda: ae.start_server(**{"address": (HOST, 0), **given, **arguments}), kind, text)  # noqa: B023

    run(flavour, main)


CONTEXT_METHODS = [
    f"{verb}_{which}_context" for verb in ("add", "remove") for which in ("requested", "supported")
]


@pytest.mark.parametrize("method", CONTEXT_METHODS)
def test_of_contexts(method: str) -> None:
    ae = an_ae()
    for given in (None, 5, b"1.2.840.10008.1.1", [VERIFICATION], ONE_CONTEXT, a_patient()):
        refused(
            lambda given=given: getattr(ae, method)(given),
            TypeError,
            "an abstract syntax must be a UID, as text",
        )  # type: ignore[misc]
        if given is not None and given != [VERIFICATION]:
            text = "a transfer syntax must be a UID, as text"
            refused(lambda given=given: getattr(ae, method)(VERIFICATION, given), TypeError, text)  # type: ignore[misc]
    refused(lambda: getattr(ae, method)(VERIFICATION, [None]), TypeError, "a transfer syntax must be a UID")
    assert [context.abstract_syntax for context in ae.requested_contexts] == [VERIFICATION]
    assert [context.abstract_syntax for context in ae.supported_contexts] == [VERIFICATION]


MISSPELT = [
    ("CTImageStorage", "did you mean dicomproto.services.sop_classes.CTImageStorage?"),
    ("CT Image Storage", "did you mean dicomproto.services.sop_classes.CTImageStorage?"),
    ("MRimagestorge", "did you mean dicomproto.services.sop_classes.MRImageStorage?"),
    ("CT", "not 'CT', such as dicomproto.services.sop_classes.CTImageStorage"),
    ("1.2.840.10008.5.1.4.1.1.2 x", "not '1.2.840.10008.5.1.4.1.1.2 x'"),
    ("1.2\u0663", "must be a UID, of digits and dots"),
    ("1,2,3", "not '1,2,3'"),
    (" \0", "an abstract syntax is a UID, not an empty string"),
]


@pytest.mark.parametrize(("name", "text"), MISSPELT, ids=[ascii(name) for name, _ in MISSPELT])
def test_a_sop_class_that_is_no_uid_is_told_where_it_is_given(name: str, text: str) -> None:
    ae = an_ae()
    record = SupportedContext(abstract_syntax=name, transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,))
    proposal = PresentationContext(abstract_syntax=name, transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,))
    calls: list[Callable[[], object]] = [
        *(lambda method=method: getattr(ae, method)(name) for method in CONTEXT_METHODS),  # type: ignore[misc]
        lambda: build_context(name),
        lambda: build_role(name, scp_role=True),
        lambda: setattr(ae, "requested_contexts", [name]),
        lambda: setattr(ae, "supported_contexts", [record]),
        lambda: ae.start_server((HOST, 0), block=False, contexts=[proposal]),
        lambda: ae.associate(HOST, 104, contexts=[(name, [EXPLICIT_VR_LITTLE_ENDIAN])]),
    ]
    for call in calls:
        refused(call, ValueError, text)
    assert [context.abstract_syntax for context in ae.requested_contexts] == [VERIFICATION]
    assert [context.abstract_syntax for context in ae.supported_contexts] == [VERIFICATION]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("JPEG", "a transfer syntax must be a UID, of digits and dots, not 'JPEG'"),
        ("JPEG2000", "did you mean '1.2.840.10008.1.2.4.91' (JPEG2000)?"),
        ("Explicit VR Little Endian", "did you mean '1.2.840.10008.1.2.1' (ExplicitVRLittleEndian)?"),
        ("?", "such as '1.2.840.10008.1.2.1' (ExplicitVRLittleEndian)"),
    ],
)
def test_a_transfer_syntax_that_is_no_uid_is_told_where_it_is_given(name: str, text: str) -> None:
    ae = an_ae()
    for method in CONTEXT_METHODS:
        refused(lambda method=method: getattr(ae, method)(VERIFICATION, name), ValueError, text)  # type: ignore[misc]
    refused(lambda: build_context(VERIFICATION, [EXPLICIT_VR_LITTLE_ENDIAN, name]), ValueError, text)
    assert [context.transfer_syntaxes for context in ae.supported_contexts] == [DEFAULT_TRANSFER_SYNTAXES]


@pytest.mark.parametrize("uid", ["1.2.03", "1..2", "9" * 70, "1.2.3.", ".1"])
def test_an_odd_uid_may_be_supported(uid: str) -> None:
    ae = an_ae()
    ae.add_supported_context(uid + "\0", uid)
    assert (uid, (uid,)) in [(c.abstract_syntax, c.transfer_syntaxes) for c in ae.supported_contexts]
    assert build_context(uid).abstract_syntax == uid


def test_of_a_context() -> None:
    for given in (5, object(), b"1.2"):
        text = "a transfer syntax must be a UID, as text"
        refused(lambda given=given: build_context(VERIFICATION, given), TypeError, text)  # type: ignore[misc]
    refused(lambda: build_context(VERIFICATION, []), ValueError, "needs a transfer syntax")


def test_of_register_uid() -> None:
    ae = an_ae()
    for given, error, text in (
        ((5, "Private"), TypeError, "uid: must be text, not int"),
        ((b"1.2", "Private"), TypeError, "uid: must be text, not bytes"),
        ((["1.2"], "Private"), TypeError, "uid: must be text, not list"),
        (("1..2", "Private"), ValueError, "uid: '1..2' is no valid UID (PS3.5 9.1)"),
        (("1.2", 5), TypeError, "keyword: must be text, not int"),
        (("1.2", b"Private"), TypeError, "keyword: must be text, not bytes"),
        (("1.2", " "), ValueError, "keyword: must be the name of the SOP class"),
    ):
        refused(lambda given=given: ae.register_uid(*given, ServiceClass.STORAGE), error, text)  # type: ignore[misc]
    refused(
        lambda: ae.register_uid("1.2", "Private", ServiceClass.STORAGE, 5),
        TypeError,
        "dimse_msg_type: must be text, not int",
    )
    for given in (None, 5, [], [[]], [Dataset], "C-STORE"):
        text = "Private: a ServiceClass or classes of requests"
        refused(lambda given=given: ae.register_uid("1.2", "Private", given), ValueError, text)  # type: ignore[misc]
    refused(
        lambda: ae.register_uid("1.2", "Private", ServiceClass.QUERY_RETRIEVE, ["C-FIND"]),
        TypeError,
        "dimse_msg_type: must be text, not list",
    )
    refused(
        lambda: ae.register_uid("1.2", "Private", ServiceClass.QUERY_RETRIEVE, "C-STORE"),
        ValueError,
        "C-STORE is no operation of",
    )


def test_of_roles() -> None:
    for role in (5, "x", None, b"1", 1):
        for name in ("scu_role", "scp_role"):
            refused(
                lambda name=name, role=role: build_role(VERIFICATION, **{name: role}),  # type: ignore[misc]
                TypeError,
                f"{name}: must be True or False, not ",
            )
    for uid in ("1..2", "9" * 65, "1.02", "1.2.", ".1"):
        refused(
            lambda uid=uid: build_role(uid, True),  # type: ignore[misc]
            ValueError,
            "is no valid UID, and cannot be proposed (PS3.5 9.1)",
        )
    assert build_role(VERIFICATION + "\0", scp_role=True).sop_class_uid == VERIFICATION
    refused(
        lambda: an_ae().add_supported_context(VERIFICATION, scu_role="yes"),
        TypeError,
        "scu_role: must be True",
    )


def some_datasets() -> Iterator[Dataset]:
    yield a_patient()


NO_DATA_SETS: dict[str, Callable[[], object]] = {
    "a generator": some_datasets,
    "a list": lambda: [a_patient()],
    "a tuple": lambda: (a_patient(),),
    "a dict": lambda: {"PatientName": "DOE"},
    "bytes": lambda: b"DOE",
    "an int": lambda: 5,
    "the class Dataset": lambda: Dataset,
    "a DataElement": lambda: a_patient()["PatientName"],
    "a function": lambda: some_datasets,
}
EMPTY: dict[str, Callable[[], object]] = {"a list": list, "a dict": dict, "a str": str}

# What sends a data set.
SENDERS: dict[str, Callable[[Any, Any], object]] = {
    "send_c_find": lambda assoc, given: assoc.send_c_find(given, FIND),
    "send_c_get": lambda assoc, given: assoc.send_c_get(given, GET),
    "send_c_move": lambda assoc, given: assoc.send_c_move(given, "THERE", MOVE),
    "send_n_set": lambda assoc, given: assoc.send_n_set(given, MPPS, "1.2"),
    "send_n_create": lambda assoc, given: assoc.send_n_create(given, MPPS, "1.2"),
    "send_n_action": lambda assoc, given: assoc.send_n_action(given, 1, MPPS, "1.2"),
    "send_n_event_report": lambda assoc, given: assoc.send_n_event_report(given, 1, MPPS, "1.2"),
}
OBJECT = "a pydicom Dataset, the path of a DICOM file or an open binary file is wanted, not "
SEVERAL = "store_many: several objects are wanted, as a list or a generator, not "
TAGS = "identifier_list: must be a list of tags, keywords or (group, element) pairs, not "

# Other arguments -> what is said of them.
CALLS: list[tuple[Callable[[Any], object], str]] = [
    (
        lambda assoc: assoc.send_c_find(FIND, a_patient()),
        "query_model: must be a UID, as text, not a Dataset",
    ),
    (lambda assoc: assoc.send_c_find(a_patient(), None), "query_model: must be a UID, as text, not None"),
    (lambda assoc: assoc.send_c_get(a_patient(), [GET]), "query_model: must be a UID"),
    (lambda assoc: assoc.send_c_move(a_patient(), None, MOVE), "move_aet: an AE title is str or bytes, not"),
    (lambda assoc: assoc.send_n_set(a_patient(), MPPS, 5), "instance_uid: must be a UID, as text, not 5"),
    (lambda assoc: assoc.send_n_create(a_patient(), MPPS, ["1.2"]), "instance_uid: must be a UID, as text"),
    (lambda assoc: assoc.send_n_get(None, MPPS_RETRIEVE, None), "instance_uid: must be a UID, as text, not"),
    (lambda assoc: assoc.send_n_action(None, 1, MPPS, b"1.2"), "instance_uid: must be a UID, as text, not"),
    (lambda assoc: assoc.send_n_event_report(None, 1, MPPS, 1.5), "instance_uid: must be a UID, as text"),
    (lambda assoc: assoc.send_n_delete(MPPS, True), "instance_uid: must be a UID, as text, not True"),
    (lambda assoc: assoc.store_many([an_object()], priority="high"), "priority: must be a whole number"),
    (lambda assoc: assoc.send_n_set(a_patient(), 5, "1.2"), "class_uid: must be a UID, as text, not 5"),
    (lambda assoc: assoc.send_n_delete(None, "1.2"), "class_uid: must be a UID"),
    (lambda assoc: assoc.send_n_get("PatientName", MPPS_RETRIEVE, "1.2"), TAGS + "'PatientName'"),
    (lambda assoc: assoc.send_n_get(0x00100010, MPPS_RETRIEVE, "1.2"), TAGS),
    (lambda assoc: assoc.send_n_get([None], MPPS_RETRIEVE, "1.2"), TAGS + "None"),
    (lambda assoc: assoc.send_n_get([a_patient()], MPPS_RETRIEVE, "1.2"), TAGS + "a Dataset"),
    (lambda assoc: assoc.store_many(a_patient()), SEVERAL + "a Dataset; send_c_store sends one"),
    (lambda assoc: assoc.store_many("file.dcm"), SEVERAL + "a str"),
    (lambda assoc: assoc.store_many(None), SEVERAL + "None"),
    (lambda assoc: assoc.serve("5"), "timeout: must be a number of seconds, not '5'"),
    (lambda assoc: assoc.serve(until=5), "until: must be a function, or None, not 5"),
    (lambda assoc: assoc.release("5"), "timeout: must be a number of seconds"),
    (lambda assoc: assoc.send_c_echo([1]), "msg_id: must be a whole number, not [1]"),
    (lambda assoc: assoc.send_c_store(an_object(), msg_id=""), "msg_id: must be a whole number, not ''"),
    (lambda assoc: assoc.send_c_find(a_patient(), FIND, [1]), "msg_id: must be a whole number"),
    (lambda assoc: assoc.send_c_cancel([1]), "msg_id: must be a whole number"),
    (lambda assoc: assoc.send_n_action(None, [1], MPPS, "1.2"), "action_type: must be a whole number"),
    (lambda assoc: assoc.send_n_action(None, True, MPPS, "1.2"), "action_type: must be a whole number"),
    (lambda assoc: assoc.send_n_event_report(None, "1", MPPS, "1.2"), "event_type: must be a whole number"),
    (lambda assoc: assoc.send_n_delete(MPPS, "1.2", meta_uid=5), "meta_uid: must be a UID, as text, not 5"),
    (lambda assoc: assoc.send_n_delete(MPPS, "1.2", meta_uid=[MPPS]), "meta_uid: must be a UID"),
    (
        lambda assoc: assoc.send_c_store(a_patient(), send_truncated="no"),
        "send_truncated: must be True or False, not 'no'",
    ),
    (
        lambda assoc: assoc.send_c_store(a_patient(), never_convert=None),
        "never_convert: must be True or False",
    ),
    (lambda assoc: assoc.store_many([], send_truncated=1), "send_truncated: must be True or False, not 1"),
    (lambda assoc: assoc.bind(handle, evt.EVT_PDU_RECV), "handle is no event"),
    (lambda assoc: assoc.unbind(handle, evt.EVT_PDU_RECV), "handle is no event"),
    (lambda assoc: assoc.get_handlers("EVT_PDU_RECV"), "is no event"),
    (lambda assoc: assoc.bind(evt.EVT_PDU_RECV, None), "EVT_PDU_RECV: None is not callable"),
]


def test_of_calls() -> None:
    """The association stands after each of them, and nothing was sent."""
    scp, scu = an_ae(), blocking.AE("SCU")
    for uid in CONTEXTS:
        scp.add_supported_context(uid, scu_role=True, scp_role=True)
        scu.add_requested_context(uid)
    asked: list[object] = []
    handlers = [(evt.EVT_DIMSE_RECV, lambda event: asked.append(event.message.command.name))]
    with (
        scp.start_server((HOST, 0), block=False, evt_handlers=handlers) as server,
        scu.associate(HOST, server.port) as assoc,
    ):
        for call, text in CALLS:
            refused(lambda call=call: call(assoc), TypeError, text)  # type: ignore[misc]
        for name, make in [*NO_DATA_SETS.items(), *EMPTY.items()]:
            for sender, send in SENDERS.items():
                text = f"{sender}: a pydicom Dataset is wanted, not {name}"
                refused(lambda send=send, make=make: send(assoc, make()), TypeError, text)  # type: ignore[misc]
            if name != "a str":  # which is a path
                refused(lambda make=make: assoc.send_c_store(make()), TypeError, OBJECT + name)  # type: ignore[misc]
        refused(lambda: assoc.send_c_store(some_datasets()), TypeError, "not a generator; give one at a time")
        assert asked == []
        assert assoc.send_c_echo().Status == 0


def test_of_files_in_text_mode(tmp_path: Path) -> None:
    """The advice is how to open them; that they could be gone through by lines makes them no list."""
    path = tmp_path / "object.dcm"
    path.write_text("DOE")
    ae = an_ae()
    with (
        path.open() as plain,
        codecs.open(str(path), encoding="utf-8") as decoding,
        tempfile.NamedTemporaryFile("w+") as temporary,
        ae.start_server((HOST, 0), block=False) as server,
        ae.associate(HOST, server.port) as assoc,
    ):
        for file in (plain, decoding, temporary, io.StringIO("DOE")):
            text = f"{OBJECT}a file in text mode: open it in binary mode, open(path, 'rb')"
            refused(lambda file=file: assoc.send_c_store(file), TypeError, text)  # type: ignore[misc]
            (outcome,) = assoc.store_many([file])
            assert str(outcome.error) == text
        assert assoc.send_c_echo().Status == 0


@pytest.mark.parametrize(
    ("name", "what"),
    [("N-GET", what) for what in NO_DATA_SETS]
    + [("C-FIND", what) for what in NO_DATA_SETS if what != "bytes"],  # they may be an identifier
)
def test_of_handlers(name: str, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a handler returns or yields in place of a data set is named in the log."""
    scp, scu = blocking.AE("SCP"), blocking.AE("SCU")
    for uid in (FIND, MPPS_RETRIEVE):
        scp.add_supported_context(uid)
        scu.add_requested_context(uid)
    handlers = [
        (evt.EVT_C_FIND, lambda event: [(0xFF00, NO_DATA_SETS[what]())]),
        (evt.EVT_N_GET, lambda event: (0, NO_DATA_SETS[what]())),
    ]
    with (
        scp.start_server((HOST, 0), block=False, evt_handlers=handlers) as server,
        scu.associate(HOST, server.port) as assoc,
    ):
        if name == "C-FIND":
            ((status, _),) = assoc.send_c_find(some_dataset(), FIND)
            assert status.Status == 0xC311
        else:
            status, _ = assoc.send_n_get([], MPPS_RETRIEVE, "1.2")
            assert status.Status == 0x0110
    (record,) = [record for record in caplog.records if record.name == "dicomproto.handlers"]
    assert f"{what} in place of a data set: a pydicom Dataset, or None, is wanted" in record.getMessage()
    assert record.getMessage().startswith("'SCU' at 127.0.0.1:")
    assert "DOE" not in record.getMessage()


def test_of_start_server_that_is_not_to_return() -> None:
    refused(lambda: an_ae().start_server((HOST, 0), block="no"), TypeError, "block: must be True or False")
