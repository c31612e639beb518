"""`migrate --to` writes programs of the library that run, and lists what it cannot write."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynetdicom
import pynetdicom.dimse_primitives
import pynetdicom.pdu_primitives
import pytest

import dicomproto
from dicomproto import AcceptedContext, AssociateAC, AssociateRJ
from dicomproto.dimse import commands
from dicomproto_transports import blocking, evt
from dicomproto_transports.events import request_events
from dicomproto_transports.events.service_user import ServiceUser
from dicomproto_transports.pynetdicom.migrate import migrated
from tests.ports import free_port

FLAVOURS = ("blocking", "trio", "anyio")
LOOPBACK = "127.0.0.1"
MOVING = Path(__file__).parents[2] / "docs" / "examples" / "moving"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom leaves sockets open."""

AE = "from pynetdicom import AE\n"
LIBRARY = "from dicomproto_transports.{} import AE\n"


def library(body: str, flavour: str, *, guarded: bool = False) -> str:
    """Return what a program becomes whose own lines become `body`."""
    error = "from dicomproto.errors import AssociationError\n" if guarded else ""
    imported = "" if flavour == "blocking" else f"import {flavour}\n"
    return imported + error + LIBRARY.format(flavour) + body


# --- the failure of associate -----------------------------------------------------------------------

POSITIVE = """\
def f(ae):
    assoc = ae.associate("a", 1)  # the archive

    # if it answers
    if assoc.is_established:  # as it should
        assoc.release()
        # behind
    else:
        # nothing
        print("none")  # at all
    return 1
"""
POSITIVE_AFTER = """\
def f(ae):
    try:
        assoc = ae.associate("a", 1)  # the archive

    # if it answers
    except AssociationError:
        # nothing
        print("none")  # at all
    else:  # as it should
        assoc.release()
        # behind
    return 1
"""
NEGATIVE = """\
assoc = AE().associate(
    "a",
    1,
)
if not assoc.is_established:
    raise SystemExit(1)
assoc.release()
"""
NEGATIVE_AFTER = """\
try:
    assoc = AE().associate(
    "a",
    1,
)
except AssociationError:
    raise SystemExit(1)
assoc.release()
"""
ALONE = """\
assoc = AE().associate("a", 1)
if assoc.is_established:
    assoc.release()
"""
ALONE_AFTER = """\
try:
    assoc = AE().associate("a", 1)
except AssociationError:
    pass
else:
    assoc.release()
"""
WITHOUT_AND_WITH = """\
assoc = AE().associate("a", 1)
if not assoc.is_established:
    print("none")
else:
    assoc.release()
"""
WITHOUT_AND_WITH_AFTER = """\
try:
    assoc = AE().associate("a", 1)
except AssociationError:
    print("none")
else:
    assoc.release()
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (POSITIVE, POSITIVE_AFTER),
        (NEGATIVE, NEGATIVE_AFTER),
        (ALONE, ALONE_AFTER),
        (WITHOUT_AND_WITH, WITHOUT_AND_WITH_AFTER),
    ],
)
def test_a_branch_on_the_state_becomes_a_try_statement(before: str, after: str, ending: str) -> None:
    changed, findings = migrated((AE + before).replace("\n", ending), "blocking")
    # A comment before its `except` belongs to nothing: Python takes it anywhere.
    expected = library(after, "blocking", guarded=True)
    assert changed.replace(ending, "\n").splitlines() == expected.splitlines()
    assert findings == []
    assert migrated(changed, "blocking") == (changed, [])


@pytest.mark.parametrize(
    "body",
    [
        'assoc = AE().associate("a", 1)\nif assoc.is_established:\n    pass\nassoc.release()\n',
        'assoc = AE().associate("a", 1)\nif not assoc.is_established:\n    print(assoc.is_rejected)\n',
        'assoc = AE().associate("a", 1)\nif not assoc.is_established:\n    print(1)\nassoc.release()\n',
        'assoc = AE().associate("a", 1)\nif assoc.is_established: assoc.release()\n',
        'assoc = AE().associate("a", 1)\nif assoc.is_established:\n    pass\nelif assoc:\n    pass\n',
        'assoc = AE().associate("a", 1)\nprint(assoc.is_established)\n',
        'assoc = AE().associate("a", 1); x = 1\nif assoc.is_established:\n    pass\nprint(assoc)\n',
        'assoc = AE().associate("a", 1)\nif assoc.is_established and x:\n    pass\nelse:\n    pass\n',
    ],
)
def test_what_needs_the_association_that_failed_is_listed(body: str) -> None:
    changed, findings = migrated(AE + body, "blocking")
    assert changed == library(body, "blocking")
    assert any("associate() raises AssociationError" in finding.text for finding in findings)


def test_a_request_that_a_program_guards_is_not_listed() -> None:
    body = 'try:\n    assoc = AE().associate("a", 1)\nexcept Exception:\n    raise\nassoc.release()\n'
    assert migrated(AE + body, "blocking") == (library(body, "blocking"), [])


# --- what waits -------------------------------------------------------------------------------------


AWAITED = """\
def f(assoc):
    return assoc.send_c_echo().Status
