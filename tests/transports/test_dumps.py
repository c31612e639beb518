"""The words for PDUs and messages that are logged on request."""

from __future__ import annotations

import logging

import pytest

from dicomproto.dimse.commands import CGetRSP, CMoveRQ, Command, CStoreRQ, NGetRQ
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    PresentationContextRQ,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)
from dicomproto_transports import logs
from dicomproto_transports.events.dumps import association_lines, dataset_lines, message_lines
from dicomproto_transports.evt import Message
from tests.associations import CT_IMAGE, data_set

SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
RQ = AssociateRQ(
    called_ae_title="SCP",
    calling_ae_title="SC\nU",
    maximum_length=16382,
    implementation_class_uid="1.2.3",
    implementation_version_name="V1",
    presentation_contexts=(
        PresentationContextRQ(context_id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=SYNTAXES),
        PresentationContextRQ(context_id=3, abstract_syntax="9.9\n9", transfer_syntaxes=("1.2.3",)),
    ),
    asynchronous_operations_window=AsynchronousOperationsWindow(maximum_invoked=0, maximum_performed=5),
    role_selections=(
        RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True),
        RoleSelection(sop_class_uid="1.2", scu_role=False, scp_role=False),
    ),
    sop_class_extended=(SOPClassExtendedNegotiation(sop_class_uid=CT_IMAGE, application_information=b"abc"),),
    sop_class_common_extended=(
        SOPClassCommonExtendedNegotiation(
            sop_class_uid="1.2.3",
            service_class_uid="1.2.840.10008.4.2",
            related_general_sop_class_uids=("4.5",),
        ),
        SOPClassCommonExtendedNegotiation(sop_class_uid="1.2.4", service_class_uid="1.2.5"),
    ),
    user_identity=UserIdentityRQ(
        identity_type=2, primary_field=b"me", secondary_field=b"secret", positive_response_requested=True
    ),
    unknown_items=(UnknownItem(item_type=0x99, data=b"12345"),),
    warnings=("code: what\nwas odd",),
)
AC = AssociateAC(
    called_ae_title="SCP",
    calling_ae_title="SCU",
    presentation_contexts=(
        PresentationContextAC(context_id=1, result=0, transfer_syntax=IMPLICIT_VR_LITTLE_ENDIAN),
        PresentationContextAC(context_id=3, result=3, transfer_syntax=IMPLICIT_VR_LITTLE_ENDIAN),
        PresentationContextAC(context_id=5, result=77),
    ),
    user_identity_response=UserIdentityAC(server_response=b"12345678"),
)


def test_a_request() -> None:
    assert (
        "\n".join(association_lines(RQ, "from 'SCU'", None))
        == r"""
A-ASSOCIATE-RQ from 'SCU'
  calling AE title 'SC\nU', called AE title 'SCP'
  implementation 1.2.3, 'V1'
  application context 1.2.840.10008.3.1.1.1
  maximum length 16382
  context 1: 1.2.840.10008.1.1 (Verification)
    1.2.840.10008.1.2.1 (ExplicitVRLittleEndian)
    1.2.840.10008.1.2 (ImplicitVRLittleEndian)
  context 3: 9.9\n9
    1.2.3
  asynchronous operations window: 0 invoked, 5 performed (0 is any number)
  roles for 1.2.840.10008.5.1.4.1.1.2 (CTImageStorage): SCU and SCP
  roles for 1.2: none
  extended for 1.2.840.10008.5.1.4.1.1.2 (CTImageStorage): 3 bytes
  1.2.3 is of the service 1.2.840.10008.4.2, related to 4.5
  1.2.4 is of the service 1.2.5
  user identity of type 2 (user name and passcode): 2 and 6 bytes, to be answered
  unknown item 99H: 5 bytes
  tolerated: code: what\nwas odd""".lstrip()
    )


def test_an_answer() -> None:
    assert (
        "\n".join(association_lines(AC, "to 'SCU'", RQ))
        == r"""
A-ASSOCIATE-AC to 'SCU'
  calling AE title 'SCU', called AE title 'SCP'
  implementation (none)
  application context 1.2.840.10008.3.1.1.1
  maximum length None
  context 1: 1.2.840.10008.1.1 (Verification)
    accepted, 1.2.840.10008.1.2 (ImplicitVRLittleEndian)
  context 3: 9.9\n9
    abstract syntax not supported
  context 5: (none)
    result 77
  user identity response: 8 bytes""".lstrip()
    )
    assert "  context 1: (none)" in association_lines(AC, "to 'SCU'", None)


def test_the_other_pdus() -> None:
    def line(pdu: AssociateRJ | Abort | ReleaseRQ | ReleaseRP) -> list[str]:
        return list(association_lines(pdu, "to X", None))

    rejection, abort = AssociateRJ(result=2, source=3, reason=2), Abort(source=2, reason=2)
    assert rejection.meaning.endswith(": local limit exceeded")
    assert line(rejection) == [
        f"A-ASSOCIATE-RJ to X: {rejection.meaning}",
    ]
    assert line(abort) == ["A-ABORT to X: aborted by the service-provider: unexpected PDU"]
    assert line(ReleaseRQ()) == ["A-RELEASE-RQ to X"]
    assert line(ReleaseRP()) == ["A-RELEASE-RP to X"]


