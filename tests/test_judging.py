"""Limits, timeouts and items of the extended negotiation judge their values when they are given."""

from __future__ import annotations

import copy
import pickle
import re
from math import inf, nan

import pytest

from dicomproto.config import Limits, Timeouts
from dicomproto.record import Record
from dicomproto.upper_layer import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)


class Text(str):
    """A UID of another library."""


UID = "must be a UID, as text, not "
UIDS = "must be several UIDs, as a tuple of text, not "
WHOLE = "must be a whole number from 0"

# Kind, field, and the wrong values of the field with the end of what is said of them.
WRONG: list[tuple[type[Record], str, list[tuple[object, type[Exception], str]]]] = [
    *(
        (
            Timeouts,
            field,
            [
                (-1, ValueError, "from 0, or None, not -1"),
                (-0.1, ValueError, "from 0, or None, not -0.1"),
                (nan, ValueError, "not nan"),
                (-inf, ValueError, "not -inf"),
                (True, TypeError, ", or None, not True"),
                ("60", TypeError, ", or None, not a str"),
                (b"60", TypeError, "not a bytes"),
                ([60], TypeError, "not a list"),
            ],
        )
        for field in Timeouts._fields
    ),
    *(
        (
            Limits,
            field,
            [
                (-1, ValueError, f"{WHOLE}, not -1"),
                (1.5, TypeError, f"{WHOLE}, not 1.5"),
                (inf, TypeError, f"{WHOLE}, not inf"),
                (None, TypeError, f"{WHOLE}, not None"),
                (True, TypeError, f"{WHOLE}, not True"),
                ("1 MiB", TypeError, f"{WHOLE}, not a str"),
            ],
        )
        for field in Limits._fields
    ),
    *(
        (
            kind,
            field,
            [(5, TypeError, UID + "5"), (b"1.2", TypeError, UID + "a bytes"), (["1.2"], TypeError, UID)],
        )
        for kind, field in (
            (RoleSelection, "sop_class_uid"),
            (SOPClassExtendedNegotiation, "sop_class_uid"),
            (SOPClassCommonExtendedNegotiation, "sop_class_uid"),
            (SOPClassCommonExtendedNegotiation, "service_class_uid"),
        )
    ),
    *(
        (
            kind,
            field,
            [
                (None, TypeError, "not None"),
                (1, TypeError, "must be True or False, not 1"),
                ("yes", TypeError, "not a str"),
            ],
        )
        for kind, field in (
            (RoleSelection, "scu_role"),
            (RoleSelection, "scp_role"),
            (UserIdentityRQ, "positive_response_requested"),
        )
    ),
    *(
        (
            kind,
            field,
            [("DOE", TypeError, "must be bytes, not a str"), (5, TypeError, "must be bytes, not 5")],
        )
        for kind, field in (
            (SOPClassExtendedNegotiation, "application_information"),
            (UserIdentityRQ, "primary_field"),
            (UserIdentityRQ, "secondary_field"),
        )
    ),
    *(
        (
            kind,
            field,
            [
                (-1, ValueError, f"{WHOLE} to 65535, not -1"),
                (65536, ValueError, f"{WHOLE} to 65535, not 65536"),
                (1.0, TypeError, f"{WHOLE} to 65535, not 1.0"),
                (True, TypeError, f"{WHOLE} to 65535, not True"),
                ("1", TypeError, f"{WHOLE} to 65535, not a str"),
            ],
        )
        for kind, field in (
            (AsynchronousOperationsWindow, "maximum_invoked"),
            (AsynchronousOperationsWindow, "maximum_performed"),
            (SOPClassCommonExtendedNegotiation, "version"),
            (UserIdentityRQ, "identity_type"),
        )
    ),
    (
        SOPClassCommonExtendedNegotiation,
        "related_general_sop_class_uids",
        [("1.2", TypeError, UIDS + "a str"), (("1.2", 5), TypeError, UIDS), (5, TypeError, UIDS + "5")],
    ),
]
ITEMS = [
    RoleSelection,
    SOPClassExtendedNegotiation,
    SOPClassCommonExtendedNegotiation,
    UserIdentityRQ,
    AsynchronousOperationsWindow,
]


@pytest.mark.parametrize(("kind", "field", "values"), WRONG, ids=[f"{k.__name__}.{f}" for k, f, _ in WRONG])
def test_a_wrong_value_is_told_when_it_is_given(
    kind: type[Record], field: str, values: list[tuple[object, type[Exception], str]]
) -> None:
    for value, error, text in values:
        for give in (lambda: kind(**{field: value}), lambda: kind().replace(**{field: value})):  # noqa: B023
            with pytest.raises(error, match=f"^{field}: .*{re.escape(text)}") as caught:
                give()
            assert "DOE" not in str(caught.value)
        if kind in ITEMS:
            with pytest.raises(error, match=f"^{field}: .*{re.escape(text)}"):
                setattr(kind(), field, value)


def test_the_unit_of_a_rate_is_told() -> None:
    with pytest.raises(ValueError, match="minimum_rate: must be a number of bytes a second from 0"):
        Timeouts(minimum_rate=-1)
    with pytest.raises(ValueError, match="idle: must be a number of seconds from 0"):
        Timeouts(idle=-1)


def test_right_values_are_kept() -> None:
    times = Timeouts(idle=0, pdu=1.5, close=None, connect=inf)
    assert (times.idle, times.pdu, times.close, times.connect) == (0, 1.5, None, inf)
    assert Limits(collect=0).collect == 0
    role = RoleSelection(sop_class_uid=Text("1.2"))
    assert type(role.sop_class_uid) is Text
    for data in (b"", bytearray(b"1"), memoryview(b"1")):
        assert UserIdentityRQ(identity_type=1, primary_field=data).primary_field is data  # type: ignore[arg-type]
    related = SOPClassCommonExtendedNegotiation(related_general_sop_class_uids=["1.2"])  # type: ignore[arg-type]
    assert related.related_general_sop_class_uids == ("1.2",)


FILLED = {
    RoleSelection: {"sop_class_uid": "1.2", "scu_role": True, "scp_role": True},
    SOPClassExtendedNegotiation: {"sop_class_uid": "1.2", "application_information": b"1"},
    SOPClassCommonExtendedNegotiation: {
        "sop_class_uid": "1.2",
        "service_class_uid": "1.3",
        "related_general_sop_class_uids": ("1.4",),
        "version": 1,
    },
    UserIdentityRQ: {
        "identity_type": 2,
        "primary_field": b"me",
        "secondary_field": b"?",
        "positive_response_requested": True,
    },
    AsynchronousOperationsWindow: {"maximum_invoked": 5, "maximum_performed": 1},
}


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_is_made_empty_and_filled(kind: type[Record]) -> None:
    item = kind()
    assert repr(item).startswith(f"{kind.__name__}(")
    for field, value in FILLED[kind].items():
        setattr(item, field, value)
    whole = kind(**FILLED[kind])
    assert item == whole
    assert hash(item) == hash(whole)
    assert item == copy.copy(item) == pickle.loads(pickle.dumps(item))
    for field, value in FILLED[kind].items():
        with pytest.raises(AttributeError, match=rf"is immutable; use replace\({field}=...\)"):
            setattr(item, field, value)
    assert item == whole
    text = f"{kind.__name__} has no field 'nonsense', only {', '.join(kind._fields)}"
    with pytest.raises(AttributeError, match=f"^{text}$"):
        setattr(kind(), "nonsense", 1)  # noqa: B010
