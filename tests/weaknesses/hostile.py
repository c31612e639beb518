"""Rows 1 to 14: hostile or unlucky peers of a server."""

from __future__ import annotations

import ssl
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dicomproto.dimse.status import Category, category_of
from dicomproto.upper_layer.pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    PresentationContextRQ,
    ReleaseRQ,
    RoleSelection,
)
from tests.memory import peak_of
from tests.weaknesses.products import Target
from tests.weaknesses.wire import (
    CT_IMAGE,
    DEFLATED,
    EXPLICIT,
    FIND,
    INSTANCE,
    KIB,
    MIB,
    NO_DATA_SET,
    VERIFICATION,
    Weak,
    Wire,
    check,
    command_set,
    deflated_bomb,
    echo_rq,
    element,
    find_rq,
    identifier,
    image,
    message,
    pdv,
    peer,
    proposal,
    response,
    store_rq,
    until,
)

STORAGE = ((VERIFICATION, (EXPLICIT,)), (CT_IMAGE, (EXPLICIT,)))
"""Verification on context 1, CT images on context 3."""

_ANSWERS: tuple[type[PDU], ...] = (AssociateAC, AssociateRJ, Abort)
_SOON = 0.3
"""Seconds of a timeout that is to expire; nothing is slow enough to be taken for it."""


def is_served(target: Target, port: int) -> None:
    """Check that a well-behaved peer is still served."""
    with Wire.connect(port, target.patience) as wire:
        try:
            wire.associate()
            wire.send(message(echo_rq()))
            check(wire.status() == 0, "its C-ECHO failed")
            wire.release()
        except Weak as weak:
            raise Weak(f"the next peer was not served: {weak}") from None