def test_user_identities_are_never_shown() -> None:
    for kind in (1, 2, 3, 4, 5, 6):
        identity = UserIdentityRQ(identity_type=kind, primary_field=b"primary", secondary_field=b"secondary")
        text = "\n".join(association_lines(RQ.replace(user_identity=identity), "", None))
        assert f"user identity of type {kind} (" in text
        assert "primary" not in text
        assert "secondary" not in text


# --- messages -----------------------------------------------------------------------------------


def message(command: Command, data: bytes | None = None, length: int = 0) -> Message:
    return Message(command, 5, EXPLICIT_VR_LITTLE_ENDIAN, data, length, 1 << 20)


def test_messages() -> None:
    store = CStoreRQ(
        MessageID=3,
        AffectedSOPClassUID=CT_IMAGE,
        AffectedSOPInstanceUID="1.2\n3",
        Priority=7,
        MoveOriginatorApplicationEntityTitle="ME\n",
        unknown_elements=((0x5678, b"12345"),),
    )
    assert (
        "\n".join(message_lines(message(store, None, 1000), "from X"))
        == r"""
C-STORE-RQ from X, context 5
  MessageID: 3
  AffectedSOPClassUID: 1.2.840.10008.5.1.4.1.1.2 (CTImageStorage)
  AffectedSOPInstanceUID: 1.2\n3
  Priority: 7
  MoveOriginatorApplicationEntityTitle: 'ME\n'
  (0000,5678): 5 bytes
  data set: 1000 bytes, 1.2.840.10008.1.2.1 (ExplicitVRLittleEndian)""".lstrip()
    )
    get = CGetRSP(
        MessageIDBeingRespondedTo=1,
        Status=0xB000,
        ErrorComment="well\r\n",
        OffendingElement=(0x0008_0018, 0x7FE0_0010),
        NumberOfCompletedSuboperations=3,
    )
    assert "  ErrorComment: 6 characters" in message_lines(message(get), "to X")
    assert (
        "\n".join(message_lines(message(get), "to X", with_comment=True))
        == r"""
C-GET-RSP to X, context 5
  MessageIDBeingRespondedTo: 1
  Status: B000H (Warning of the service class)
  OffendingElement: (0008,0018), (7FE0,0010)
  ErrorComment: 'well\r\n'
  NumberOfCompletedSuboperations: 3""".lstrip()
    )
    move = CMoveRQ(AffectedSOPClassUID="1.2", MoveDestination="THERE", Priority=1)
    assert "  Priority: high" in message_lines(message(move), "")
    assert "  MoveDestination: 'THERE'" in message_lines(message(move), "")
    n_get = NGetRQ(
        RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", AttributeIdentifierList=(0x0010_0010,)
    )
    assert "  AttributeIdentifierList: (0010,0010)" in message_lines(message(n_get), "")


def test_data_sets() -> None:
    data = data_set()
    store = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2")
    lines = list(dataset_lines(message(store, data, len(data))))
    assert lines[0] == "    (0008,0016) SOP Class UID                       UI: CT Image Storage"
    assert lines[-1] == "    (7FE0,0010) Pixel Data                          OW: Array of 918 elements"
    assert list(dataset_lines(message(store))) == []
    assert list(dataset_lines(message(store, b"", 0))) == []


def test_data_sets_that_cannot_be_shown() -> None:
    store = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2")
    number = b"\x28\x00\x10\x00US\x03\x00abc"  # three bytes are no numbers of two
    (line,) = dataset_lines(message(store, number, len(number)))
    assert line == "    the data set cannot be shown: BytesLengthException"
    deflated = Message(store, 5, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, b"not at all", 10, 1 << 20)
    (line,) = dataset_lines(deflated)
    assert line == "    the deflated data set cannot be inflated"


# --- how much of it ---------------------------------------------------------------------------------


def test_a_dump_has_a_bounded_number_of_lines() -> None:
    """A command set of 64 KiB may hold 8,000 elements and a list of 16,000 tags."""
    response = CGetRSP(
        MessageIDBeingRespondedTo=1,
        Status=0xA900,
        OffendingElement=tuple(range(16_000)),
        AffectedSOPClassUID="1" * 60_000,
        unknown_elements=tuple((number, b"") for number in range(0x5000, 0x7000)),
        foreign_elements=b"x" * 100,
    )
    text = "\n".join(message_lines(message(response), "from X"))
    assert "and 15968 more" in text
    assert "and 59872 characters more" in text
    assert "  and 8160 more unknown elements\n  elements outside group 0000: 100 bytes" in text
    assert len(text.splitlines()) < 50
    assert len(text) < 5000


@pytest.mark.parametrize("contexts", [100, 256])
def test_a_dump_is_cut_after_a_thousand_lines(contexts: int, caplog: pytest.LogCaptureFixture) -> None:
    proposed = PresentationContextRQ(
        context_id=1, abstract_syntax=CT_IMAGE, transfer_syntaxes=("1.2.840.10008.1.2",) * 8
    )
    request = AssociateRQ(
        called_ae_title="A", calling_ae_title="B", presentation_contexts=(proposed,) * contexts
    )
    with caplog.at_level(logging.DEBUG, "dicomproto.dumps"):
        logs._log(logs._DUMPS, association_lines(request, "from X", None))
    lines = caplog.messages[0].splitlines()
    assert len(lines) == (contexts * 9 + 5 if contexts == 100 else 1001)
    assert ("cut here" in lines[-1]) is (contexts == 256)
