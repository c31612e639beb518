"""Whether a request may be carried out on the presentation context that it came on.

The context says what was negotiated (PS3.8 7.1.1.13), so the SOP class of the context fixes which
requests are legal, and the SOP class in the request should be the same. Two liberties that many
peers take pass with a warning unless `strict`: C-ECHO on any context, and C-STORE of another
storage SOP class.
"""

from __future__ import annotations

from collections.abc import Container

from .._record import Record
from ..dimse.commands import CEchoRQ, Request
from ..dimse.status import SOP_CLASS_NOT_SUPPORTED, UNRECOGNIZED_OPERATION, Status
from ..uids import VERIFICATION, normalize_uid
from .sop_classes import allowed_requests, is_storage


class Verdict(Record):
    """What was decided about a request.

    `status` is None if it may pass, or the status that refuses it; `text` then says why, in ASCII
    and short enough for an Error Comment. `warning` is "code: detail" for a liberty taken.
    """

    status: Status | None = None
    text: str = ""
    warning: str | None = None


_PASSED = Verdict()


def check_request(
    command: Request,
    abstract_syntax: str,
    *,
    service_class_uid: str = "",
    supported: Container[str] | None = None,
    strict: bool = False,
) -> Verdict:
    """Decide whether `command` may pass on a context of `abstract_syntax`.

    A SOP class that is missing in the request counts as the one of the context. A context of a SOP
    class that the tables do not name lets every request pass, unless `service_class_uid`, from
    common extended negotiation, says what it is. `supported` are the SOP classes of which an object
    may come on another one's context; None stands for every storage SOP class that is known.
    """
    context_class = normalize_uid(abstract_syntax)
    allowed = allowed_requests(context_class) or allowed_requests(service_class_uid)
    # PS3.4 A.4: C-ECHO is an operation of Verification alone.
    is_allowed = type(command) in allowed if allowed else type(command) is not CEchoRQ
    named = command.sop_class_uid
    if is_allowed and (not allowed or named in (context_class, "")):
        return _PASSED
    if type(command) is CEchoRQ:
        # An echo asks for no more than an answer, whatever it names.
        where = "names another SOP class" if context_class == VERIFICATION else "on another context"
        return _liberty(f"C-ECHO-RQ {where}", strict)
    if not is_allowed:
        text = f"{command.name} is not an operation of the context"
        return Verdict(status=UNRECOGNIZED_OPERATION, text=text)
    if not (is_storage(named) if supported is None else named in supported):
        return Verdict(status=SOP_CLASS_NOT_SUPPORTED, text="C-STORE-RQ of a SOP class that is not supported")
    return _liberty("C-STORE-RQ of another SOP class than the context's", strict)


def _liberty(text: str, strict: bool) -> Verdict:
    """Refuse what is not to the letter, or let it pass with a warning."""
    if strict:
        return Verdict(status=SOP_CLASS_NOT_SUPPORTED, text=text)
    return Verdict(warning=f"sop-class-mismatch: {text}")