-----
async def f(assoc):
    return (await assoc.send_c_echo()).Status
=====
def f(assoc):
    print(f'{assoc.send_c_echo().Status:04X}')
-----
async def f(assoc):
    print(f'{(await assoc.send_c_echo()).Status:04X}')
=====
def f(assoc):
    for s, i in assoc.send_c_find(q, m):
        print(s)
    assoc.release()
-----
async def f(assoc):
    async for s, i in assoc.send_c_find(q, m):
        print(s)
    await assoc.release()
=====
def f(assoc):
    found = assoc.send_c_move(q, 'A', m)
    for s, i in found:
        print(s)
-----
async def f(assoc):
    found = assoc.send_c_move(q, 'A', m)
    async for s, i in found:
        print(s)
=====
def g(assoc):
    assoc.abort()
def f(a):
    return g(a) or g(a)
f(1)
-----
async def g(assoc):
    await assoc.abort()
async def f(a):
    return await g(a) or await g(a)
FLAVOUR.run(f, 1)
=====
class C:
    def g(self):
        self.assoc.release()
    def f(self):
        self.g()
-----
class C:
    async def g(self):
        await self.assoc.release()
    async def f(self):
        await self.g()
=====
def f(assoc):
    lock.release()
    assoc.release()
    time.sleep(1)
-----
async def f(assoc):
    lock.release()
    await assoc.release()
    await FLAVOUR.sleep(1)
=====
ae = AE()
ae.start_server(('', 11112), block=True, evt_handlers=[])
-----
ae = AE()
async def main():
    async with ae.start_server(('', 11112), evt_handlers=[]):
        await FLAVOUR.sleep_forever()


FLAVOUR.run(main)
=====
def f(ae):
    ae.start_server(('', 11112))

if __name__ == '__main__':
    f(AE())
-----
async def f(ae):
    async with ae.start_server(('', 11112)):
        await FLAVOUR.sleep_forever()

if __name__ == '__main__':
    FLAVOUR.run(f, AE())
=====
x = 1
assoc = AE().associate('a', 1)
text = '''
  a
'''

assoc.release()  # end
-----
x = 1
async def main():
    assoc = await AE().associate('a', 1)
    text = '''
  a
'''

    await assoc.release()  # end


FLAVOUR.run(main)
=====
def show():
    print(count)
assoc = AE().associate('a', 1)
count = 1
show()
-----
def show():
    print(count)
async def main():
    global count
    assoc = await AE().associate('a', 1)
    count = 1
    show()


FLAVOUR.run(main)
=====
if __name__ == '__main__':
    assoc = AE().associate('a', 1)
    assoc.release()
-----
async def main():
    assoc = await AE().associate('a', 1)
    await assoc.release()


if __name__ == '__main__':
    FLAVOUR.run(main)
=====
def handle(event):
    event.assoc.send_c_echo()
    return 0
handlers = [(evt.EVT_C_ECHO, handle)]
-----
async def handle(event):
    await event.assoc.send_c_echo()
    return 0
