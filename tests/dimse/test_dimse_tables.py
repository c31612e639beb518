"""Elements, messages and statuses against the tables of PS3.7 (`ps37_messages.json`, derived from them)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import COMMANDS, NO_DATA_SET, Command, Request, Response
from dicomproto.dimse.elements import ELEMENTS, RETIRED_ELEMENTS
from dicomproto.dimse.status import Status

TABLES = json.loads((Path(__file__).parent / "ps37_messages.json").read_text(encoding="utf-8"))
# The three C-CANCEL requests are one message on the wire.
MESSAGES = {
    "C-CANCEL-RQ" if name.startswith("C-CANCEL") else name: rows for name, rows in TABLES["messages"].items()
}
BY_NAME = {command.name: command for command in COMMANDS.values()}
EXAMPLES: dict[str, object] = {
    "UI": "1.2.3",
    "US": 7,
    "AE": "TITLE",
    "LO": "a comment",
    "AT": (0x00100010, 0x7FE00010),
}
RELATED_TO_STATUS = {"OffendingElement", "ErrorComment", "ErrorID", "AttributeIdentifierList"}


@pytest.mark.parametrize(("key", "table"), [("elements", ELEMENTS), ("retired", RETIRED_ELEMENTS)])
def test_the_elements_are_those_of_annex_e(key: str, table: dict[int, object]) -> None:
    rows = [[f"{e.number:04X}", e.keyword, e.vr, e.vm] for e in table.values()]  # type: ignore[attr-defined]
    assert rows == TABLES[key]
    assert list(table) == sorted(table)


def test_there_are_23_messages() -> None:
    assert len(COMMANDS) == 23
    assert BY_NAME.keys() == MESSAGES.keys()


def full(command: type[Command]) -> Command:
    """Return a command of this class with every element present."""
    fields = {e.keyword: EXAMPLES[e.vr] for e in ELEMENTS.values() if e.keyword in command._fields}
    fields["CommandDataSetType"] = 1 if command.data_set_allowed else NO_DATA_SET
    return command(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_has_the_elements_of_its_table(name: str) -> None:
    command = BY_NAME[name]
    wanted = set(MESSAGES[name]["elements"])
    if issubclass(command, Response):
        wanted |= RELATED_TO_STATUS  # PS3.7 Annex C adds them to any response

    assert f"{command.command_field:04X}" == MESSAGES[name]["command_field"]
    own = {field for field in command._fields if field[0].isupper()}
    assert own == wanted - {"CommandGroupLength", "CommandField"}

    encoded = encode_command(full(command))
    numbers, position = [], 0
    while position < len(encoded):
        numbers.append(int.from_bytes(encoded[position + 2 : position + 4], "little"))
        position += 8 + int.from_bytes(encoded[position + 4 : position + 8], "little")
    assert {ELEMENTS[number].keyword for number in numbers} == wanted
    assert numbers == sorted(numbers)
    assert int.from_bytes(encoded[8:12], "little") == len(encoded) - 12
    assert decode_command(encoded) == full(command)
    assert decode_command(encoded).warnings == ()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_has_a_data_set_where_its_table_says_so(name: str) -> None:
    command, use = BY_NAME[name], MESSAGES[name]["data_set"]
    assert command.data_set_required == (use == "required")
    assert command.data_set_allowed == (use != "none")
    fields = {
        field: "1.2.3" if "UID" in field or field.startswith("Move") else 1
        for field in command._fields
        if field[0].isupper() and field != "CommandDataSetType"
    }
    for field in RELATED_TO_STATUS | {"MoveOriginatorMessageID"}:
        fields.pop(field, None)
    assert command(**fields).has_data_set == (use == "required")  # type: ignore[arg-type]


def test_every_request_has_its_response() -> None:
    requests = [command for command in COMMANDS.values() if issubclass(command, Request)]
    assert len(requests) == 11
    for request in requests:
        assert request.response_class.command_field == request.command_field | 0x8000
        assert request.response_class.name == request.name[:-2] + "RSP"


@pytest.mark.parametrize("code", TABLES["statuses"])
def test_the_general_statuses_have_the_meanings_of_annex_c(code: str) -> None:
    title = TABLES["statuses"][code].lower().replace("list warning", "list error")
    assert Status(int(code, 16)).meaning.lower() == title
