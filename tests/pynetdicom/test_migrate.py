"""`python -m dicomproto_transports.pynetdicom migrate` rewrites imports, and lists what needs a hand."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dicomproto_transports.pynetdicom import AE, evt
from dicomproto_transports.pynetdicom.migrate import main, migrated

OURS = "dicomproto_transports.pynetdicom"

ECHO = """\
import sys

from pynetdicom import AE, debug_logger
from pynetdicom.sop_class import Verification

ae = AE()
ae.add_requested_context(Verification)
assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
if assoc.is_established:
    print([cx.transfer_syntax[0] for cx in assoc.accepted_contexts])
    print(f"{assoc.send_c_echo().Status:04X}")
    assoc.release()
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from pynetdicom import AE, evt", f"from {OURS} import AE, evt"),
        ("from  pynetdicom.sop_class  import (\n  CTImageStorage,  # ct\n)", None),
        ("import pynetdicom", f"import {OURS} as pynetdicom"),
        ("import pynetdicom as p, os", f"import {OURS} as p, os"),
        ("import os, pynetdicom as p; p.AE()", f"import os, {OURS} as p; p.AE()"),
        ("import pynetdicom.sop_class", f"import {OURS} as pynetdicom, {OURS}.sop_class"),
        ("import pynetdicom.sop_class as s", f"import {OURS}.sop_class as s"),
        ("import pynetdicom, pynetdicom.ae", f"import {OURS} as pynetdicom, {OURS}.ae"),
        ("import pynetdicom.ae, pynetdicom.evt", f"import {OURS} as pynetdicom, {OURS}.ae, {OURS}.evt"),
        ("from pynetdicom import *", f"from {OURS} import *"),
        ("x = '\\d'\nimport pynetdicom as p", f"x = '\\d'\nimport {OURS} as p"),
        ("x = '\u2028\x85\x0c'\nfrom pynetdicom import AE", f"x = '\u2028\x85\x0c'\nfrom {OURS} import AE"),
        ("def f():\n\tfrom pynetdicom import AE\n", f"def f():\n\tfrom {OURS} import AE\n"),
        ("é = 'é'; from pynetdicom import AE", f"é = 'é'; from {OURS} import AE"),
        (
            "try:\n    import pynetdicom\nexcept ImportError:\n    pynetdicom = None",
            f"try:\n    import {OURS} as pynetdicom\nexcept ImportError:\n    pynetdicom = None",
        ),
        ("if TYPE_CHECKING:\n    from pynetdicom import AE", f"if TYPE_CHECKING:\n    from {OURS} import AE"),
        ("from .pynetdicom import AE", "from .pynetdicom import AE"),
        ("from . import pynetdicom", "from . import pynetdicom"),
        ("import pynetdicom_x", "import pynetdicom_x"),
        *[(text, text) for text in ("# import pynetdicom", "x = '''\nimport pynetdicom\n'''")],
        ("from \\\n  pynetdicom import AE\f\nimport pynetdicom", None),
    ],
)  # fmt: skip
def test_imports(before: str, after: str | None) -> None:
    changed, findings = migrated(before)
    if after is None:
        after = before.replace("import pynetdicom", f"import {OURS} as pynetdicom")
        after = after.replace("pynetdicom.sop", f"{OURS}.sop").replace(
            "  pynetdicom import", f"  {OURS} import"
        )
    assert (changed, findings) == (after, [])
    assert migrated(changed) == (after, [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from pynetdicom.fsm import StateMachine", "use EVT_FSM_TRANSITION"),
        ("import pynetdicom.dul", "use `dicomproto.UpperLayer`"),
        ("from pynetdicom import Gone", "pynetdicom.Gone has no counterpart"),
        ("import pynetdicom as p; p.Gone()", "pynetdicom.Gone has no counterpart"),
        ("from pynetdicom.apps.storescu import main", "use dicomproto storescu"),
        ("from pynetdicom.apps import qrscp", "use the commands of dicomproto"),
        ("from pynetdicom import AE; AE().associate('a', 1).dul.send_pdu()", "use EVT_PDU_RECV and"),
        ("from pynetdicom import AE; assoc.acse.send_release()", "use `release()`"),
        ("from pynetdicom import AE; assoc.dimse.send_msg()", "use EVT_DIMSE_RECV and"),
        ("from pynetdicom import AE; event.assoc.lock.acquire()", "a lock of your own"),
        ("from pynetdicom import AE; assoc._accepted_cx", "use accepted_contexts"),
        ("from pynetdicom import AE; a = AE(); a._ae_title = 'A'", "use ae_title"),
        ("import importlib; importlib.import_module('pynetdicom.ae')", '"pynetdicom.ae" names a part'),
        ("importlib.import_module(name='pynetdicom')", '"pynetdicom" names a part'),
        ("__import__('pynetdicom')", '"pynetdicom" names a part'),
        ("from unittest import mock; mock.patch('pynetdicom.AE.associate')", "texts are not rewritten"),
        ("mock.patch.dict('sys.modules', {'pynetdicom': None})", "texts are not rewritten"),
        ("sys.modules['pynetdicom.ae']", "texts are not rewritten"),
        ("importlib.metadata.version('pynetdicom')", "names the distribution"),
        ("run([sys.executable, '-m', 'pynetdicom', 'echoscu'])", "`python -m dicomproto`"),
    ],
)
def test_what_differs_is_listed_with_its_line(line: str, words: str) -> None:
    changed, findings = migrated(f"\n{line}\n")
    assert [finding.line for finding in findings] == [2]
    assert words in findings[0].text
    assert migrated(changed) == (changed, findings)


