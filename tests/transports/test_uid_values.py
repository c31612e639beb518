"""UIDs that programs see are pydicom's, made when they are asked for."""

from __future__ import annotations

import pickle
import subprocess
import sys
from copy import copy
from io import BytesIO
from typing import Any

import pytest
from pydicom.uid import UID

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import (
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
)
from dicomproto_transports import VerificationPresentationContexts, build_context, evt
from tests.associations import CT_IMAGE, associated, data_set, make_ae, make_server, part10
from tests.backends import AnyBackend

STORAGE_SERVICE = "1.2.840.10008.4.2"
PRIVATE = "1.2.826.0.1.3680043.8.498.99"


def assert_uids(*given: Any) -> None:
    assert [type(one) for one in given] == [UID] * len(given)


def test_what_events_and_associations_show_are_uids_of_pydicom(
    backend: AnyBackend, recwarn: pytest.WarningsRecorder
) -> None:
    seen: list[Any] = []

    def handle(event: evt.StoreEvent) -> int:
        seen.append(event)
        assert_uids(event.request.AffectedSOPClassUID, event.request.AffectedSOPInstanceUID)
        assert_uids(event.request.sop_class_uid, event.context.abstract_syntax, event.context.transfer_syntax)
        assert event.request.AffectedSOPClassUID.name == "CT Image Storage"
        assert event.context.transfer_syntax.is_little_endian
        assert event.request is event.request
        assert event.context is event.context
        assert event.request == event.command
        assert type(event.command.sop_class_uid) is type(event.accepted_context.transfer_syntax) is str
        for context in (*event.assoc.accepted_contexts, *event.assoc.requestor.requested_contexts):
            assert_uids(context.abstract_syntax)
        return 0

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, handle)], make_ae(backend, "SCP"))
        ae = make_ae(backend, "SCU")
        ae.add_requested_context(PRIVATE, EXPLICIT_VR_LITTLE_ENDIAN)
        async with associated(backend, core, ae) as assoc:
            assert (await assoc.send_c_store(BytesIO(part10(data_set())))).Status == 0
            for context in assoc.accepted_contexts:
                assert_uids(context.abstract_syntax, context.transfer_syntax)
            (rejected,) = assoc.rejected_contexts
            assert_uids(rejected.abstract_syntax, *rejected.transfer_syntaxes)
            assert rejected.abstract_syntax == PRIVATE

    backend.run(main)
    assert len(seen) == 1
    assert not recwarn.list


def test_what_is_negotiated_is_shown_by_uids_of_pydicom(backend: AnyBackend) -> None:
    """A handler returns them as it got them; the association then has what it returned."""
    items = [
        RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True),
        SOPClassExtendedNegotiation(sop_class_uid=CT_IMAGE, application_information=b"\1"),
        SOPClassCommonExtendedNegotiation(sop_class_uid=CT_IMAGE, service_class_uid=STORAGE_SERVICE),
    ]
    seen: list[str] = []

    def extended(event: evt.SOPExtendedEvent) -> Any:
        seen.extend(uid.keyword for uid in event.app_info)
        return event.app_info

    def common(event: evt.SOPCommonEvent) -> Any:
        seen.extend(uid.keyword for uid in event.items)
        return event.items

    def requested(event: evt.RequestedEvent) -> None:
        requestor = event.assoc.requestor
        for by_uid in (
            requestor.role_selection,
            requestor.sop_class_extended,
            requestor.sop_class_common_extended,
        ):
            assert_uids(*by_uid)
        assert_uids(requestor.implementation_class_uid)
        seen.append("requested")

    async def main() -> None:
        handlers = [
            (evt.EVT_REQUESTED, requested),
            (evt.EVT_SOP_EXTENDED, extended),
            (evt.EVT_SOP_COMMON, common),
        ]
        async with associated(backend, make_server(backend, handlers), ext_neg=items) as assoc:
            assert {uid.keyword: sent for uid, sent in assoc.acceptor.sop_class_extended.items()} == {
                "CTImageStorage": b"\1"
            }
            assert_uids(*assoc.acceptor.role_selection, assoc.acceptor.implementation_class_uid)

    backend.run(main)
    assert sorted(seen) == ["CTImageStorage", "CTImageStorage", "requested"]


def test_contexts_of_an_entity_show_uids_of_pydicom(backend: AnyBackend) -> None:
    ae = make_ae(backend, "ME")
    ae.add_requested_context(CT_IMAGE)
    ae.add_supported_context(CT_IMAGE)
    for context in (*ae.requested_contexts, *ae.supported_contexts):
        assert_uids(context.abstract_syntax, *context.transfer_syntaxes)
    assert ae.requested_contexts[-1].abstract_syntax.keyword == "CTImageStorage"


def test_contexts_that_are_built_or_ready_made_show_uids_of_pydicom() -> None:
    for context in (build_context(CT_IMAGE), *VerificationPresentationContexts):
        assert_uids(context.abstract_syntax, *context.transfer_syntaxes, *context.transfer_syntax)
        assert context == context.replace() == copy(context) == pickle.loads(pickle.dumps(context))
        assert hash(context) == hash(copy(context))
    assert build_context(CT_IMAGE).abstract_syntax.name == "CT Image Storage"


def test_pydicom_is_not_imported_before_a_program_asks() -> None:
    program = f"""
import sys
from io import BytesIO
from dicomproto_transports import evt
from dicomproto_transports import VerificationPresentationContexts
from dicomproto_transports.blocking import AE
ae = AE()
ae.requested_contexts = VerificationPresentationContexts
ae.add_supported_context({VERIFICATION!r})
def echo(event):
    seen.append("pydicom" in sys.modules)
    seen.append(event.context.abstract_syntax.keyword)
    return 0
seen = []
with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, echo)]) as server:
    with ae.associate("127.0.0.1", server.port) as assoc:
        assoc.send_c_echo()
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, 'Verification']\n"