handlers = [(evt.EVT_C_ECHO, handle)]
=====
"""
"""Programs before and after, without their imports."""


@pytest.mark.parametrize("flavour", ["trio", "anyio"])
@pytest.mark.parametrize("program", AWAITED.split("=====\n")[:-1])
def test_what_waits_is_awaited(program: str, flavour: str) -> None:
    before, after = program.split("-----\n")
    changed, findings = migrated(AE + before, flavour)
    assert changed == library(after.replace("FLAVOUR", flavour), flavour)
    assert [finding for finding in findings if "asynch" in finding.text or "waits" in finding.text] == []
    assert migrated(changed, flavour)[0] == changed


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def f(assoc):\n    assoc.release()\nThread(target=f)\n", "f becomes asynchronous"),
        ("def f(assoc):\n    return list(assoc.send_c_find(q, m))\n", "iterated with `async for`"),
        ("class C:\n    def __init__(self, assoc):\n        assoc.release()\n", "cannot in __init__()"),
        ("f = lambda assoc: assoc.release()\n", "cannot in a lambda()"),
        ("@property\ndef f(assoc):\n    assoc.release()\n    time.sleep(1)\n", "cannot in f()"),
        ("def f(ae):\n    s = ae.start_server(('', 0), block=False)\n", "enter it with `async with`"),
    ],
)
def test_what_cannot_be_awaited_is_listed(body: str, words: str) -> None:
    findings = migrated(AE + body, "trio")[1]
    assert [finding for finding in findings if words in finding.text]


# --- other idioms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("logging.getLogger('pynetdicom').setLevel(10)", "below the logger 'dicomproto'"),
        ("uid.service_class", "service_class_of"),
        ("cx.scp_role = True", "build_role() in ext_neg of associate()"),
        ("print(ae.requested_contexts[0])", "the text of a context is that of a value"),
        ("print('proposed', build_context(uid))", "the text of a context is that of a value"),
        ("[str(cx) for cx in ae.supported_contexts]", "the text of a context is that of a value"),
        ("[f'{cx}' for cx in assoc.accepted_contexts]", "the text of a context is that of a value"),
        (
            "[LOG.info('%s', cx) for cx in assoc.rejected_contexts]",
            "the text of a context is that of a value",
        ),
        ("assoc.acse.send_reject(1, 1, 1)", "event.reject(result, source, reason)"),
        ("from pynetdicom import register_uid", "use AE.register_uid"),
        ("from pynetdicom.pdu_primitives import UserIdentityNegotiation", "use dicomproto.UserIdentityRQ"),
        ("from pynetdicom import _config", "use the settings of the AE"),
    ],
)
def test_what_the_library_does_otherwise_is_listed_with_the_way(line: str, words: str) -> None:
    findings = migrated(AE + line + "\n", "blocking")[1]
    assert [finding.line for finding in findings if words in finding.text] == [2]


def public(*classes: Any) -> set[str]:
    return {name for part in classes for name in dir(part) if not name.startswith("_")}


def missing_in_the_library() -> Iterator[tuple[str, str]]:
    """Yield each public attribute of pynetdicom's objects that the library has not, behind an expression."""
    theirs: Any = pynetdicom.association.Association(pynetdicom.AE(), "requestor")
    items = pynetdicom.pdu_primitives
    pairs: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("assoc", theirs, (blocking.Association,)),
        ("assoc.requestor", theirs.requestor, (ServiceUser,)),
        ("assoc.acceptor.primitive", items.A_ASSOCIATE, (AssociateAC, AssociateRJ)),
        ("assoc.accepted_contexts[0]", pynetdicom.presentation.PresentationContext, (AcceptedContext,)),
        ("event", pynetdicom.events.Event, tuple(vars(request_events).values()) + tuple(vars(evt).values())),
        ("role", items.SCP_SCU_RoleSelectionNegotiation, (dicomproto.RoleSelection,)),
        ("user", items.UserIdentityNegotiation, (dicomproto.UserIdentityRQ, dicomproto.UserIdentityAC)),
        ("window", items.AsynchronousOperationsWindowNegotiation, (dicomproto.AsynchronousOperationsWindow,)),
        ("extended", items.SOPClassExtendedNegotiation, (dicomproto.SOPClassExtendedNegotiation,)),
        ("common", items.SOPClassCommonExtendedNegotiation, (dicomproto.SOPClassCommonExtendedNegotiation,)),
    ]
    for name in ("C_ECHO", "C_STORE", "C_FIND", "C_GET", "C_MOVE", "N_EVENT_REPORT", "N_GET", "N_SET",
                 "N_ACTION", "N_CREATE", "N_DELETE"):  # fmt: skip
        prefix = name.title().replace("_", "")
        messages = tuple(getattr(commands, prefix + end) for end in ("RQ", "RSP"))
        pairs.append(("event.request", getattr(pynetdicom.dimse_primitives, name), messages))
    for owner, those, these in pairs:
        for name in sorted(public(those) - public(*these)):
            yield owner, name


@pytest.mark.parametrize(("owner", "name"), sorted(set(missing_in_the_library())))
def test_each_attribute_that_the_library_has_not_is_listed(owner: str, name: str) -> None:
    """Or it is rewritten; the parts that pynetdicom itself calls internal are listed as well."""
    text, findings = migrated(f"{AE}x = {owner}.{name}\n", "blocking")
    assert [finding.line for finding in findings] == [2], text