@pytest.mark.parametrize(
    "line",
    [
        "logging.getLogger('pynetdicom').setLevel(10)",
        "event.assoc.acse.send_reject(1, 1, 1)",
        "event.assoc.acse.send_abort(2)",
        "with self.lock: print('pynetdicom')",
        "self._ae_title = 'MINE'",
    ],
)
def test_what_does_not_differ_is_not_listed(line: str) -> None:
    assert migrated(f"from pynetdicom import AE\n{line}\n")[1] == []


def test_a_name_that_something_else_binds_is_no_module_of_pynetdicom() -> None:
    assert migrated("import pynetdicom as p\ndef f(p):\n    p.Gone()\n")[1] == []


@pytest.mark.parametrize("keyword", ["'Private', Storage", "keyword='Private', service_class=Storage"])
def test_a_name_that_is_registered_is_a_sop_class(keyword: str) -> None:
    text = f"import pynetdicom as p\np.register_uid('1.2.3', {keyword})\n"
    use = "from pynetdicom.sop_class import Private\np.sop_class.Private\n"
    assert migrated(text + use)[1] == []
    assert [finding.line for finding in migrated(text + use.replace("Private", "Other"))[1]] == [3, 4]


@pytest.mark.parametrize("flavour", ["blocking", "trio", "anyio"])
def test_names_of_the_library(flavour: str) -> None:
    before = "from pynetdicom import AE, evt, build_role, register_uid  # names\r\nimport os\r\n"
    changed, findings = migrated(before, flavour)
    assert changed == (
        f"from dicomproto_transports.{flavour} import AE, evt\r\n"
        "from dicomproto_transports import build_role\r\n"
        f"from {OURS} import register_uid  # names\r\nimport os\r\n"
    )
    assert [(finding.line, "register_uid" in finding.text) for finding in findings] == [(1, True)]
    assert migrated(changed, flavour)[0] == changed


def test_habits_that_the_library_does_not_have() -> None:
    before = """\
from pynetdicom import AE
assoc = AE().associate("a", 1)
if not assoc.is_established:
    raise SystemExit
status = assoc.send_c_echo()
if status:
    print(status[0x00000900], context.transfer_syntax[0], assoc.accepted_contexts[0].transfer_syntax[0])
else:
    print("none")
"""
    changed, findings = migrated(before, "blocking")
    assert "context.transfer_syntax[0], assoc.accepted_contexts[0].transfer_syntax)" in changed
    assert [finding.line for finding in findings] == [6, 7, 7]


@pytest.mark.parametrize(("target", "code"), [([], 0), (["--to", "library"], 0)])
def test_a_migrated_program_runs(tmp_path: Path, target: list[str], code: int) -> None:
    program = tmp_path / "echo.py"
    program.write_text(ECHO)
    command = [sys.executable, "-m", OURS, "migrate", str(tmp_path), *target]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr, program.read_text()) == (code, "", ECHO)
    assert "-from pynetdicom import AE, debug_logger" in shown.stdout
    subprocess.run([*command, "--write"], capture_output=True, check=True)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, "")

    ae = AE()
    ae.add_supported_context("1.2.840.10008.1.1")
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda event: 0)])
    try:
        port = str(server.server_address[1])
        ran = subprocess.run(
            [sys.executable, str(program), port], capture_output=True, text=True, check=False
        )
    finally:
        server.shutdown()
    assert (ran.stdout, ran.stderr) == ("['1.2.840.10008.1.2']\n0000\n", "")


