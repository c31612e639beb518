"""The command lines: spellings kept, wrong ones refused with status 2, nothing imported in vain."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser

import pytest

import dicomproto
from dicomproto.config import Timeouts
from dicomproto.negotiation import DEFAULT_MAXIMUM_LENGTH
from dicomproto_transports.apps import (
    APPLICATIONS,
    echoscp,
    echoscu,
    findscu,
    getscu,
    main,
    movescu,
    storescp,
    storescu,
)
from dicomproto_transports.apps.cli.address import parse_requestor
from dicomproto_transports.apps.cli.options import console_of, only_syntax, preferred_syntaxes, timeouts_of

PARSERS = {
    "echoscu": (echoscu.parser, ["host", "104"]),
    "echoscp": (echoscp.parser, ["0"]),
    "storescu": (storescu.parser, ["host", "104", "file"]),
    "storescp": (storescp.parser, ["0"]),
    "findscu": (findscu.parser, ["host", "104"]),
    "getscu": (getscu.parser, ["host", "104"]),
    "movescu": (movescu.parser, ["host", "104"]),
}
SCU, SCP = ("echoscu", "storescu", "findscu", "getscu", "movescu"), ("echoscp", "storescp")

GENERAL = ["-q", "--quiet", "-v", "--verbose", "-d", "--debug", "-ll info", "--log-level critical", "--json"]
NETWORK = [
    "-aet ME", "-ta 1", "--acse-timeout 1", "-td 1", "--dimse-timeout 0", "-tn 1.5", "--network-timeout 1",
    "-pdu 0", "--max-pdu 16382",
]  # fmt: skip
REQUESTOR = [
    "--calling-aet ME", "-aec YOU", "--called-aet YOU", "-xe", "--request-little", "-xb", "--request-big",
    "-xi", "--request-implicit",
]  # fmt: skip
ACCEPTOR = [
    "--ae-title ME", "-ba ::1", "--bind-address 127.0.0.1", "-x=", "--prefer-uncompr", "-xe",
    "--prefer-little", "-xb", "--prefer-big", "-xi", "--implicit",
]  # fmt: skip
QUERY = [
    "-P", "-S", "-O", "-k PatientID=1", "--keyword PatientID=1", "-k a -k b", "-f file", "--file file",
    "--enhanced-conversion",
]  # fmt: skip
STORE = ["-od out", "--output-directory out", "--ignore"]
OWN = {
    "findscu": [
        *QUERY, "-W", "-U", "-w", "--write", "--relational-query", "--dt-matching", "--fuzzy-names",
        "--timezone-adj",
    ],
    "getscu": [*QUERY, *STORE, "--relational-retrieval"],
    "movescu": [
        *QUERY, *STORE, "--relational-retrieval", "-aem TITLE", "--move-aet TITLE", "--store",
        "--store-port 0", "--store-aet TITLE", "--any-sop-class", "--any-transfer-syntax",
    ],
    "echoscu": ["--repeat 3", "--abort"],
    "echoscp": [],
    "storescu": ["-r", "--recurse", "-cx", "--required-contexts"],
    "storescp": [*STORE, "--no-echo", "--any-sop-class", "--any-transfer-syntax"],
}  # fmt: skip


def spelled(name: str) -> list[str]:
    return [*GENERAL, *NETWORK, *(REQUESTOR if name in SCU else ACCEPTOR), *OWN[name]]


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in APPLICATIONS for option in spelled(name)]
)
def test_the_options_of_pynetdicoms_tools_are_known(name: str, option: str) -> None:
    make, positionals = PARSERS[name]
    make().parse_args([*option.split(), *positionals])
    make().parse_args([*positionals, *option.split()])


@pytest.mark.parametrize(
    "option",
    ["-aet " + "A" * 17, "-aet ''", "-aet a\\b", "-aet ä", "-pdu 1", "-pdu 127", "-pdu -1", "-pdu x",
     "-ta -1", "-td x", "-tn nan", "-tn inf", "-ll trace", "-q -v", "-xe -xi", "--unknown", "--verb"],
)  # fmt: skip
@pytest.mark.parametrize("name", APPLICATIONS)
def test_wrong_options_are_refused(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word.strip("'") for word in option.split()]
    with pytest.raises(SystemExit) as caught:
        main([name, *words, *PARSERS[name][1]])
    assert caught.value.code == 2
    assert f"dicomproto {name}: error:" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
@pytest.mark.parametrize("name", SCU)
def test_a_peer_has_a_port(name: str, port: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "host", port, "file"][: len(PARSERS[name][1]) + 1])
    assert caught.value.code == 2


@pytest.mark.parametrize("words", [["--version"], *([name, "--version"] for name in APPLICATIONS)])
def test_the_version_works_alone(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"dicomproto {dicomproto.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in APPLICATIONS)])
def test_help_goes_to_stdout(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert all(name in output.out for name in (APPLICATIONS if len(words) == 1 else words[:1]))
    assert max(map(len, output.out.splitlines())) <= 110


def test_an_application_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word there is the help, which still is not what a script wanted."""
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.err == ""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert output.out == capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2
    assert "there is no application 'nothing'" in capsys.readouterr().err