class Calls:
    """A handler that counts its calls and succeeds."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: Any) -> int:
        self.count += 1
        return 0


def one_byte_and_silence(target: Target) -> None:
    """Two such peers, where two associations are allowed, and a third one that means well."""
    with target.serving(maximum=2) as port, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Wire.connect(port, target.patience)).send(b"\x01")
        is_served(target, port)


def silence_within_a_pdu(target: Target) -> None:
    """One byte of the first PDU, and two of a later one: the connection ends when its time is up."""
    with target.serving(timeout=_SOON) as port, Wire.connect(port, target.patience) as wire:
        wire.due = "the end of a connection with one byte of a request"
        wire.send(b"\x01")
        wire.pdu()
    with target.serving(timeout=1.0) as port, Wire.connect(port, target.patience) as wire:
        wire.associate()
        wire.due = "the end of an association with two bytes of a P-DATA-TF"
        wire.send(b"\x04\x00")
        wire.pdu()


def declared_length(target: Target) -> None:
    """PDUs that declare far more than was announced, before and on an association."""
    with target.serving() as port:
        for header in ("01 00 FFFFFFFF", "04 00 10000000", "05 00 10000000"):
            with Wire.connect(port, target.patience) as wire:
                wire.send(bytes.fromhex(header))
                sent = wire.pour(bytes(64 * KIB), 8 * MIB)
                check(
                    sent < 8 * MIB,
                    f"took {sent // MIB} MiB of a PDU of type {header[:2]}H before any request",
                )
        with Wire.connect(port, target.patience) as wire:
            wire.associate()
            wire.send(bytes.fromhex("04 00 40000000 40000000 01 03"))
            sent = wire.pour(bytes(64 * KIB), 8 * MIB)
            check(sent < 8 * MIB, f"took {sent // MIB} MiB of a P-DATA-TF of 1 GiB, having announced 16 KiB")
        is_served(target, port)


def silent_tls(target: Target) -> None:
    """A TCP connection on which nobody begins the TLS handshake, and a peer that does."""
    from tests.certificates import Authority

    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.server.cert, authority.server.key)
        client = ssl.create_default_context(cafile=str(authority.ca_file))
    with target.serving(ssl_context=context) as port, Wire.connect(port, target.patience) as silent:
        with Wire.connect(port, target.patience) as plain:
            try:
                secured = client.wrap_socket(plain.socket, server_hostname="localhost")
            except TimeoutError:
                silent.socket.close()
                raise Weak("one silent client keeps all others from their handshake") from None
            with Wire(secured, target.patience) as wire:
                wire.associate()
                wire.send(message(echo_rq()))
                check(wire.status() == 0, "C-ECHO over TLS failed")
                wire.release()


def stray_cancels(target: Target) -> None:
    """Fifty C-CANCEL requests for operations that are not."""
    with target.serving() as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(FIND, (EXPLICIT,))])
            for number in range(1, 51):
                wire.send(pdv(command_set(0x0FFF, _0120=number, _0800=NO_DATA_SET)))
            wire.due = "a C-ECHO-RSP after 50 C-CANCELs"
            wire.send(message(echo_rq()))
            check(wire.status() == 0, "C-ECHO failed after 50 C-CANCELs")
            wire.release()
        is_served(target, port)


def no_transfer_syntax(target: Target) -> None:
    """A proposed context without transfer syntax, beside a good one."""
    with target.serving() as port:
        with Wire.connect(port, target.patience) as wire:
            rq = proposal()
            odd = PresentationContextRQ(context_id=3, abstract_syntax=CT_IMAGE, transfer_syntaxes=())
            wire.send(rq.replace(presentation_contexts=(*rq.presentation_contexts, odd)))
            wire.due = "an answer to a context without transfer syntax"
            answer = wire.expect(*_ANSWERS)
            if isinstance(answer, AssociateAC):
                results = {one.context_id: one.result for one in answer.presentation_contexts}
                check(results[1] == 0, "the good context was refused")
                check(results.get(3) != 0, "a context without transfer syntax was accepted")
        is_served(target, port)


_NO_MESSAGE = {
    "an even context ID": pdv(echo_rq(), 2),
    "an unknown Command Field": pdv(command_set(0x0777, _0002=VERIFICATION, _0110=1, _0800=NO_DATA_SET)),
    "no Message ID": pdv(command_set(0x0030, _0002=VERIFICATION, _0800=NO_DATA_SET)),
    "no Command Data Set Type": pdv(command_set(0x0030, _0002=VERIFICATION, _0110=1)),
    "a PDV of no length": bytes.fromhex("04 00 00000004 00000000"),
    "a PDV without control header": bytes.fromhex("04 00 00000005 00000001 01"),
}


def faulty_messages(target: Target) -> None:
    """PDVs and commands that cannot be: each is answered, by an A-ABORT or a response."""
    with target.serving() as port:
        for name, data in _NO_MESSAGE.items():
            with Wire.connect(port, target.patience) as wire:
                wire.associate()
                wire.send(data)
                try:
                    wire.expect(Abort, PDataTF)
                except Weak as weak:
                    raise Weak(f"{name}: {weak}") from None
        is_served(target, port)


def services_of_other_contexts(target: Target) -> None:
    """A C-STORE and a C-FIND on a context for Verification."""
    evt = target.evt
    stored, found = Calls(), Calls()

    def find(event: Any) -> Any:
        found(event)
        yield 0x0000, None

    with target.serving([(evt.EVT_C_FIND, find), (evt.EVT_C_STORE, stored)]) as port:
        for request, data, what in (
            (store_rq(), image(), "a C-STORE on a context for Verification"),
            (find_rq(), identifier(), "a C-FIND on a context for Verification"),
        ):
            with Wire.connect(port, target.patience) as wire:
                wire.associate()
                wire.send(message(request, data))
                _is_refused(wire, what)
    check(not stored.count, "the handler of C-STORE ran for a context that is for Verification")
    check(not found.count, "the handler of C-FIND ran for a context that is for Verification")


def role_given_up(target: Target) -> None:
    """A C-STORE by a peer that proposed to be the SCP, and not the SCU."""
    stored = Calls()
    role = RoleSelection(sop_class_uid=CT_IMAGE, scu_role=False, scp_role=True)
    with target.serving([(target.evt.EVT_C_STORE, stored)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(CT_IMAGE, (EXPLICIT,))], role_selections=(role,))
            wire.send(message(store_rq(), image()))
            _is_refused(wire, "a C-STORE by a peer that is the SCP")
    check(not stored.count, "the handler of C-STORE ran for a peer that is the SCP")


def _is_refused(wire: Wire, what: str) -> None:
    answer = wire.pdu()
    if isinstance(answer, PDataTF):
        wire.push(answer)
        status = wire.status()
        check(category_of(status) is Category.FAILURE, f"{what} was answered {status:04X}")
    else:
        check(isinstance(answer, Abort), f"{what} was not answered")


def foreign_fragments(target: Target) -> None:
    """The data set of an object on other contexts than its command."""
    stored = Calls()
    with target.serving([(target.evt.EVT_C_STORE, stored)]) as port:
        for other in (1, 99):
            with Wire.connect(port, target.patience) as wire:
                wire.associate(STORAGE)
                wire.send(pdv(store_rq(), 3), pdv(image(), other, is_command=False))
                answer = wire.pdu()
                check(
                    isinstance(answer, Abort),
                    f"a data set on context {other}, of a command on 3, got {type(answer).__name__}",
                )
    check(not stored.count, "the handler got a data set that was on another context")


def memory_per_message(target: Target) -> None:
    """A command set without end, a data set of any size, and requests that nobody can serve yet."""
    answered = threading.Event()

    def wait(event: Any) -> int:
        answered.wait(target.patience)
        return 0

    handlers = [(target.evt.EVT_C_ECHO, wait), (target.evt.EVT_C_STORE, lambda event: 0)]
    with target.serving(handlers) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate()
            sent = wire.pour(pdv(bytes(16 * KIB), is_last=False), 32 * MIB)
            check(sent < 32 * MIB, f"took {sent // MIB} MiB of a command set")
        with Wire.connect(port, target.patience) as wire:
            wire.associate(STORAGE)
            wire.send(pdv(store_rq(), 3))
            wire.pour(pdv(bytes(16 * KIB), 3, is_command=False, is_last=False), 2 * target.maximum_collected)
            check(wire.has_input(), "took twice what it was told to hold of a data set, without an answer")
        with Wire.connect(port, target.patience) as wire:
            wire.associate(STORAGE)
            wire.send(message(echo_rq()))
            sent = wire.pour(message(store_rq(), image(MIB), 3), 64 * MIB)
            answered.set()
            check(sent < 64 * MIB, f"queued {sent // MIB} MiB while a handler was running")


def bomb_in_a_query(target: Target) -> None:
    """An identifier of 64 KB that inflates to 64 MiB, where 8 MiB are allowed."""
    bomb = deflated_bomb(64 * MIB)
    seen: list[int] = []

    def find(event: Any) -> Any:
        seen.append(len(event.identifier))
        yield 0x0000, None

    contexts = ((FIND, (DEFLATED,)),)

    def query() -> None:
        with Wire.connect(port, target.patience) as wire:
            wire.associate(contexts)
            wire.send(message(find_rq(), bomb))
            wire.pdu()

    with target.serving([(target.evt.EVT_C_FIND, find)], contexts) as port:
        peak = peak_of(query)
    check(not seen, "the handler got an identifier of 64 MiB out of 64 KB")
    check(peak < 48 * MIB, f"an identifier of 64 KB took {peak // MIB} MiB")


def tiny_maximum_length(target: Target) -> None:
    """Requestors that take PDUs of 1 to 7 bytes: one answer, or an A-ABORT, but no hail of PDUs."""
    with target.serving() as port:
        for length in range(1, 8):
            with Wire.connect(port, target.patience) as wire:
                wire.send(proposal(maximum_length=length))
                if not isinstance(wire.expect(*_ANSWERS), AssociateAC):
                    continue
                wire.send(message(echo_rq()))
                count = 0
                while isinstance(answer := wire.pdu(), PDataTF) and not answer.values[0].is_last:
                    count += 1
                check(answer is not None, f"maximum length {length}: ended without a word")
                check(count < 8, f"maximum length {length}: more than {count} PDUs for a C-ECHO-RSP")
        is_served(target, port)


def path_in_uid(target: Target) -> None:
    """Objects whose SOP Instance UID is a path out of the folder that objects are written to."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "one", "two", "stored")
        with target.archive(folder) as port:
            for uid in _paths(top):
                with Wire.connect(port, target.patience) as wire:
                    wire.associate([(CT_IMAGE, (EXPLICIT,))])
                    wire.send(message(store_rq(1, CT_IMAGE, uid), _patient(uid)))
                    wire.pdu()
        _is_empty_around(folder, Path(top))


