"""The storage contexts that a C-GET proposes: an association has room for 128, one is that of the query.

The contexts are proposed before anybody knows which objects will come. Each SOP class gets one context with
the uncompressed transfer syntaxes. If there is room, it also gets one for each compressed transfer syntax,
since an acceptor accepts one transfer syntax of a context. Objects that are stored compressed then come as
they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomproto.negotiation import MAXIMUM_CONTEXTS
from dicomproto.record import Record
from dicomproto.services import storage_sop_classes
from dicomproto.services._sop_class_table import COMMON_STORAGE, RETIRED_STORAGE
from dicomproto.uids import UNCOMPRESSED_TRANSFER_SYNTAXES
from dicomproto.upper_layer.pdu import RoleSelection

ROOM = MAXIMUM_CONTEXTS - 1

_JPEG = "1.2.840.10008.1.2.4."
COMPRESSED = (
    *(_JPEG + number for number in ("70", "90", "50", "91", "80")),
    "1.2.840.10008.1.2.5",  # RLE
    *(_JPEG + number for number in ("57", "51", "81", "201", "202", "203")),
    "1.2.840.10008.1.2.1.99",  # deflated
    *(_JPEG + number for number in ("102", "103", "107", "108", "100", "101", "106", "104", "105")),
    *(_JPEG + number for number in ("110", "111", "112")),
)
"""The compressed transfer syntaxes, the most common first."""

_IMAGE = "1.2.840.10008.5.1.4.1.1."
_MOST = tuple(
    _IMAGE + number
    for number in ("2", "4", "1.1", "1", "7", "6.1", "3.1", "12.1", "1.2", "20", "128", "12.2", "2.1", "4.1")
)
"""The images that are often compressed: CT, MR, DX, CR, SC, US, XA, MG, NM, PET, RF, enhanced CT, MR."""


class GetPlan(Record):
    """The contexts and roles to propose besides the context of the query."""

    contexts: tuple[tuple[str, tuple[str, ...]], ...]
    roles: tuple[RoleSelection, ...]
    left_out: int = 0
    """Storage SOP classes of the standard that are not proposed."""


def plan_get(chosen: Sequence[str] = (), only: str | None = None, more: Sequence[str] = ()) -> GetPlan:
    """Return the plan for the chosen SOP classes, by default for the most common ones.

    `only` is the one transfer syntax to propose; `more` are proposed before the compressed ones. Raises
    ValueError if there is no room for all that was chosen.
    """
    classes = list(dict.fromkeys(chosen)) or _usual_classes()
    if len(classes) > ROOM:
        raise ValueError(f"one association has room for {ROOM} SOP classes, not for {len(classes)}")
    native = (only,) if only else UNCOMPRESSED_TRANSFER_SYNTAXES
    contexts = [(uid, native) for uid in classes]
    eager = classes if chosen else list(_MOST)
    if len(contexts) + len(more) * len(eager) > ROOM:
        wanted = f"for {len(more)} more transfer syntaxes of {len(eager)} SOP classes"
        raise ValueError(f"one association has no room {wanted}: choose fewer of either")
    further = [(uid, (syntax,)) for syntax in (*more, *(() if only else COMPRESSED)) for uid in eager]
    contexts += further[: ROOM - len(contexts)]
    roles = [RoleSelection(sop_class_uid=uid, scu_role=False, scp_role=True) for uid in classes]
    left_out = len(set(storage_sop_classes()) - set(classes))
    return GetPlan(contexts=tuple(contexts), roles=tuple(roles), left_out=left_out)


def _usual_classes() -> list[str]:
    return [uid for uid in COMMON_STORAGE if uid not in RETIRED_STORAGE]
