"""Presentation contexts and their negotiation, compared with pynetdicom's."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy
from importlib import import_module
from random import Random
from typing import Any

import pytest
from pydicom.uid import UID, UID_dictionary

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"

both = pytest.mark.parametrize("package", [OURS, THEIRS])

ABSTRACT = ["1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.840.10008.5.1.4.1.2.1.1"]
TRANSFER = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]
ROLES = [(True, True), (True, False), (False, True), (False, False)]


def presentation(package: str) -> Any:
    return import_module(f"{package}.presentation")


def made(
    package: str,
    context_id: int | None,
    abstract_syntax: str,
    transfer_syntaxes: list[str],
    scu_role: bool | None = None,
    scp_role: bool | None = None,
    result: int | None = None,
) -> Any:
    context = presentation(package).PresentationContext()
    context.context_id = context_id
    context.abstract_syntax = abstract_syntax
    context.transfer_syntax = transfer_syntaxes
    context.scu_role, context.scp_role, context.result = scu_role, scp_role, result
    return context


def shown(context: Any) -> tuple[object, ...]:
    syntaxes = tuple(context.transfer_syntax)
    return context.context_id, context.abstract_syntax, syntaxes, context.result, context.status, str(context)


def attempt(attribute: str, value: object, package: str) -> object:
    context = presentation(package).PresentationContext()
    try:
        setattr(context, attribute, value)
        return getattr(context, attribute)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("context_id", [None, 1, 255, 0, 2, 256, 257, -1]),
        ("abstract_syntax", [None, 1, "", "1.2.3", b"1.2.3", UID("1.2.3"), "1.2.03", "1." * 40, ["1.2"]]),
        (
            "transfer_syntax",
            [None, "1.2", [], ["1.2.3"], [b"1.2", None, 5], ["1.2", "1.2"], ["1." * 40], ("1.2",)],
        ),
        ("scu_role", [None, True, False, 1, "x"]),
        ("scp_role", [None, True, False, 1, "x"]),
        ("result", [None, 0, 4, 9]),
    ],
)
def test_attributes_judge_the_same(attribute: str, values: list[object]) -> None:
    for value in values:
        assert attempt(attribute, value, OURS) == attempt(attribute, value, THEIRS), value


@both
def test_a_context_starts_empty(package: str) -> None:
    context = presentation(package).PresentationContext()
    assert shown(context)[:4] == (None, None, (), None)
    assert str(context) == "Transfer Syntax(es):\n    (none)"
    assert (context.as_scu, context.as_scp, context.scu_role, context.scp_role) == (None,) * 4


@both
def test_contexts_with_the_same_values_are_equal(package: str) -> None:
    one, other = (made(package, 1, ABSTRACT[0], TRANSFER[:2]) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    other.add_transfer_syntax(TRANSFER[2])
    assert one != other
    assert one != "1"
    assert one.as_tuple == (1, ABSTRACT[0], TRANSFER[0])
    assert one.as_tuple.transfer_syntax.is_implicit_VR
    assert repr(one) == "Verification SOP Class"


@both
@pytest.mark.parametrize("given", [None, TRANSFER[1], UID(TRANSFER[1]), TRANSFER[:2], [UID(TRANSFER[2])]])
def test_a_context_is_built(package: str, given: Any) -> None:
    context = presentation(package).build_context(ABSTRACT[1], given)
    default = import_module(f"{package}._globals").DEFAULT_TRANSFER_SYNTAXES
    wanted = default if given is None else given if isinstance(given, list) else [given]
    assert context.transfer_syntax == wanted
    assert all(isinstance(uid, UID) for uid in [*context.transfer_syntax, context.abstract_syntax])


@both
def test_a_role_is_built(package: str) -> None:
    role = presentation(package).build_role(ABSTRACT[1], scp_role=True)
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (ABSTRACT[1], False, True)


@both
def test_contexts_and_roles_are_copied(package: str) -> None:
    found = presentation(package)
    for original in (
        made(package, 1, ABSTRACT[0], TRANSFER, True, False, 0),
        found.build_role("1.2.3", True),
    ):
        for other in (copy(original), deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert other == original
    sop_class = import_module(f"{package}.sop_class").CTImageStorage
    other = deepcopy(sop_class)
    assert other == sop_class
    assert other.service_class is sop_class.service_class


@both
def test_lists_of_contexts_are_shared(package: str) -> None:
    found = presentation(package)
    assert found.VerificationPresentationContexts is found.VerificationPresentationContexts
    (context,) = found.VerificationPresentationContexts
    context.scp_role = True
    assert found.VerificationPresentationContexts[0].scp_role is True
    context.scp_role = None


# --- negotiation -----------------------------------------------------------------------------------


def negotiated(
    package: str, function: str, sides: list[list[tuple[Any, ...]]], roles: dict[str, tuple[bool, bool]]
) -> object:
    requestor, acceptor = ([made(package, *values) for values in side] for side in sides)
    try:
        found = getattr(presentation(package), function)(requestor, acceptor, dict(roles))
    except Exception as error:
        return type(error)
    contexts, items = found if isinstance(found, tuple) else (found, [])
    return (
        [(*shown(context), context.as_scu, context.as_scp) for context in contexts],
        [(item.sop_class_uid, item.scu_role, item.scp_role) for item in items],
    )


def test_all_negotiations_have_the_same_result() -> None:
    chance = Random(9)

    def proposal(number: int) -> tuple[Any, ...]:
        roles = chance.choice([(None, None), *ROLES])
        return 2 * number + 1, chance.choice(ABSTRACT), chance.sample(TRANSFER, chance.randint(1, 3)), *roles

    def supported() -> tuple[Any, ...]:
        roles = [chance.choice([None, True, False]) for _ in range(2)]
        return None, chance.choice(ABSTRACT), chance.sample(TRANSFER, chance.randint(1, 3)), *roles

    def answer(number: int) -> tuple[Any, ...]:
        syntaxes = chance.sample(TRANSFER, chance.randint(0, 2))
        return 2 * number + 1, chance.choice(ABSTRACT), syntaxes, None, None, chance.randint(0, 4)

    for _ in range(300):
        asked = [proposal(number) for number in range(chance.randint(0, 4))]
        roles = {uid: chance.choice(ROLES) for uid in ABSTRACT if chance.random() < 0.4}
        for function, other in (
            ("negotiate_as_acceptor", [supported() for _ in range(chance.randint(0, 4))]),
            ("negotiate_unrestricted", [supported() for _ in range(chance.randint(0, 4))]),
            ("negotiate_as_requestor", [answer(number) for number in range(chance.randint(0, 4))]),
        ):
            wanted = negotiated(THEIRS, function, [asked, other], roles)
            assert negotiated(OURS, function, [asked, other], roles) == wanted, (asked, other, roles)


def test_unrestricted_storage_takes_the_same_of_all_uids() -> None:
    asked = [(1, uid, TRANSFER) for uid in [*UID_dictionary, "1.2.3.4"]]
    for proposal in asked:
        wanted = negotiated(THEIRS, "negotiate_unrestricted", [[proposal], []], {})
        assert negotiated(OURS, "negotiate_unrestricted", [[proposal], []], {}) == wanted, proposal


def test_the_table_of_roles_is_the_same() -> None:
    assert presentation(OURS).SCP_SCU_ROLES == presentation(THEIRS).SCP_SCU_ROLES
