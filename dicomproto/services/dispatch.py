"""The check of requests: does the presentation context of a request allow it?

The context was negotiated (PS3.8 7.1.1.13), so its SOP class decides which requests are legal. The request
names

- the SOP class of the context;
- or the SOP class of the instances, if that is another one: every unified procedure step belongs to the
  Push class, whichever of the five is negotiated (PS3.4 CC.3.1);
- or, on the context of a meta SOP class, one of its members; then the member decides.

An N-ACTION or N-EVENT-REPORT also has a type, which the deciding SOP class has to define: a state is changed
on a Pull context, and subscribed to on a Watch context (PS3.4 CC.2).

A request that names the instance to be stored or created with several UIDs is refused.

Many peers take liberties. These pass with a warning unless `strict`: C-ECHO on any context, C-STORE of
another storage SOP class, a request that another SOP class of unified procedure steps allows, and an action
or event of a type that the SOP class does not define. C-CANCEL belongs to C-FIND, C-GET and C-MOVE; it names
no SOP class.
"""

from __future__ import annotations

from collections.abc import Container

from ..dimse.commands import CEchoRQ, CStoreRQ, NActionRQ, NCreateRQ, Request
from ..dimse.status import (
    INVALID_SOP_INSTANCE,
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_EVENT_TYPE,
    SOP_CLASS_NOT_SUPPORTED,
    UNRECOGNIZED_OPERATION,
    Status,
)
from ..record import Record
from ..uids import VERIFICATION, normalize_uid
from .sop_classes import (
    STANDARD,
    ServiceClass,
    SOPClass,
    SOPClassRegistry,
    allowed_requests,
    sop_class_uids,
)


class Verdict(Record):
    """The decision about a request.

    `status` is None if the request passes, or the status that refuses it; `text` is then the reason, in ASCII
    and short enough for an Error Comment. `warning` is "code: detail" for a liberty of the peer.
    """

    status: Status | None = None
    text: str = ""
    warning: str | None = None


_PASSED = Verdict()
_MAKING = (CStoreRQ, NCreateRQ)


def check_request(
    command: Request,
    abstract_syntax: str,
    *,
    service_class_uid: str = "",
    supported: Container[str] | None = None,
    registry: SOPClassRegistry = STANDARD,
    strict: bool = False,
) -> Verdict:
    """Decide whether `command` may pass on a context of `abstract_syntax`.

    A request without a SOP class counts as one for the SOP class of the context. If `registry` does not know
    the SOP class of the context, every request passes, unless `service_class_uid`, from common extended
    negotiation, names its service class. Requests for the `supported` SOP classes may come on the context of
    another one; None stands for every known SOP class.
    """
    kind, named = type(command), command.sop_class_uid
    if isinstance(command, _MAKING) and "\\" in (command.AffectedSOPInstanceUID or ""):
        return Verdict(status=INVALID_SOP_INSTANCE, text=f"{kind.name} with several SOP Instance UIDs")
    context_class = normalize_uid(abstract_syntax)
    context = registry.find(context_class, service_class_uid)
    if kind is CEchoRQ:
        return _check_echo(named, context_class, strict)
    if context is None:
        return _PASSED
    if context.members and named:
        return _check_member(command, named, context, registry, strict)
    if kind in context.requests and named in (context_class, "", context.instance_class):
        has_types = context.action_types or context.event_types
        return _check_type(command, context, strict) if has_types else _PASSED
    if context.service_class is ServiceClass.UNIFIED_PROCEDURE_STEP:
        return _check_procedure_step(kind, named, context, supported, strict)
    if kind not in context.requests:
        return _not_an_operation(kind)
    if kind is not CStoreRQ:
        return _of_another_class(kind)
    if not _is_stored(named, registry, supported):
        return Verdict(status=SOP_CLASS_NOT_SUPPORTED, text="C-STORE-RQ of a SOP class that is not supported")
    return _of_another_class(kind) if strict else _liberty(_of_another_class(kind))


def _is_stored(named: str, registry: SOPClassRegistry, supported: Container[str] | None) -> bool:
    """Tell whether this side stores objects of a SOP class; a supported one need not be of storage."""
    if supported is None:
        return registry.is_storage(named)
    return named in supported and (registry.find(named) is None or registry.is_storage(named))


def _check_echo(named: str, context_class: str, strict: bool) -> Verdict:
    """Check a C-ECHO: only Verification has it (PS3.4 A.4), but it is harmless on another context."""
    if context_class == VERIFICATION:
        if named in (VERIFICATION, ""):
            return _PASSED
        refusal = _of_another_class(CEchoRQ)
    else:
        refusal = Verdict(status=SOP_CLASS_NOT_SUPPORTED, text="C-ECHO-RQ on another context")
    return refusal if strict else _liberty(refusal)


def _check_type(command: Request, sop_class: SOPClass, strict: bool) -> Verdict:
    """Check the type: known SCUs of unified procedure steps send each action on the first context."""
    kind, type_id = type(command), command.type_id
    if sop_class.carries(kind, type_id):
        return _PASSED
    status = NO_SUCH_ACTION_TYPE if kind is NActionRQ else NO_SUCH_EVENT_TYPE
    refusal = Verdict(status=status, text=f"{kind.name} of type {type_id} does not belong to the context")
    return refusal if strict else _liberty(refusal)


def _check_member(
    command: Request, named: str, context: SOPClass, registry: SOPClassRegistry, strict: bool
) -> Verdict:
    """Check on the context of a meta SOP class, which carries the requests of its members (PS3.4 H.3.2.2)."""
    kind = type(command)
    member = registry.find(named) if named in context.members else None
    if member is not None:
        return _check_type(command, member, strict) if kind in member.requests else _not_an_operation(kind)
    return _of_another_class(kind) if kind in context.requests else _not_an_operation(kind)


def _check_procedure_step(
    kind: type[Request], named: str, context: SOPClass, supported: Container[str] | None, strict: bool
) -> Verdict:
    """Check the kind: some peers send all requests for unified procedure steps on the first context."""
    classes = sop_class_uids(ServiceClass.UNIFIED_PROCEDURE_STEP)
    offered = [uid for uid in classes if supported is None or uid in supported]
    if kind in context.requests:
        refusal = _of_another_class(kind)
    else:
        refusal = _not_an_operation(kind)
        offered = [uid for uid in offered if kind in (allowed_requests(uid) or ())]
    if strict or not offered or named not in (*classes, ""):
        return refusal
    return _liberty(refusal)


def _not_an_operation(kind: type[Request]) -> Verdict:
    return Verdict(status=UNRECOGNIZED_OPERATION, text=f"{kind.name} is not an operation of the context")


def _of_another_class(kind: type[Request]) -> Verdict:
    return Verdict(
        status=SOP_CLASS_NOT_SUPPORTED, text=f"{kind.name} of another SOP class than the context's"
    )


def _liberty(refusal: Verdict) -> Verdict:
    """Turn a refusal into a warning."""
    return Verdict(warning=f"sop-class-mismatch: {refusal.text}")
