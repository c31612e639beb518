"""Which files go on which association."""

from __future__ import annotations

from dicomproto.negotiation import propose_contexts
from dicomproto_transports.apps.sending.input_files import InputFile
from dicomproto_transports.apps.sending.plan import plan_associations

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"


def source(path: str, sop_class: str, syntax: str) -> InputFile:
    return InputFile(path=path, sop_class_uid=sop_class, transfer_syntax_uid=syntax, size=1)


def contexts_of(group: object) -> list[tuple[str, tuple[str, ...]]]:
    proposed = propose_contexts(group.contexts)  # type: ignore[attr-defined]
    return [(context.abstract_syntax, context.transfer_syntaxes) for context in proposed]


def test_files_that_fit_go_together_in_their_order() -> None:
    files = [source("b", "1.2", JPEG), source("a", "1.3", EXPLICIT), source("c", "1.2", JPEG)]
    (group,) = plan_associations(files)
    assert group.sources == tuple(files)
    assert contexts_of(group) == [
        ("1.2", (JPEG,)),
        ("1.3", (EXPLICIT,)),
        ("1.3", (EXPLICIT, IMPLICIT)),
    ]


def test_without_conversion_nothing_else_is_proposed() -> None:
    (group,) = plan_associations([source("a", "1.3", BIG)], convert=False)
    assert contexts_of(group) == [("1.3", (BIG,))]


def test_one_syntax_alone_may_be_proposed() -> None:
    (group,) = plan_associations([source("a", "1.3", BIG), source("b", "1.2", JPEG)], only=IMPLICIT)
    assert contexts_of(group) == [("1.3", (IMPLICIT,)), ("1.2", (IMPLICIT,))]


def test_nothing_needs_no_association() -> None:
    assert plan_associations([]) == []


def test_more_than_128_contexts_take_several_associations() -> None:
    files = [source(str(number), f"1.2.{number}", JPEG) for number in range(300)]
    groups = plan_associations(files)
    assert [len(group.sources) for group in groups] == [128, 128, 44]
    assert [one for group in groups for one in group.sources] == files


def test_no_file_gives_up_its_own_syntax_or_its_fallback_for_want_of_room() -> None:
    files = [source(f"{n}{s}", f"1.2.{n}", s) for n in range(100) for s in (BIG, JPEG)]
    groups = plan_associations(files)
    assert sum(len(group.sources) for group in groups) == 200
    for group in groups:
        contexts = contexts_of(group)
        assert len(contexts) <= 128
        for one in group.sources:
            assert (one.sop_class_uid, (one.transfer_syntax_uid,)) in contexts
            if one.transfer_syntax_uid == BIG:
                assert (one.sop_class_uid, (EXPLICIT, IMPLICIT)) in contexts
    assert len(groups) == 3


def test_what_may_be_decompressed_has_native_chances_too() -> None:
    (group,) = plan_associations([source("a", "1.2", JPEG)], decompress=True)
    assert contexts_of(group) == [("1.2", (JPEG,)), ("1.2", (EXPLICIT,)), ("1.2", (EXPLICIT, IMPLICIT))]
    files = [source(str(number), f"1.2.{number}", JPEG) for number in range(100)]
    groups = plan_associations(files, decompress=True)
    assert [len(group.sources) for group in groups] == [42, 42, 16]


def test_one_syntax_for_many_classes_takes_several_associations_too() -> None:
    files = [source(str(number), f"1.2.{number}", EXPLICIT) for number in range(129)]
    groups = plan_associations(files, only=IMPLICIT)
    assert [len(group.sources) for group in groups] == [128, 1]
