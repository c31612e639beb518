"""The ready-made presentation contexts: their sizes, and that they can be used as they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dicomproto_transports
from dicomproto.negotiation import SupportedContext, plan_contexts
from dicomproto.services import is_storage, keyword_of, service_class_of, sop_class
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicomproto.upper_layer.pdu import RoleSelection
from dicomproto_transports import blocking, contexts
from dicomproto_transports.contexts import PresentationContext, build_context, build_role

DEFAULT = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
SIZES = {
    "AllStorage": 170,
    "ApplicationEventLogging": 2,
    "BasicWorklistManagement": 1,
    "ColorPalette": 3,
    "DefinedProcedureProtocol": 3,
    "DisplaySystem": 1,
    "HangingProtocol": 3,
    "ImplantTemplate": 9,
    "InstanceAvailability": 1,
    "Inventory": 3,
    "MediaCreationManagement": 1,
    "MediaStorage": 1,
    "ModalityPerformed": 3,
    "NonPatientObject": 9,
    "PrintManagement": 11,
    "ProcedureStep": 3,
    "ProtocolApproval": 3,
    "QueryRetrieve": 13,
    "RelevantPatientInformation": 3,
    "RTMachineVerification": 2,
    "StorageCommitment": 1,
    "StorageManagement": 1,
    "Storage": 120,
    "SubstanceAdministration": 2,
    "UnifiedProcedure": 5,
    "Verification": 1,
}


def listed(name: str) -> list[PresentationContext]:
    made: list[PresentationContext] = getattr(dicomproto_transports, f"{name}PresentationContexts")
    return made


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_list_of_contexts(name: str, size: int) -> None:
    made = listed(name)
    assert len(made) == size
    assert len({context.abstract_syntax for context in made}) == size
    for context in made:
        assert context.transfer_syntax == context.transfer_syntaxes == DEFAULT
        assert service_class_of(context.abstract_syntax) is not None
        assert keyword_of(context.abstract_syntax)
    # All but the whole of storage fit in one association.
    assert (size <= 128) == (name != "AllStorage")


def test_every_list_is_named() -> None:
    assert tuple(sorted(f"{name}PresentationContexts" for name in SIZES)) == contexts.CONTEXT_LISTS
    assert set(contexts.CONTEXT_LISTS) < set(contexts.__all__)
    for name in contexts.__all__:
        assert getattr(contexts, name)


def test_the_whole_and_the_common_storage() -> None:
    every, common = ({c.abstract_syntax for c in listed(name)} for name in ("AllStorage", "Storage"))
    assert len(common & every) == 106
    assert len(common - every) == 14
    assert all("Retired" in str(keyword_of(uid)) or is_storage(uid) for uid in common)
    # What is still in use comes first.
    assert {c.abstract_syntax for c in listed("Storage")[:106]} <= every


def test_all_the_service_classes_have_their_lists() -> None:
    every = {c.abstract_syntax for name in SIZES for c in listed(name)}
    assert len(every) == 252 + 14


def test_a_list_is_ones_own() -> None:
    mine = listed("Verification")
    mine.append(build_context("1.2.3"))
    assert len(listed("Verification")) == 1
    assert [c.abstract_syntax for c in listed("QueryRetrieve")[:2] + mine][-1] == "1.2.3"


def test_the_transfer_syntaxes() -> None:
    from dicomproto_transports import ALL_TRANSFER_SYNTAXES, DEFAULT_TRANSFER_SYNTAXES

    assert tuple(DEFAULT_TRANSFER_SYNTAXES) == DEFAULT
    assert len(ALL_TRANSFER_SYNTAXES) == len(set(ALL_TRANSFER_SYNTAXES)) == 45
    assert set(DEFAULT) < set(ALL_TRANSFER_SYNTAXES)


def test_a_context_of_ones_own() -> None:
    assert build_context(VERIFICATION).transfer_syntax == DEFAULT
    one = build_context(VERIFICATION + "\0", IMPLICIT_VR_LITTLE_ENDIAN)
    assert (one.abstract_syntax, one.transfer_syntax) == (VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,))
    assert build_context(VERIFICATION, [EXPLICIT_VR_LITTLE_ENDIAN]).transfer_syntax == (
        EXPLICIT_VR_LITTLE_ENDIAN,
    )


def test_a_role() -> None:
    assert build_role("1.2", scp_role=True) == RoleSelection(
        sop_class_uid="1.2", scu_role=False, scp_role=True
    )
    assert build_role("1.2", True) == RoleSelection(sop_class_uid="1.2", scu_role=True, scp_role=False)


def test_an_application_entity_takes_the_lists() -> None:
    ae = blocking.AE()
    ae.requested_contexts = listed("Verification")
    assert [c.abstract_syntax for c in ae.requested_contexts] == [VERIFICATION]
    assert ae.requested_contexts[0].transfer_syntax == DEFAULT
    ae.requested_contexts = listed("Storage")
    assert [c.context_id for c in ae.requested_contexts] == [2 * i + 1 for i in range(121)]
    ae.supported_contexts = listed("AllStorage")
    assert len(ae.supported_contexts) == 170
    ae.supported_contexts = listed("Storage")
    assert all(isinstance(context, SupportedContext) for context in ae.supported_contexts)
    ae.requested_contexts = ae.supported_contexts[:1]
    assert ae.requested_contexts[-1].transfer_syntax == DEFAULT
    assert len(plan_contexts([(c.abstract_syntax, DEFAULT[0]) for c in listed("Storage")]).contexts) == 128


@pytest.mark.parametrize("name", ["BananaPresentationContexts", "Contexts", "_private", "AE", "banana"])
def test_there_are_no_other_names(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(dicomproto_transports, name)
    with pytest.raises(AttributeError, match=name):
        getattr(contexts, name)


def test_a_list_loads_no_flavour() -> None:
    statement = "from dicomproto_transports import StoragePresentationContexts, build_role\nimport sys\n"
    statement += "print(*[n for n in sys.modules if n.startswith('dicomproto_transports.')])"
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dicomproto_transports.contexts"]


def test_the_members_of_a_meta_sop_class_are_in_its_list() -> None:
    printing = {c.abstract_syntax for c in listed("PrintManagement")}
    for uid in printing:
        known = sop_class(uid)
        assert known is not None
        assert set(known.members) <= printing
