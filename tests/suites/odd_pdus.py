"""Odd PDUs: titles, UIDs, items, contexts and lengths as real peers send them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.suites.hostile_pdus import (
    ABORT,
    ECHO_CONTEXT,
    MAXIMUM,
    NAME,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    RQ,
    SYNTAX,
    UID,
    context,
    told,
    user,
)
from tests.suites.rows import Input, Outcome, Quirk, Wire, faults, pdu, provoking

awaiting_answer, awaiting_request = provoking.awaiting_answer, provoking.awaiting_request
calling, releasing, serving = provoking.calling, provoking.releasing, provoking.serving
associate, counted, item = provoking.associate, provoking.counted, provoking.item
IMPLEMENTATION = provoking.IMPLEMENTATION

IMPLICIT, EXPLICIT, JPEG = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.4.70"
RESERVED = bytes(32)


def asked(what: str, *items: bytes, warnings: tuple[str, ...] = ()) -> Quirk:
    """Return a proposal that is taken."""
    return Quirk(what, awaiting_request, associate(1, *items), ("AssociateRQ",), warnings)


def answered(what: str, *items: bytes, warnings: tuple[str, ...] = ()) -> Quirk:
    """Return an answer that is taken."""
    return Quirk(what, awaiting_answer, associate(2, *items), ("AssociateAC",), warnings)


def result(number: int, value: int, *items: bytes) -> bytes:
    """Return the answer to a presentation context."""
    return item(0x21, bytes((number, 0, value, 0)), *items)


ACCEPTED = result(1, 0, SYNTAX)


def titled(called: bytes, calling: bytes) -> bytes:
    """Return a proposal under raw titles of 16 bytes."""
    return pdu(1, b"\0\1\0\0", called, calling, RESERVED, NAME, ECHO_CONTEXT, user())


SCP, SCU, BLANK = b"SCP".ljust(16), b"SCU".ljust(16), b" " * 16


def titles(rows: dict[str, tuple[bytes, bytes, tuple[str, ...]]]) -> Iterator[Input]:
    """Return proposals under odd titles."""
    for what, (called, calling, warnings) in rows.items():
        yield Quirk(what, awaiting_request, titled(called, calling), ("AssociateRQ",), warnings)


def blank_titles() -> Iterator[Input]:
    """Titles of spaces or NULs alone."""
    yield from titles(
        {
            "a blank calling title": (SCP, BLANK, ("blank-ae-title",)),
            "a blank called title": (BLANK, SCU, ("blank-ae-title",)),
            "two blank titles": (BLANK, BLANK, ("blank-ae-title",) * 2),
            "a calling title of NULs": (SCP, bytes(16), ("blank-ae-title", "padded-ae-title")),
        }
    )


def raw_titles() -> Iterator[Input]:
    """Titles with NULs, bytes above 127, spaces in front, and of 16 characters."""
    yield from titles(
        {
            "padded with NULs": (SCP, b"SCU".ljust(16, b"\0"), ("padded-ae-title",)),
            "spaces in front": (SCP, b"SCU".rjust(16), ()),
            "a byte above 127": (SCP, b"SC\xdc".ljust(16), ("odd-ae-title",)),
            "a line feed": (b"SC\nP".ljust(16), SCU, ("odd-ae-title",)),
            "a NUL within": (SCP, b"SC\0U".ljust(16), ("odd-ae-title",)),
            "16 characters": (b"ABCDEFGHIJKLMNOP", b"ABCDEFGHIJKLMNOP", ()),
        }
    )


def titles_of_answers() -> Iterator[Input]:
    """Anything in the reserved fields of an answer where the titles of its proposal are to be."""
    for what, field in {
        "NULs": bytes(64),
        "spaces": b" " * 64,
        "ones": b"\xff" * 64,
        "other titles": b"OTHER".ljust(16) * 4,
        "titles that were swapped": SCU + SCP + RESERVED,
        "all kinds of bytes": bytes(range(190, 254)),
    }.items():
        data = pdu(2, b"\0\1\0\0", field, NAME, ACCEPTED, user())
        yield Quirk(what, awaiting_answer, data, ("AssociateAC",))


def rejected_contexts() -> Iterator[Input]:
    """Rejected contexts with and without a transfer syntax, and results that there are not."""
    for value in (1, 2, 3, 4):
        for what, items in (("no", ()), ("an empty", (item(0x40),)), ("an odd", (item(0x40, b"x"),))):
            yield answered(f"result {value}, {what} transfer syntax", NAME, result(1, value, *items), user())
    for value in (5, 255):
        rejected = result(1, value, SYNTAX)
        yield answered(f"result {value}", NAME, rejected, user(), warnings=("unknown-result",))


PADDING = (b"\0", b" ", b"\0\0\0", b" \0")


def padded_uids() -> Iterator[Input]:
    """UIDs with NULs or spaces behind them, in a proposal and in an answer."""
    for pad in PADDING:
        one = context(1, item(0x30, UID + pad), item(0x40, IMPLICIT + pad))
        name = item(0x10, b"1.2.840.10008.3.1.1.1" + pad)
        implementation = item(0x50, MAXIMUM, item(0x52, b"1.2.3" + pad))
        text, odd = f"padded with {pad!r}", ("invalid-uid",)
        yield asked(f"{text} in contexts", NAME, one, user(), warnings=odd)
        yield asked(f"{text} elsewhere", name, ECHO_CONTEXT, implementation, warnings=odd * 2)
        accepted = result(1, 0, item(0x40, IMPLICIT + pad))
        yield answered(f"{text} in an answer", NAME, accepted, user(), warnings=odd)


def wrong_uids() -> Iterator[Input]:
    """UIDs with leading zeros, letters, more than 64 characters, or none."""
    for uid in (
        b"1.02.3",
        b"1.2.a",
        b"UID",
        b"1." + b"2" * 63,
        b"1." + b"2" * 126,
        b"1..2",
        b".1",
        b"1.",
        b"",
    ):
        one, odd = context(3, item(0x30, uid), SYNTAX), ("invalid-uid",)
        yield asked(f"abstract syntax {uid!r}", NAME, ECHO_CONTEXT, one, user(), warnings=odd)
        syntaxes = context(1, item(0x30, UID), item(0x40, uid), SYNTAX)
        yield asked(f"transfer syntax {uid!r}", NAME, syntaxes, user(), warnings=odd)
        implementation = item(0x50, MAXIMUM, item(0x52, uid))
        yield answered(f"implementation {uid!r}", NAME, ACCEPTED, implementation, warnings=odd)


def implementations() -> Iterator[Input]:
    """No implementation class UID, no version name, and version names of any length."""
    for what, items, warnings in (
        ("neither", (MAXIMUM,), ("missing-item",)),
        ("a version alone", (MAXIMUM, item(0x55, b"V1")), ("missing-item",)),
        ("no version", (MAXIMUM, IMPLEMENTATION), ()),
        ("an empty version", (MAXIMUM, IMPLEMENTATION, item(0x55)), ("odd-value",)),
        ("a version of one character", (MAXIMUM, IMPLEMENTATION, item(0x55, b"1")), ()),
        ("a version of 17", (MAXIMUM, IMPLEMENTATION, item(0x55, b"V" * 17)), ("odd-value",)),
        ("a version of 60,000", (MAXIMUM, IMPLEMENTATION, item(0x55, b"V" * 60_000)), ("odd-value",)),
    ):
        yield asked(what, NAME, ECHO_CONTEXT, item(0x50, *items), warnings=warnings)
        yield answered(what, NAME, ACCEPTED, item(0x50, *items), warnings=warnings)


def surplus_items() -> Iterator[Input]:
    """Items that nobody knows or asked for, that belong elsewhere, or that come in disorder."""
    unknown = item(0x5F, b"?")
    extended = item(0x56, counted(UID), b"\1\1\1")
    for what, items, warnings in (
        ("an unknown sub-item", (NAME, user(unknown)), ()),
        ("an unknown item", (NAME, item(0xE0, b"?"), user()), ()),
        ("extended negotiation", (NAME, user(extended)), ()),
        ("the maximum length twice", (NAME, user(MAXIMUM)), ("duplicate-item",)),
        ("user information first", (user(), NAME), ()),
        ("user information twice", (NAME, item(0x50, MAXIMUM), item(0x50, IMPLEMENTATION)), ()),
    ):
        yield asked(what, ECHO_CONTEXT, *items, warnings=warnings)
        yield answered(what, ACCEPTED, *items, warnings=warnings)
    response = user(item(0x59, counted(b"")))
    yield asked("an item of answers", NAME, ECHO_CONTEXT, response, warnings=("misplaced-item",))


def odd_context_ids() -> Iterator[Input]:
    """Context ids that are even, in disorder or there twice, and answers to what was not proposed."""
    echo = (item(0x30, UID), SYNTAX)
    for what, numbers, warnings in (
        ("even", (1, 2, 4), ("even-context-id",)),
        ("zero", (1, 0), ("even-context-id",)),
        ("in disorder", (255, 7, 1), ()),
        ("twice", (1, 1), ("repeated-context-id",)),
    ):
        contexts = (context(number, *echo) for number in numbers)
        yield asked(what, NAME, *contexts, user(), warnings=warnings)
    yield asked("no context", NAME, user(), warnings=("missing-item",))
    for what, numbers, warnings in (
        ("an answer to 99 as well", (1, 99), ()),
        ("an answer to 99 alone", (99,), ()),
        ("answers in disorder", (5, 3, 1), ()),
        ("an answer twice", (1, 1), ("repeated-context-id",)),
        ("an even one", (1, 2), ("even-context-id",)),
    ):
        answers = (result(number, 0, SYNTAX) for number in numbers)
        yield answered(what, NAME, *answers, user(), warnings=warnings)


def chosen_syntaxes() -> Iterator[Input]:
    """Answers with a transfer syntax that was not proposed, with two of them, and with none."""
    not_proposed = result(1, 0, item(0x40, JPEG))
    yield answered("one that was not proposed", NAME, not_proposed, user())
    two = result(1, 0, SYNTAX, item(0x40, EXPLICIT))
    yield answered("two", NAME, two, user(), warnings=("duplicate-item",))
    yield answered("none", NAME, result(1, 0), user(), warnings=("invalid-uid",))


def without_the_default() -> Iterator[Input]:
    """Contexts that do not offer the default transfer syntax."""
    for syntaxes in ((EXPLICIT,), (JPEG,), (JPEG, EXPLICIT)):
        one = context(1, item(0x30, UID), *(item(0x40, uid) for uid in syntaxes))
        yield asked(f"only {b' '.join(syntaxes).decode()}", NAME, one, user())
    for what, items in (("none", ()), ("an empty one", (item(0x40),))):
        one = context(1, item(0x30, UID), *items)
        warning = "invalid-uid" if items else "no-transfer-syntax"
        yield asked(f"{what} at all", NAME, one, user(), warnings=(warning,))


def odd_maximum_lengths() -> Iterator[Input]:
    """Maximum lengths of 0, of any odd number, of too little, and none at all."""
    for length in (0, 128, 129, 1023, 65535, 0x7FFFFFFF, 0xFFFFFFFF):
        info = item(0x50, item(0x51, length.to_bytes(4, "big")), IMPLEMENTATION)
        yield asked(f"{length} bytes", NAME, ECHO_CONTEXT, info)
        yield answered(f"{length} bytes", NAME, ACCEPTED, info)
    for length in (1, 6, 7, 127):
        info = item(0x50, item(0x51, length.to_bytes(4, "big")), IMPLEMENTATION)
        rq, ac = associate(1, NAME, ECHO_CONTEXT, info), associate(2, NAME, ACCEPTED, info)
        yield Wire(f"{length} bytes", awaiting_request, rq, faults.EARLY_VIOLATION)
        yield Wire(f"{length} bytes", awaiting_answer, ac, faults.INVALID)
    info, missing = item(0x50, IMPLEMENTATION), ("missing-item",)
    yield asked("no length", NAME, ECHO_CONTEXT, info, warnings=missing)
    yield answered("no length", NAME, ACCEPTED, info, warnings=missing)


def windows() -> Iterator[Input]:
    """Proposals of an operations window, and answers without or with one."""
    for invoked, performed in ((0, 0), (1, 1), (5, 1), (65535, 65535)):
        window = item(0x53, invoked.to_bytes(2, "big"), performed.to_bytes(2, "big"))
        yield asked(f"{invoked} and {performed}", NAME, ECHO_CONTEXT, user(window))
        yield answered(f"{invoked} and {performed}", NAME, ACCEPTED, user(window))


def releases() -> Iterator[Input]:
    """A release, and one that the peer did not wait for the answer of."""
    yield Quirk("a release", serving, RELEASE_RQ, ("ReleaseRQ",))
    yield Quirk("a release of an acceptor", calling, RELEASE_RQ, ("ReleaseRQ",))


def aborts_for_releases() -> Iterator[Input]:
    """An abort where a release, its answer or a response was due."""
    for given in (serving, calling, releasing, provoking.waiting_for_get, provoking.storing):
        yield Wire(f"in place of it, {given.__name__}", given, ABORT, told("Abort"))
    yield Wire("behind a C-ECHO", serving, P_DATA + ABORT, told("Abort"))


def after_our_release() -> Iterator[Input]:
    """Messages that cross our release."""
    yield Wire("a request", releasing, P_DATA, told("RequestRefused"))
    yield Wire("requests and the answer", releasing, P_DATA * 3 + RELEASE_RP, told("ReleaseRP"))
    store = provoking.message(provoking.STORE, 3, provoking.IDENTIFIER)
    yield Wire("an object and the answer", releasing, store + RELEASE_RP, told("ReleaseRP"))
    half = provoking.p_data(provoking.STORE_COMMAND)
    yield Wire("half an object and the answer", releasing, half + RELEASE_RP, told("ReleaseRP"))
    yield Wire("a request and the peer's release", releasing, P_DATA + RELEASE_RQ, told("ReleaseRQ"))


def second_associations() -> Iterator[Input]:
    """A proposal on a connection whose association is being released, or stands."""
    yield Wire("behind a release", calling, RELEASE_RQ + RQ, faults.UNEXPECTED)
    yield Wire("without a release", serving, RQ, faults.UNEXPECTED)


def nothing_accepted() -> Iterator[Input]:
    """Answers that accept no context, also with an abort behind them."""
    for value in (1, 3, 4):
        yield answered(f"result {value} for each", NAME, *(result(n, value) for n in range(1, 12, 2)), user())
    none = associate(2, NAME, result(1, 3), user())
    yield Wire("an abort behind it", awaiting_answer, none + ABORT, told("Abort"))
    yield answered("no context in it", NAME, user(), warnings=("missing-item",))


def rejections() -> Iterator[Input]:
    """Rejections for want of room, with the source and reason of others."""
    for values in ((2, 3, 2), (2, 3, 1), (2, 2, 1), (1, 3, 2), (2, 1, 1), (1, 2, 2)):
        data = pdu(3, bytes((0, *values)))
        yield Wire(f"result, source and reason {values}", awaiting_answer, data, told("AssociateRJ"))


def reserved_bytes() -> Iterator[Input]:
    """Every reserved byte 40H and FFH, in PDUs, items and PDVs' neighbours."""
    for value in (0x40, 0xFF):
        filler, text = bytes((value,)), f"{value:02X}H"
        for given, kind, number, event in (
            (awaiting_request, 1, 0x20, "AssociateRQ"),
            (awaiting_answer, 2, 0x21, "AssociateAC"),
        ):
            ids = (b"\1" + filler * 3) if kind == 1 else (b"\1" + filler + b"\0" + filler)
            abstract = item(0x30, UID) if kind == 1 else b""
            items = NAME + item(number, ids, abstract, SYNTAX) + user()
            data = bytearray(pdu(kind, b"\0\1", filler * 2, SCP, SCU, filler * 32, items))
            data[1] = value
            for at in _item_starts(bytes(data)):
                data[at + 1] = value
            yield Quirk(f"{text}, PDU type {kind}", given, bytes(data), (event,))
        for given, kind, fields, event in (
            (serving, 5, filler * 4, "ReleaseRQ"),
            (releasing, 6, filler * 4, "ReleaseRP"),
            (awaiting_answer, 3, filler + b"\1\1\1", "AssociateRJ"),
            (serving, 7, filler * 2 + b"\0" + filler, "Abort"),
        ):
            data = bytearray(pdu(kind, fields))
            data[1] = value
            yield Quirk(f"{text}, PDU type {kind}", given, bytes(data), (event,))


