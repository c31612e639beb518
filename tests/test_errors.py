"""The error tree: what can be caught together, and what each error says."""

from __future__ import annotations

import pytest

from dicomproto import errors, uids
from dicomproto.config import Limits, Timeouts


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (errors.AssociationRejected, {"result": 1, "source": 2, "reason": 2}),
        (errors.AssociationAborted, {"source": 2, "reason": 6, "by_peer": True}),
        (errors.AssociationReleased, {}),
        (errors.ConnectionLost, {"state": "Sta6"}),
        (errors.TLSFailed, {"kind": "certificate", "state": "Sta5"}),
        (errors.TimedOut, {"phase": "artim"}),
        (errors.RemoteProtocolError, {"offset": 7, "item_path": "A-ABORT"}),
        (errors.NotDicomError, {"kind": "tls"}),
        (errors.NoAcceptedContext, {}),
    ],
)
def test_association_errors(error: type[errors.AssociationError], fields: dict[str, object]) -> None:
    raised = error("why", **fields)
    assert isinstance(raised, errors.AssociationError)
    assert isinstance(raised, errors.DicomProtoError)
    assert str(raised) == "why"
    assert {name: getattr(raised, name) for name in fields} == fields


def test_a_lost_connection_need_not_have_a_state() -> None:
    assert errors.ConnectionLost("refused").state is None


def test_local_misuse_and_what_a_peer_did_are_never_caught_together() -> None:
    apart = [errors.LocalProtocolError, errors.InvalidPDU, errors.InvalidCommand, errors.AssociationError]
    for one in apart:
        assert issubclass(one, errors.DicomProtoError)
        assert not any(issubclass(one, other) for other in apart if other is not one)


def test_an_invalid_pdu_says_where() -> None:
    error = errors.InvalidPDU("too long", offset=12, item_path="A-ASSOCIATE-RQ", reason=6)
    assert str(error) == "A-ASSOCIATE-RQ: too long (at byte 12)"


@pytest.mark.parametrize(
    "uid", ["1.2", "0", "0.0", "1.0.1", uids.IMPLEMENTATION_CLASS_UID, "1." + "2" * 62, "1.2.840.10008.1.1"]
)
def test_valid_uids(uid: str) -> None:
    assert uids.is_valid_uid(uid)


NO_UIDS = [
    *("", ".", "1.", ".1", "1..2", "1.02", "00", "1.a", "1.2 ", "1.2\0", "1.-2"),
    *("1.\u0661", "1.\u00b2", "1." + "2" * 63),
]


@pytest.mark.parametrize("uid", NO_UIDS)
def test_invalid_uids(uid: str) -> None:
    assert not uids.is_valid_uid(uid)


@pytest.mark.parametrize("uid", ["1.2", "1.2\0", "1.2 ", "1.2\0 \0"])
def test_padding_of_uids(uid: str) -> None:
    assert uids.normalize_uid(uid) == "1.2"


def test_our_own_identification_is_conformant() -> None:
    assert uids.is_valid_uid(uids.IMPLEMENTATION_CLASS_UID)
    assert 1 <= len(uids.IMPLEMENTATION_VERSION_NAME) <= 16


def test_every_bound_is_finite_by_default() -> None:
    for bounds in (Limits(), Timeouts()):
        for field in type(bounds)._fields:
            assert 0 < getattr(bounds, field) < 2**31