def test_the_timeouts_reach_the_waits_that_they_name() -> None:
    words = ["host", "104", "-ta", "1", "-td", "2", "-tn", "3", "-tc", "0"]
    assert timeouts_of(echoscu.parser().parse_args(words)) == Timeouts(
        connect=None, association=1, artim=1, response=2, action=2, retrieve=2, pdu=3, write=3, idle=3
    )
    words += ["--timeout-pdu", "4", "--timeout-connect", "5", "--timeout-close", "0"]
    assert timeouts_of(echoscu.parser().parse_args(words)) == Timeouts(
        connect=5,
        association=1,
        artim=1,
        response=2,
        action=2,
        retrieve=2,
        pdu=4,
        write=3,
        idle=3,
        close=None,
    )
    assert timeouts_of(storescp.parser().parse_args(["0", "-ti", "4"])) == Timeouts(idle=4)
    both = timeouts_of(storescp.parser().parse_args(["0", "-ti", "4", "-tn", "3"]))
    assert both == Timeouts(pdu=3, write=3, idle=4)
    assert timeouts_of(echoscu.parser().parse_args(["host", "104"])) == Timeouts()


def parse(parser: ArgumentParser, words: str) -> dict[str, object]:
    return vars(parser.parse_args(words.split()))


def test_the_defaults_are_those_that_users_know() -> None:
    options = vars(parse_requestor(echoscu.parser(), ["host", "104"]))
    assert (options["ae_title"], options["called_aet"], options["repeat"]) == ("ECHOSCU", "ANY-SCP", 1)
    assert options["max_pdu"] == DEFAULT_MAXIMUM_LENGTH
    options = parse(storescp.parser(), "11112")
    assert (options["ae_title"], options["bind_address"], options["output_directory"]) == (
        "STORESCP",
        "",
        ".",
    )
    options = vars(parse_requestor(storescu.parser(), ["host", "104", "a", "b"]))
    assert (options["path"], options["ae_title"]) == (["a", "b"], "STORESCU")
    assert parse(echoscp.parser(), "11112")["ae_title"] == "ECHOSCP"


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ("", 30),
        ("-v", 20),
        ("-d", 10),
        ("-ll debug", 10),
        ("-ll error", 40),
        ("-ll critical", 50),
        ("-q", 100),
    ],
)
def test_the_level_is_the_one_asked_for(words: str, level: int) -> None:
    assert console_of(echoscu.parser().parse_args(["host", "104", *words.split()])).level == level


IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@pytest.mark.parametrize(("word", "only"), [("-xe", EXPLICIT), ("-xb", BIG), ("-xi", IMPLICIT), ("-v", None)])
def test_a_requestor_may_insist_on_a_transfer_syntax(word: str, only: str | None) -> None:
    assert only_syntax(echoscu.parser().parse_args(["host", "104", word])) == only


@pytest.mark.parametrize(
    ("word", "order"),
    [
        ("-xe", (EXPLICIT, IMPLICIT, BIG)),
        ("-xb", (BIG, IMPLICIT, EXPLICIT)),
        ("-xi", (IMPLICIT,)),
        ("-x=", (EXPLICIT if sys.byteorder == "little" else BIG, IMPLICIT, EXPLICIT, BIG)),
        ("-v", (IMPLICIT, EXPLICIT, BIG)),
    ],
)
def test_an_acceptor_may_prefer_a_transfer_syntax(word: str, order: tuple[str, ...]) -> None:
    options = storescp.parser().parse_args(["0", word])
    assert preferred_syntaxes(options, (IMPLICIT, EXPLICIT, BIG)) == tuple(dict.fromkeys(order))


HEAVY = {"pydicom", "rich", "trio", "anyio", "asyncio", "numpy", "json"}
REPORT = (
    "import atexit, sys; atexit.register(lambda: print(sorted({m.split('.')[0] for m in sys.modules})))\n"
)


def modules_after(words: list[str]) -> set[str]:
    code = f"{REPORT}from dicomproto_transports.apps import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False, text=True)
    return set(eval(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_version_and_help_import_next_to_nothing(name: str) -> None:
    for word in ("--version", "--help"):
        loaded = modules_after([name, word])
        assert not loaded & (
            HEAVY | {"socket", "logging", "select", "inspect", "hashlib", "importlib.metadata"}
        )