def _item_starts(data: bytes) -> list[int]:
    """Return where the items at the top of an A-ASSOCIATE PDU begin."""
    starts, at = [], 74
    while at < len(data):
        starts.append(at)
        at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")
    return starts


def versions_and_names() -> Iterator[Input]:
    """Protocol versions with other bits, and other application contexts."""
    rest = SCP + SCU + RESERVED + NAME + ECHO_CONTEXT + user()
    for version, warnings in (
        (1, ()),
        (3, ("odd-value",)),
        (0xFFFF, ("odd-value",)),
        (0x8001, ("odd-value",)),
    ):
        data = pdu(1, version.to_bytes(2, "big") + bytes(2), rest)
        yield Quirk(f"version {version:04X}H", awaiting_request, data, ("AssociateRQ",), warnings)
    rejected = Outcome(provoking.AssociateRJ(result=1, source=2, reason=2), "LocallyEnded")
    for version in (0, 2, 0x8000, 0xFFFE):
        data = pdu(1, version.to_bytes(2, "big") + bytes(2), rest)
        yield Wire(f"version {version:04X}H", awaiting_request, data, rejected)
    for name, warnings in ((b"1.2.3", ()), (b"x", ("invalid-uid",)), (b"", ("empty-item",))):
        other = item(0x10, name)
        yield asked(f"application context {name!r}", other, ECHO_CONTEXT, user(), warnings=warnings)
        yield answered(f"application context {name!r}", other, ACCEPTED, user(), warnings=warnings)
    yield asked("no application context", ECHO_CONTEXT, user(), warnings=("missing-item",))
