"""What is kept of A-ASSOCIATE-RQ and -AC from one association to the next.

Most peers propose the same in each of their associations, and get the same answer. `AssociateCache` keeps
these PDUs, decoded, and the results of functions of them. A PDU is found again by its bytes, and a result by
the very objects that it was made of, so nothing that one peer sends changes what another one gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from ..config import Limits
from .decoding import decode_body
from .pdu import PDU, AssociateAC, AssociateRQ

LONGEST_BODY = 8 * 1024
"""Most bytes after the header of a received PDU that is kept."""

_RESULTS_OF_EACH = 8

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AssociateCache:
    """Keeps A-ASSOCIATE PDUs and what follows from them, for all associations of an application entity.

    It keeps up to `most` PDUs, and received ones of up to 8 KiB; when it is full, it forgets all and begins
    anew. It never keeps a PDU with a user identity or with the answer to one. Any thread may use it.
    """

    __slots__ = ("_decoded", "_kept", "_most", "_results")

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._decoded: dict[tuple[int, bytes], tuple[Limits, PDU]] = {}
        self._kept: dict[int, PDU] = {}
        # Each result has the objects that it was made of: while they live, nothing else has their ids.
        self._results: dict[tuple[object, ...], tuple[object, Any]] = {}

    def decode(self, pdu_type: int, body: bytes, limits: Limits) -> PDU:
        """Return the A-ASSOCIATE-RQ or -AC with that body, as `decode_body` does; raises InvalidPDU."""
        known = self._decoded.get((pdu_type, body))
        if known is not None and known[0] is limits:
            return known[1]
        pdu = decode_body(pdu_type, body, limits)
        if len(body) <= LONGEST_BODY and self.keep(pdu):
            self._decoded[pdu_type, body] = limits, pdu
        return pdu

    def keep(self, pdu: object) -> bool:
        """Keep a PDU, so that `once` finds what follows from it; tell whether it is kept."""
        if id(pdu) in self._kept:
            return True
        if not isinstance(pdu, AssociateRQ | AssociateAC) or self._most == 0:
            return False
        if pdu.user_identity is not None or pdu.user_identity_response is not None:
            return False
        if len(self._kept) >= self._most:
            for table in (self._decoded, self._kept, self._results):
                table.clear()
        self._kept[id(pdu)] = pdu
        return True

    def once(self, function: Callable[[*Ts], T], *of: *Ts) -> T:
        """Return `function(*of)`, called once for the same objects if all PDUs among them are kept.

        The function has no effect, and its result does not change. A PDU that it returns is kept as well.
        """
        key = function, *map(id, of)
        known = self._results.get(key)
        if known is not None:
            found: T = known[1]
            return found
        result = function(*of)
        are_kept = [id(one) in self._kept for one in of if isinstance(one, AssociateRQ | AssociateAC)]
        if are_kept and all(are_kept):
            if len(self._results) >= self._most * _RESULTS_OF_EACH:
                self._results.clear()
            self._results[key] = of, result
            self.keep(result)
        return result
