"""The weaknesses by row, each with the probes that show whether a product has it.

The rows are those of the list in which they were found, by reading pynetdicom 3.0.4 and running it:
1 to 14 hostile or unlucky peers, 15 to 30 conformance, the rest architecture that shows on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.weaknesses import hostile, provider, requestor, waiting
from tests.weaknesses.products import Target

Probe = Callable[[Target], None]


class Weakness(NamedTuple):
    """One row: what is weak, in a few words, and how to find out."""

    row: int
    text: str
    probes: tuple[Probe, ...]
    optimized: bool = False
    """Whether it is to be looked for under `python -O`."""


def _row(row: int, text: str, *probes: Probe, optimized: bool = False) -> Weakness:
    return Weakness(row, text, probes, optimized)


WEAKNESSES = (
    _row(
        1,
        "one byte and silence hold a place for ever",
        hostile.one_byte_and_silence,
        hostile.silence_within_a_pdu,
    ),
    _row(2, "a PDU of any declared length is swallowed", hostile.declared_length),
    _row(3, "a silent TLS client stops the listener", hostile.silent_tls),
    _row(4, "stray C-CANCEL requests end the service", hostile.stray_cancels),
    _row(5, "a context without transfer syntax ends the negotiation", hostile.no_transfer_syntax),
    _row(6, "faulty messages drop the connection without A-ABORT", hostile.faulty_messages),
    _row(
        7,
        "dispatch ignores context and role",
        hostile.services_of_other_contexts,
        hostile.role_given_up,
    ),
    _row(8, "data set fragments are taken on any context", hostile.foreign_fragments),
    _row(9, "memory per message is unbounded", hostile.memory_per_message),
    _row(10, "deflated data sets inflate without limit", hostile.bomb_in_a_query, requestor.bomb_in_a_match),
    _row(
        11,
        "a tiny maximum length amplifies or breaks",
        hostile.tiny_maximum_length,
        requestor.tiny_maximum_of_acceptor,
    ),
    _row(12, "a SOP Instance UID becomes a path", hostile.path_in_uid, hostile.path_in_retrieved_uid),
    _row(13, "truncated items pass under python -O", hostile.truncated_items, optimized=True),
    _row(
        14,
        "temporary files of cut transfers stay",
        hostile.temporary_files,
        hostile.temporary_files_of_retrieval,
    ),
    _row(15, "unknown items abort the association", provider.unknown_items),
    _row(
        16,
        "a release during FIND, GET or MOVE is not answered, and success reported",
        provider.release_during_query,
        provider.release_during_retrieval,
        provider.release_during_move,
    ),
    _row(17, "responses are not matched to requests", requestor.stale_responses, requestor.foreign_response),
    _row(18, "the rest of a P-DATA-TF after a message is lost", provider.several_messages_in_a_pdu),
    _row(19, "odd fragments are sent", provider.odd_maximum_length, requestor.odd_fragments_of_objects),
    _row(20, "user identity 1 and 2 get no positive response", provider.user_identity),
    _row(21, "the application context name is not checked", provider.application_context),
    _row(22, "relevant patient: success carries an identifier", provider.relevant_patient),
    _row(23, "ready-made storage classes that cannot be stored", provider.ready_made_storage_contexts),
    _row(
        24,
        "incomplete requests stay unanswered, or are answered on another context",
        provider.incomplete_requests,
        requestor.store_on_no_context,
    ),
    _row(25, "the last PDU may be lost to a reset", provider.closing),
    _row(
        26,
        "one Message ID for all, and no window",
        requestor.message_ids,
        requestor.operations_window,
        provider.message_id_in_use,
    ),
    _row(27, "N-EVENT-REPORT is served beside the call under way", requestor.event_report_meanwhile),
    _row(28, "an undecodable identifier yields its response twice", requestor.undecodable_identifier),
    _row(
        29,
        "what is no data set is not counted",
        provider.suboperation_counters,
        provider.suboperation_counters_of_move,
    ),
    _row(
        30,
        "the response timeout runs while the request is sent, and abort hangs",
        waiting.slow_transfer,
        waiting.deaf_peer,
    ),
    _row(33, "sending starves receiving", waiting.abort_while_sending, waiting.both_send),
    _row(
        34,
        "an abandoned iterator pauses the association",
        requestor.release_after_leaving,
        requestor.calls_after_leaving,
    ),
    _row(
        35, "several threads mix up one association", waiting.second_thread, waiting.handlers_bound_meanwhile
    ),
    _row(
        42,
        "names and connections are waited for without end",
        waiting.default_connect_timeout,
        waiting.host_that_does_not_accept,
        waiting.name_that_is_not_resolved,
    ),
)