def path_in_retrieved_uid(target: Target) -> None:
    """The same paths, from a peer that is asked for objects with C-GET."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "one", "two", "stored")
        folder.mkdir(parents=True)

        def script(wire: Wire) -> None:
            context_id = _image_context(wire.accept())
            received = wire.message()
            for uid in _paths(top):
                wire.send(message(store_rq(1, CT_IMAGE, uid), _patient(uid), context_id))
                wire.message()
            wire.send(message(response(received.command), None, received.context_id))
            wire.serve_release()

        with peer(script, target.patience) as port:
            target.retrieve(port, folder)
        _is_empty_around(folder, Path(top))


def _image_context(rq: AssociateRQ) -> int:
    return next(one.context_id for one in rq.presentation_contexts if one.abstract_syntax == CT_IMAGE)


def _paths(top: str) -> tuple[str, ...]:
    return ("../escaped", "../../escaped", f"{top}/escaped", "..", "x/../../escaped", "escaped\n..")


def _is_empty_around(folder: Path, top: Path) -> None:
    out = [path for path in top.rglob("*escaped*") if not path.is_relative_to(folder)]
    check(not out, "an object was written outside of the folder for objects")


def _patient(uid: str) -> bytes:
    """An object with what an archive wants to know."""
    return b"".join(
        (
            element(8, 0x16, "UI", CT_IMAGE.encode()),
            element(8, 0x18, "UI", uid.encode()),
            element(8, 0x60, "CS", b"CT"),
            element(0x10, 0x10, "PN", b"A^B"),
            element(0x10, 0x20, "LO", b"1"),
            element(0x20, 0x0D, "UI", b"1.2.3"),
            element(0x20, 0x0E, "UI", b"1.2.4"),
        )
    )


def truncated_items(target: Target) -> None:
    """Items of a proposal that are shorter than they declare, also under `python -O`."""
    whole = proposal()
    from dicomproto.upper_layer import encode_pdu

    good = encode_pdu(whole)
    user_information = good.index(b"\x50\x00", 74)
    with target.serving() as port:
        for name, at in (("user information", user_information), ("maximum length", user_information + 4)):
            longer = bytearray(good)
            longer[at + 2 : at + 4] = (0x0FFF).to_bytes(2, "big")
            with Wire.connect(port, target.patience) as wire:
                wire.send(bytes(longer))
                answer = wire.expect(*_ANSWERS)
                check(isinstance(answer, Abort), f"{name} of 4095 bytes, of which a few came, was accepted")
        is_served(target, port)


def temporary_files(target: Target) -> None:
    """An object that is written as it comes, and an A-ABORT in the middle of it."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "stored")
        with target.receiving_to_disk(folder) as port:
            for ending in (Abort(source=0, reason=0), b"", ReleaseRQ()):
                with Wire.connect(port, target.patience) as wire:
                    wire.associate([(CT_IMAGE, (EXPLICIT,))])
                    wire.send(pdv(store_rq(1, CT_IMAGE, INSTANCE)))
                    wire.send(pdv(image(8 * KIB), is_command=False, is_last=False))
                    until(lambda: any(folder.iterdir()), target.patience, "nothing is written as it comes")
                    wire.send(ending)
                until(
                    lambda: not any(folder.iterdir()),
                    target.patience,
                    "a temporary file is left when an object is cut short",
                )


def temporary_files_of_retrieval(target: Target) -> None:
    """The same with C-GET: the peer aborts in the middle of an object that was asked for."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "stored")
        folder.mkdir()

        def script(wire: Wire) -> None:
            context_id = _image_context(wire.accept())
            wire.message()
            wire.send(pdv(store_rq(), context_id))
            wire.send(pdv(image(8 * KIB), context_id, is_command=False, is_last=False))
            until(lambda: any(folder.iterdir()), target.patience, "nothing is written as it comes")
            wire.send(Abort(source=0, reason=0))
            wire.pdu()

        with peer(script, target.patience) as port:
            target.retrieve_as_it_comes(port, folder)
        left = [path.name for path in folder.iterdir()]
        check(not left, "a temporary file is left when an object that was asked for is cut short")


OF_APPLICATIONS = (path_in_uid, path_in_retrieved_uid, temporary_files, temporary_files_of_retrieval)
"""The probes that are put to an application, not to a server made for them."""