@pytest.mark.parametrize(
    ("program", "lines"),
    [
        ("status = assoc.send_c_echo()\nfor element in status:\n    print(element)", [3]),
        ("status = assoc.send_c_echo()\nx = [element.value for element in status]", [3]),
        ("status = assoc.send_c_echo()\nx = len(status), list(status), status.to_json()", [3]),
        ("status = assoc.send_c_echo()\nx = status.Status, status.get('Status'), status.keys()", []),
        ("try:\n    assoc.send_c_echo()\nexcept RuntimeError:\n    pass", [4]),
        ("try:\n    assoc.send_c_store(x)\nexcept (OSError, ValueError, RuntimeError):\n    pass", [4, 4]),
        ("try:\n    int(x)\nexcept (ValueError, RuntimeError):\n    pass", []),
        ("process.kill(), thread.join(), self.name, app.mode", []),
        ("made = ae.associate('a', 1)\nmade.join()", [2, 3]),
        ("for cx in assoc.rejected_contexts:\n    x = cx.status", [3]),
    ],
)
def test_what_a_program_does_with_what_it_gets_is_listed(program: str, lines: list[int]) -> None:
    assert [finding.line for finding in migrated(f"{AE}{program}\n", "blocking")[1]] == lines


@pytest.mark.parametrize(
    "line",
    [
        "for cx in ae.supported_contexts: cx.scp_role = True",
        "[print(cx.abstract_syntax, f'{cx!r}') for cx in ae.supported_contexts]",
        "print(ae.requested_contexts[:1])",
    ],
)
def test_what_the_library_does_as_well_is_not_listed(line: str) -> None:
    assert migrated(f"{AE}{line}\n", "blocking") == (library(f"{line}\n", "blocking"), [])


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("event.assoc.acse.send_reject(1, 1, 7)", "event.reject(1, 1, 7)"),
        (
            "x = event.request.DataSet.getvalue()[:2], f(e.request.Identifier.getvalue())",
            "x = event.encoded_dataset(include_meta=False)[:2], f(e.encoded_identifier)",
        ),
        ("from pynetdicom import sop_class", "from dicomproto.services import sop_classes as sop_class"),
        ("from pynetdicom.status import Status", "from dicomproto.dimse.status import Status"),
        (
            "from pynetdicom.sop_class import (\n    CTImageStorage,  # ct\n)",
            "from dicomproto.services.sop_classes import (\n    CTImageStorage,  # ct\n)",
        ),
        (
            "for cx in assoc.accepted_contexts:\n    print(f'{cx.transfer_syntax[0]}')",
            "for cx in assoc.accepted_contexts:\n    print(f'{cx.transfer_syntax}')",
        ),
    ],
)
def test_what_the_library_does_otherwise_is_rewritten(line: str, after: str) -> None:
    assert migrated(f"{AE}{line}\n", "blocking") == (library(f"{after}\n", "blocking"), [])


# --- programs that run ------------------------------------------------------------------------------

PROGRAM = """\
import sys

from pynetdicom import AE, build_context, debug_logger
from pynetdicom.sop_class import Verification


def echo(assoc):
    status = assoc.send_c_echo()
    return f"{status.Status:04X}"


ae = AE()
ae.requested_contexts = [build_context(Verification)]
assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
if assoc.is_established:
    print([cx.transfer_syntax[0] for cx in assoc.accepted_contexts])
    print(echo(assoc), f"{assoc.send_c_echo().Status:04X}")
    assoc.release()
else:
    print("not established")
print("end")
"""


@pytest.fixture
def echo_scp() -> Iterator[int]:
    """The port of a server of pynetdicom."""
    ae: Any = pynetdicom.AE()
    ae.add_supported_context("1.2.840.10008.1.1", "1.2.840.10008.1.2")
    server = ae.start_server((LOOPBACK, 0), block=False)
    yield server.socket.getsockname()[1]
    ae.shutdown()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_program_runs_whether_its_peer_is_there_or_not(
    flavour: str,
    echo_scp: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed, findings = migrated(PROGRAM, flavour)
    assert findings == []
    (tmp_path / "program.py").write_text(changed)
    for port in (echo_scp, free_port()):
        monkeypatch.setattr(sys, "argv", ["program.py", str(port)])
        runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "['1.2.840.10008.1.2']", "0000 0000", "end", "not established", "end",
    ]  # fmt: skip


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_of_the_sender_only_its_failures_are_left_to_do(flavour: str) -> None:
    findings = migrated((MOVING / "sender_pynetdicom.py").read_text(), flavour)[1]
    assert [re.split("[:;]", finding.text)[0] for finding in findings] == [
        "ValueError of a send_*",
        "a branch on an empty status",
        "a branch on an empty status",
        "associate() raises AssociationError if nothing is established",
        "a branch on is_rejected",
        ".diagnostic has no counterpart in the library",
        ".result_source has no counterpart in the library",
    ]
