"""The decoder of A-ASSOCIATE-RQ and -AC, item by item (PS3.8 9.3.2, 9.3.3, PS3.7 Annex D.3.3).

It never reads outside the parent of an item: each level walks its items with `items`, which first checks
every declared length against the rest of the parent. It ignores what the standard lets a receiver ignore:
reserved bytes, unknown items, disorder. Harmless errors of real peers become warnings. Data that cannot be
understood raises `InvalidPDU`, which names the item and the byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from ..config import Limits
from .conformance import oddities
from .contexts import make_context_ac, make_context_rq
from .layout import (
    ABSTRACT_SYNTAX,
    APPLICATION_CONTEXT,
    ASSOCIATE_AC,
    ASSOCIATE_RQ,
    CONTEXT_AC,
    CONTEXT_RQ,
    ITEM_HEADER,
    PDU_NAMES,
    STANDARD_ITEMS,
    TRANSFER_SYNTAX,
    U16,
    U32,
    UNEXPECTED_PARAMETER,
    USER_INFORMATION,
    invalid,
    title_texts,
)
from .pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)

_PROPOSAL = struct.Struct(">BxHB3xBxH")
"""A proposed context up to the value of its first sub-item: two item headers, the context ID between."""

_PDUS: dict[int, Callable[..., AssociateRQ | AssociateAC]] = {
    ASSOCIATE_RQ: AssociateRQ,
    ASSOCIATE_AC: AssociateAC,
}


class AssociateDecoder:
    """Decodes one A-ASSOCIATE-RQ or -AC, and collects its fields, counts and warnings."""

    def __init__(self, pdu_type: int, body: bytes, limits: Limits) -> None:
        self.pdu_type = pdu_type
        self.name: str = PDU_NAMES[pdu_type]
        self.body = body
        self.limits = limits
        self.fields: dict[str, object] = {}
        self.lists: dict[str, list[object]] = {}
        self.contexts: list[PresentationContextRQ | PresentationContextAC] = []
        self.warnings: dict[str, str] = {}  # the first of each kind, since there may be many items
        self.items_left: int = limits.items
        self.proposed: dict[bytes, tuple[str, ...]] = {}  # lists of transfer syntaxes, by their items

    def decode(self) -> AssociateRQ | AssociateAC:
        body = self.body
        if len(body) < 68:
            raise invalid(self.name, -4, f"has {len(body)} bytes after its header, at least 68 are needed")
        raw = body[4:36]
        called, calling = title_texts(raw)
        if called.encode("latin-1").ljust(16) + calling.encode("latin-1").ljust(16) != raw:
            self.fields["raw_ae_titles"] = raw
        position = 68
        while position < len(body):
            item_type, start, position = self.item(position, len(body), self.name)
            self.top_level_item(item_type, start, position)
            if self.proposed:
                position = self.similar_contexts(position)
        if "application_context_name" not in self.fields:
            self.warn("missing-item: application context")
            self.fields["application_context_name"] = ""
        elif not self.fields["application_context_name"]:
            self.warn("empty-item: application context")
        pdu = _PDUS[self.pdu_type](
            called_ae_title=called,
            calling_ae_title=calling,
            protocol_version=U16.unpack_from(body)[0],
            presentation_contexts=tuple(self.contexts),
            reserved=body[36:68],
            **self.fields,
            **{name: tuple(values) for name, values in self.lists.items()},
        )
        warnings = [*self.warnings.values(), *oddities(pdu)]
        return pdu.replace(warnings=tuple(warnings)) if warnings else pdu

    def items(self, position: int, end: int, path: str) -> Iterator[tuple[int, int, int]]:
        """Yield the type and the bounds of each item's value; all lie within [position, end)."""
        while position < end:
            item = self.item(position, end, path)
            yield item
            position = item[2]

    def item(self, position: int, end: int, path: str) -> tuple[int, int, int]:
        """Return the type and the bounds of the value of the item at `position`."""
        if end - position < 4:
            raise invalid(path, position, f"{end - position} bytes are no item header")
        item_type, _, length = ITEM_HEADER.unpack_from(self.body, position)
        start = position + 4
        if start + length > end:
            text = f"item {item_type:02X}H declares {length} bytes, {end - start} are left of its parent"
            raise invalid(path, start - 2, text)
        return item_type, start, start + length

    def count_item(self, path: str, position: int) -> None:
        self.items_left -= 1
        if self.items_left < 0:
            raise invalid(path, position, f"more than {self.limits.items} items (Limits.items)")

    def top_level_item(self, item_type: int, start: int, end: int) -> None:
        if item_type == (CONTEXT_RQ if self.pdu_type == ASSOCIATE_RQ else CONTEXT_AC):
            if len(self.contexts) == self.limits.presentation_contexts:
                limit = self.limits.presentation_contexts
                text = f"more than {limit} presentation contexts (Limits.presentation_contexts)"
                raise invalid(self.name, start - 4, text)
            self.contexts.append(self.context(start, end))
            return
        self.count_item(self.name, start - 4)
        if item_type == APPLICATION_CONTEXT:
            self.set_once("application_context_name", self.text(start, end))
        elif item_type == USER_INFORMATION:
            path = f"{self.name} / user information"
            for sub_type, sub_start, sub_end in self.items(start, end, path):
                self.user_information_item(sub_type, sub_start, sub_end, path)
        elif item_type in STANDARD_ITEMS:
            raise invalid(self.name, start - 4, f"item {item_type:02X}H out of place", UNEXPECTED_PARAMETER)
        else:
            self.add("unknown_items", UnknownItem(item_type=item_type, data=self.body[start:end]))

    def warn(self, text: str, kind: str = "") -> None:
        self.warnings.setdefault(kind or text, text)

    def set_once(self, field: str, value: object) -> None:
        if field in self.fields:
            self.warn(f"duplicate-item: {field}, the first one counts")
        else:
            self.fields[field] = value

    def add(self, field: str, value: object) -> None:
        self.lists.setdefault(field, []).append(value)

    def text(self, start: int, end: int) -> str:
        return self.body[start:end].decode("latin-1")

    def counted(self, start: int, end: int, path: str) -> tuple[int, int]:
        """Return the bounds of a value that stands behind its 16-bit length, within [start, end)."""
        if end - start < 2:
            raise invalid(path, start, "a 16-bit length is missing")
        (length,) = U16.unpack_from(self.body, start)
        if start + 2 + length > end:
            text = f"declares a field of {length} bytes, {end - start - 2} are left"
            raise invalid(path, start, text)
        return start + 2, start + 2 + length

    def fixed(self, start: int, end: int, length: int, path: str) -> None:
        if end - start != length:
            raise invalid(path, start - 2, f"has {end - start} bytes, not {length}")

    def surplus(self, position: int, end: int, path: str) -> None:
        if position != end:
            self.warn(f"surplus-bytes: {end - position} at the end of {path}", kind=f"surplus-bytes: {path}")

    # presentation contexts (PS3.8 Table 9-13, 9-18)

    def context(self, start: int, end: int) -> PresentationContextRQ | PresentationContextAC:
        path = f"{self.name} / presentation context {len(self.contexts) + 1}"
        if end - start < 4:
            raise invalid(path, start, f"has {end - start} bytes, at least 4 are needed")
        abstract_syntax = ""
        transfer_syntaxes: list[str] = []
        unknown: list[UnknownItem] = []
        items_left = self.items_left
        for item_type, sub_start, sub_end in self.items(start + 4, end, path):
            if item_type == TRANSFER_SYNTAX:
                if transfer_syntaxes and self.pdu_type == ASSOCIATE_AC:
                    self.warn("duplicate-item: transfer syntax of an answer, the first one counts")
                if len(transfer_syntaxes) == self.limits.transfer_syntaxes:
                    limit = self.limits.transfer_syntaxes
                    text = f"more than {limit} transfer syntaxes (Limits.transfer_syntaxes)"
                    raise invalid(path, sub_start - 4, text)
                transfer_syntaxes.append(self.text(sub_start, sub_end))
                continue
            self.count_item(path, sub_start - 4)
            if item_type == ABSTRACT_SYNTAX:
                if abstract_syntax:
                    self.warn("duplicate-item: abstract syntax, the first one counts")
                abstract_syntax = abstract_syntax or self.text(sub_start, sub_end)
            elif item_type in STANDARD_ITEMS:
                text = f"item {item_type:02X}H out of place"
                raise invalid(path, sub_start - 4, text, UNEXPECTED_PARAMETER)
            else:
                unknown.append(UnknownItem(item_type=item_type, data=self.body[sub_start:sub_end]))
        context_id, result = self.body[start], self.body[start + 2]
        if self.pdu_type == ASSOCIATE_RQ:
            proposal = make_context_rq(
                context_id=context_id,
                abstract_syntax=abstract_syntax,
                transfer_syntaxes=tuple(transfer_syntaxes),
                unknown_items=tuple(unknown),
            )
            if self.items_left == items_left - 1 and self.body[start + 4] == ABSTRACT_SYNTAX:
                behind = self.body[start + 8 + len(abstract_syntax) : end]
                self.proposed[behind] = proposal.transfer_syntaxes
            return proposal
        return make_context_ac(
            context_id=context_id,
            result=result,
            transfer_syntax=transfer_syntaxes[0] if transfer_syntaxes else "",
            unknown_items=tuple(unknown),
        )

    def similar_contexts(self, position: int) -> int:
        """Decode proposals from `position` on that are like one before; return where another item is.

        Such a proposal has an abstract syntax, and behind it the very items that another one has: most
        peers propose the same transfer syntaxes for all abstract syntaxes.
        """
        body, end = self.body, len(self.body)
        while end - position >= _PROPOSAL.size:
            item_type, length, context_id, sub_type, sub_length = _PROPOSAL.unpack_from(body, position)
            start = position + _PROPOSAL.size
            behind, stop = start + sub_length, position + 4 + length
            if (item_type, sub_type) != (CONTEXT_RQ, ABSTRACT_SYNTAX) or not sub_length:
                break
            syntaxes = self.proposed.get(body[behind:stop]) if behind <= stop <= end else None
            if syntaxes is None or not self.items_left:
                break
            if len(self.contexts) == self.limits.presentation_contexts:
                break
            self.items_left -= 1
            self.contexts.append(
                make_context_rq(
                    context_id=context_id,
                    abstract_syntax=body[start:behind].decode("latin-1"),
                    transfer_syntaxes=syntaxes,
                    unknown_items=(),
                )
            )
            position = stop
        return position

    # user information sub-items (PS3.8 Annex D.1, PS3.7 Annex D.3.3)

    def user_information_item(self, item_type: int, start: int, end: int, parent: str) -> None:
        self.count_item(parent, start - 4)
        decode = _USER_INFORMATION_ITEMS.get(item_type)
        if decode is not None:
            name, method = decode
            method(self, start, end, f"{parent} / {name}")
        elif item_type in STANDARD_ITEMS:
            raise invalid(parent, start - 4, f"item {item_type:02X}H out of place", UNEXPECTED_PARAMETER)
        else:
            unknown = UnknownItem(item_type=item_type, data=self.body[start:end])
            self.add("unknown_user_information", unknown)

    def maximum_length(self, start: int, end: int, path: str) -> None:
        self.fixed(start, end, 4, path)
        self.set_once("maximum_length", U32.unpack_from(self.body, start)[0])

    def implementation_class_uid(self, start: int, end: int, path: str) -> None:
        self.set_once("implementation_class_uid", self.text(start, end))

    def implementation_version_name(self, start: int, end: int, path: str) -> None:
        self.set_once("implementation_version_name", self.text(start, end))

    def asynchronous_operations_window(self, start: int, end: int, path: str) -> None:
        self.fixed(start, end, 4, path)
        invoked, performed = struct.unpack_from(">HH", self.body, start)
        window = AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)
        self.set_once("asynchronous_operations_window", window)

    def role_selection(self, start: int, end: int, path: str) -> None:
        uid_start, uid_end = self.counted(start, end, path)
        if end - uid_end < 2:
            raise invalid(path, uid_end, "the two role bytes are missing")
        self.surplus(uid_end + 2, end, path)
        role = RoleSelection(
            sop_class_uid=self.text(uid_start, uid_end),
            scu_role=self.body[uid_end] == 1,
            scp_role=self.body[uid_end + 1] == 1,
        )
        self.add("role_selections", role)

    def extended(self, start: int, end: int, path: str) -> None:
        uid_start, uid_end = self.counted(start, end, path)
        item = SOPClassExtendedNegotiation(
            sop_class_uid=self.text(uid_start, uid_end), application_information=self.body[uid_end:end]
        )
        self.add("sop_class_extended", item)

    def common_extended(self, start: int, end: int, path: str) -> None:
        sop_start, sop_end = self.counted(start, end, path)
        service_start, service_end = self.counted(sop_end, end, path)
        related: list[str] = []
        position, related_end = service_end, service_end
        if service_end != end:  # the related list and the reserved bytes after it may be absent
            position, related_end = self.counted(service_end, end, path)
        while position < related_end:
            self.count_item(path, position)
            uid_start, position = self.counted(position, related_end, path)
            related.append(self.text(uid_start, position))
        item = SOPClassCommonExtendedNegotiation(
            sop_class_uid=self.text(sop_start, sop_end),
            service_class_uid=self.text(service_start, service_end),
            related_general_sop_class_uids=tuple(related),
            version=self.body[start - 3],
        )
        self.add("sop_class_common_extended", item)

    def user_identity(self, start: int, end: int, path: str) -> None:
        if end - start < 2:
            raise invalid(path, start, "its type is missing")
        primary_start, primary_end = self.counted(start + 2, end, path)
        secondary_start, secondary_end = primary_end, primary_end
        if primary_end != end:  # some peers omit an empty secondary field
            secondary_start, secondary_end = self.counted(primary_end, end, path)
        self.surplus(secondary_end, end, path)
        identity = UserIdentityRQ(
            identity_type=self.body[start],
            primary_field=self.body[primary_start:primary_end],
            secondary_field=self.body[secondary_start:secondary_end],
            positive_response_requested=self.body[start + 1] == 1,
        )
        self.set_once("user_identity", identity)

    def user_identity_response(self, start: int, end: int, path: str) -> None:
        response_start, response_end = self.counted(start, end, path)
        self.surplus(response_end, end, path)
        response = UserIdentityAC(server_response=self.body[response_start:response_end])
        self.set_once("user_identity_response", response)


_USER_INFORMATION_ITEMS: dict[int, tuple[str, Callable[[AssociateDecoder, int, int, str], None]]] = {
    0x51: ("maximum length", AssociateDecoder.maximum_length),
    0x52: ("implementation class UID", AssociateDecoder.implementation_class_uid),
    0x53: ("asynchronous operations window", AssociateDecoder.asynchronous_operations_window),
    0x54: ("role selection", AssociateDecoder.role_selection),
    0x55: ("implementation version name", AssociateDecoder.implementation_version_name),
    0x56: ("SOP class extended negotiation", AssociateDecoder.extended),
    0x57: ("SOP class common extended negotiation", AssociateDecoder.common_extended),
    0x58: ("user identity", AssociateDecoder.user_identity),
    0x59: ("user identity response", AssociateDecoder.user_identity_response),
}