@pytest.mark.parametrize(
    "data",
    [
        b"# coding: latin-1\r\n# \xe9\r\nfrom pynetdicom import AE\r\n",
        b"\xef\xbb\xbffrom pynetdicom import AE\n\tx = 1\n".replace(b"\n\tx = 1", b""),
        b"from pynetdicom import AE\rx = 1",
    ],
)
def test_bytes_and_permissions_stay(tmp_path: Path, data: bytes) -> None:
    program = tmp_path / "program.py"
    program.write_bytes(data)
    program.chmod(0o750)
    assert main(["migrate", str(program), "--write"]) == 0
    assert program.read_bytes() == data.replace(b"pynetdicom", OURS.encode())
    assert program.stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == [program]


@pytest.mark.parametrize(
    "data",
    [
        b"import pynetdicom\nx = (",
        b"import pynetdicom\nprint 'python 2'\n",
        b"\xff",
        b"# coding: none-such\n",
        b"# coding: rot13\nvzcbeg bf\n",
        b"# coding: utf-7\nx = '+AOk-'\nimport pynetdicom\n",
        "import pynetdicom".encode("utf-16"),
        b"x = '\0'",
        b"x = " + b"(" * 10000,
    ],
)
def test_a_file_that_does_not_parse_is_left(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.py").write_bytes(b"import pynetdicom")
    assert main(["migrate", str(tmp_path), "--write"]) == 2
    assert "a.py: is left as it is" in capsys.readouterr().err
    assert (tmp_path / "a.py").read_bytes() == data
    assert (tmp_path / "b.py").read_bytes() != b"import pynetdicom"


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the content of each file below a folder, by its name."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_of_a_directory_its_programs_are_migrated_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = b"import pynetdicom\n"
    for name in ("a.py", "b.pyi", "c.txt", "d", "sub/e.pyw", ".hidden/f.py", "g.py/h.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "gone.py").symlink_to("nothing")
    (tmp_path / "sub" / "link.py").symlink_to("../a.py")
    os.mkfifo(tmp_path / "pipe.py")
    before = tree(tmp_path)
    assert main(["migrate", str(tmp_path), "--write"]) == 0
    assert capsys.readouterr().err == ""
    after = tree(tmp_path)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"a.py", "b.pyi", "sub/e.pyw", "g.py/h.py", "sub/link.py"}
    assert (tmp_path / "sub" / "link.py").is_symlink()
    assert after.keys() == before.keys()
    assert main(["migrate", str(tmp_path / "pipe.py")]) == 2
    assert "is no regular file" in capsys.readouterr().err


def test_notebooks_are_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("one", '{"cells": [{"source": ["import pynetdicom"]}]}'), ("two", "{}")):
        (tmp_path / f"{name}.ipynb").write_text(text)
    before = tree(tmp_path)
    assert main(["migrate", str(tmp_path), "--write"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "one.ipynb:1: names pynetdicom; notebooks are not read" in line
    assert tree(tmp_path) == before


def test_a_read_only_program_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "program.py"
    program.write_text("import pynetdicom\n")
    program.chmod(0o444)
    assert main(["migrate", str(program), "--write"]) == 2
    assert "it is read-only" in capsys.readouterr().err
    assert tree(tmp_path) == {"program.py": b"import pynetdicom\n"}


def test_a_write_that_fails_leaves_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import pynetdicom\n")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    assert main(["migrate", str(program), "--write"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert tree(tmp_path) == {"program.py": b"import pynetdicom\n"}


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    program = tmp_path / os.fsdecode(b"name \xe9.py")
    program.write_text("x = 'é'\nimport pynetdicom\n", encoding="utf-8")
    command = [sys.executable, "-m", OURS, "migrate", str(program)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert r" x = '\xe9'" in shown.stdout


def test_nobody_has_to_read_all(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import pynetdicom\n" * 3000)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", OURS, "migrate", str(program)]
    shown = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (shown.returncode, shown.stderr) == (2, "")


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "none.py")]) == 2
    assert "No such file" in capsys.readouterr().err
    for arguments in ([], ["migrate"], ["migrate", "a.py", "--to", "twisted"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
