"""The table of hostile input: what a peer may do to harm, what comes of it, and what proves that.

The answer to each is the same in kind: an A-ABORT with the right reason where the state allows one, an error
as data, bounded time and memory, no exception, and a server that goes on.
"""

from __future__ import annotations

from tests.suites import hostile_identifiers as identifiers
from tests.suites import hostile_messages as messages
from tests.suites import hostile_pdus as pdus
from tests.suites.rows import Row

ENGINE, LAYER, WEAK = "tests/engine/test_", "tests/upper_layer/test_", "tests/weaknesses/test_weaknesses.py::"
PROBED, PROBED_IN_ALL = f"{WEAK}test_ours_does_not_have_it", f"{WEAK}test_our_other_servers_do_not_have_it"
WIRE, APPS = "tests/transports/test_", "tests/apps/test_apps_"

HOSTILE = (
    Row(
        "H01",
        "declared-length",
        "declares a PDU of up to 4 GiB",
        "judges the header alone, by the type's own limit; what is held is what came",
        tuple(pdus.declared_lengths()),
        (
            f"{LAYER}pdu_limits.py::test_nothing_is_allocated_for_what_was_only_declared",
            f"{LAYER}pdu_limits.py::test_p_data_length",
            f"{PROBED_IN_ALL}[02-declared_length-trio]",
        ),
    ),
    Row(
        "H02",
        "other-protocol",
        "speaks HTTP, TLS, SSH or another protocol, or sends a PDU of an unknown type",
        "looks at the type before the length, and names the protocol",
        tuple(pdus.other_protocols()),
        (f"{LAYER}endings.py::test_another_protocol", f"{WIRE}scenarios.py::test_requestor_is_no_dicom"),
    ),
    Row(
        "H03",
        "item-longer-than-its-parent",
        "sends an item or sub-item that is longer than the rest of its parent",
        "ends the association, and names the item",
        tuple(pdus.items_longer_than_their_parents()),
        (
            f"{LAYER}pdu_tolerance.py::test_malformed_item",
            f"{LAYER}pdu_tolerance.py::test_no_lying_length_reads_outside_its_parent",
        ),
    ),
    Row(
        "H04",
        "role-selection-uid-length-beyond-item",
        "counts the UID of a role selection beyond the item, or leaves no room for the roles",
        "ends the association",
        tuple(pdus.role_selections()),
    ),
    Row(
        "H05",
        "maximum-length-of-another-size",
        "sends a maximum length of other than 4 bytes",
        "ends the association",
        tuple(pdus.maximum_lengths()),
    ),
    Row(
        "H06",
        "extended-negotiation-inner-length",
        "counts a UID or a list of extended negotiation beyond the item",
        "ends the association; with true lengths it answers as if the item were not there",
        tuple(pdus.extended_negotiations()),
    ),
    Row(
        "H07",
        "user-identity-field-length",
        "counts a field of a user identity beyond the item, or sends 64 KB of token or an unknown type",
        "ends the association for the false length; the rest reaches the policy as it came",
        tuple(pdus.user_identities()),
        (f"{LAYER}pdu_tolerance.py::test_every_user_identity_type_is_kept",),
    ),
    Row(
        "H08",
        "unknown-item-length",
        "sends an item of an unknown type, longer than the rest of its parent or within it",
        "ends the association for the first; passes over the second and keeps it raw",
        tuple(pdus.unknown_items()),
        (f"{PROBED}[15-unknown_items]",),
    ),
    Row(
        "H09",
        "many-tiny-items",
        "packs a proposal with thousands of items of a few bytes",
        "stops at the limit of each kind; a proposal takes a small multiple of its size",
        tuple(pdus.amplification()),
        (
            f"{LAYER}pdu_limits.py::test_counts",
            f"{LAYER}pdu_limits.py::test_a_large_proposal_takes_a_small_multiple_of_its_size",
        ),
    ),
    Row(
        "H10",
        "pdv-length",
        "sends a PDV that is shorter than its header or longer than the PDU",
        "ends the association; the PDVs before it stay delivered",
        tuple(pdus.pdv_lengths()),
        (f"{LAYER}pdu_tolerance.py::test_malformed_p_data",),
    ),
    Row(
        "H11",
        "p-data-without-pdv",
        "sends a P-DATA-TF without a PDV",
        "ends the association",
        tuple(pdus.no_pdv()),
    ),
    Row(
        "H12",
        "endless-fragments",
        "never sends the last fragment of a command set or data set, or sends empty or tiny ones",
        "bounds the command set and the number of such fragments; a data set is passed on and not held",
        tuple(pdus.endless_fragments()),
        (
            f"{ENGINE}message_fragments.py::test_a_message_whose_fragments_stay_tiny_is_refused",
            f"{ENGINE}message_memory.py::test_a_stream_of_64_mib",
            f"{ENGINE}message_timers.py::test_a_message_that_drips_is_given_up_after_300_seconds",
            f"{WIRE}scenarios.py::test_too_large_to_collect",
            f"{PROBED_IN_ALL}[09-memory_per_message-trio]",
        ),
    ),
    Row(
        "H13",
        "pdu-out-of-sequence",
        "sends a PDU that does not belong there",
        "does what Table 9-10 of PS3.8 says of each PDU in each state",
        tuple(pdus.out_of_sequence()),
        (
            f"{LAYER}state_table.py::test_cell",
            f"{LAYER}state_table.py::test_filled_cell",
            f"{LAYER}state_table.py::test_blank_cell",
        ),
    ),
    Row(
        "H14",
        "end-within-a-message",
        "releases, aborts or closes between two fragments of a message",
        "answers the release, and reports the message as incomplete",
        tuple(pdus.cut_messages()),
        (
            f"{ENGINE}message_faults.py::test_a_message_cut_short_at_each_fragment",
            f"{ENGINE}message_faults.py::test_a_message_cut_short_at_each_byte",
            f"{WIRE}association_faults.py::test_cut_on_the_way_to_the_acceptor",
        ),
    ),
    Row(
        "H15",
        "fragments-on-wrong-contexts",
        "sends command and data set on different contexts, on none that was accepted, or in the wrong order",
        "ends the association",
        tuple(messages.wrong_contexts()),
        (
            f"{ENGINE}message_faults.py::test_any_fragment_on_any_context_gives_events_and_no_exception",
            f"{PROBED_IN_ALL}[08-foreign_fragments-trio]",
        ),
    ),
    Row(
        "H16",
        "command-set-garbage",
        "sends a command set without the vital elements, with lengths that lie, or of no known command",
        "ends the association; what can be understood is taken with a warning",
        tuple(messages.command_garbage()),
        (
            "tests/dimse/test_dimse_codec.py::test_every_cut_is_a_command_with_warnings_or_refused",
            f"{PROBED_IN_ALL}[06-faulty_messages-trio]",
        ),
    ),
    Row(
        "H17",
        "data-set-flag-lies",
        "announces a data set that does not come, or sends one that it did not announce",
        "ends the association for a request; a response is taken with a warning",
        tuple(messages.lying_flags()),
        (f"{WIRE}notifications.py::test_a_response_without_the_data_set_that_it_announced",),
    ),
    Row(
        "H18",
        "garbage-after-the-end",
        "sends on after an A-ABORT, and does not close",
        "discards without parsing, for two seconds at most, and closes",
        tuple(messages.after_the_end()),
        (
            f"{LAYER}pdu_limits.py::test_what_comes_after_the_end_is_not_kept",
            f"{WIRE}association_time.py::test_a_peer_that_does_not_close",
        ),
    ),
    Row(
        "H19",
        "peer-stops-reading",
        "does not take what it is sent",
        "gives up after `Timeouts.write` and resets, without waiting for the A-ABORT to leave",
        tests=(
            f"{WIRE}scenarios.py::test_peer_takes_nothing",
            f"{WIRE}association_time.py::test_a_peer_that_sends_but_never_takes_anything",
            f"{PROBED}[30-deaf_peer]",
        ),
    ),
    Row(
        "H20",
        "silent-connections",
        "connects and says nothing, or stalls within the TLS handshake",
        "serves others meanwhile; drops the oldest silent connection first, and each in time",
        tests=(
            f"{WIRE}server_loop.py::test_a_real_peer_is_served_among_200_silent_ones",
            f"{PROBED_IN_ALL}[01-one_byte_and_silence-trio]",
            f"{PROBED_IN_ALL}[03-silent_tls-trio]",
        ),
    ),
    Row(
        "H21",
        "repeated-negotiation",
        "connects and leaves, or is rejected, over and over",
        "keeps nothing of an association that has ended",
        tests=(
            f"{LAYER}associate_cache.py::test_a_peer_that_never_repeats_itself_makes_nothing_grow",
            f"{WIRE}message_calls.py::test_an_association_leaves_nothing_to_the_garbage_collector",
            f"{WIRE}server_facades.py::test_connections_that_are_rejected_do_not_pile_up",
        ),
    ),
    Row(
        "H22",
        "broken-connection",
        "breaks its connection in any way",
        "ends that association alone",
        tests=(
            f"{WIRE}server_loop.py::test_broken_connections_do_not_end_the_server",
            f"{WIRE}association_edges.py::test_what_fails_within_stays_within",
        ),
    ),
    Row(
        "H23",
        "text-of-any-bytes",
        "puts control characters and bytes above 127 into titles, UIDs and names",
        "keeps them as they came; logs and texts of errors show them escaped",
        tuple(messages.text_of_any_bytes()),
        (
            f"{LAYER}pdu_tolerance.py::test_any_bytes_are_kept_in_text_fields",
            f"{LAYER}pdu_tolerance.py::test_no_text_of_a_peer_reaches_a_log_raw",
            f"{WIRE}logs.py::test_text_of_a_peer_makes_no_line_of_its_own",
        ),
    ),
    Row(
        "H24",
        "reserved-values",
        "sends values that the standard reserves as result, source or reason",
        "keeps the number",
        tuple(messages.reserved_values()),
        (f"{LAYER}pdu_tolerance.py::test_any_result_source_and_reason_is_kept",),
    ),
    Row(
        "H25",
        "path-in-a-name",
        "sends a UID or a title that would be a path",
        "names files by UIDs of digits and dots alone, and by a hash of anything else",
        tests=(
            f"{APPS}naming.py::test_no_uid_leaves_the_directory",
            f"{APPS}store.py::test_a_hostile_uid_stays_in_the_directory",
            f"{APPS}storescp.py::test_a_peer_does_not_choose_paths",
            f"{PROBED}[12-path_in_uid]",
            f"{PROBED}[12-path_in_retrieved_uid]",
        ),
    ),
    Row(
        "H26",
        "text-in-a-shell-command",
        "sends text that a shell would run",
        "starts no program",
        tests=("tests/test_layers.py::test_no_module_starts_a_program",),
        cannot="No option of a tool and no function runs a command, so text of a peer gets into none.",
    ),
    Row(
        "H27",
        "deflate-bomb",
        "sends a data set of some kilobytes that inflates to gigabytes",
        "inflates up to a bound; objects are stored as they came",
        tests=(
            "tests/test_datasets.py::test_deflate_bomb_is_refused",
            f"{WIRE}server_holding.py::test_what_is_inflated_is_held_too",
            f"{PROBED_IN_ALL}[10-bomb_in_a_query-trio]",
        ),
    ),
    Row(
        "H28",
        "deep-nesting",
        "nests sequences without end",
        "stops at `IDENTIFIER_BOUNDS`, and where a data set is decoded at a depth that Python bears",
        tuple(identifiers.deep()),
        (
            "tests/test_datasets.py::test_deepest_nesting",
            "tests/test_encoded.py::test_what_is_too_much_is_told_from_what_is_not_whole",
            f"{WIRE}received_data_sets.py::test_a_data_set_that_is_too_much_reaches_no_handler",
        ),
    ),
    Row(
        "H29",
        "element-beyond-the-data-set",
        "sends an element that is longer than the rest of its data set",
        "refuses what certainly ends early, with a status, before a handler sees it",
        tuple(identifiers.beyond()),
        (
            "tests/test_encoded.py::test_what_certainly_ends_early_is_refused",
            f"{WIRE}received_data_sets.py::test_a_data_set_that_is_not_whole_reaches_no_handler",
            f"{APPS}storescp.py::test_what_is_cut_short_is_refused",
        ),
    ),
    Row(
        "H30",
        "counters",
        "makes a counter run over: bytes of an association, sub-operations of a retrieval",
        "counts without bound, and sends 65535 where a field has no more room",
        tests=(
            f"{LAYER}pdu_limits.py::test_an_unlimited_p_data_passes_through",
            "tests/dimse/test_dimse_codec.py::test_sub_operation_counters_are_clamped",
            f"{WIRE}retrieve.py::test_more_sub_operations_than_a_counter_can_say",
        ),
    ),
    Row(
        "H31",
        "pipelining-and-cancels",
        "sends requests without waiting for responses, or cancels of operations that are not",
        "holds `Limits.outstanding_requests` at most; ignores the cancels",
        tuple(messages.pipelines()),
        (
            f"{WIRE}scenarios.py::test_requests_pile_up",
            f"{WIRE}operations_together.py::test_requests_without_end_whose_answers_nobody_takes",
            f"{WIRE}operations_together.py::test_responses_that_nobody_takes_have_a_bound",
            f"{PROBED_IN_ALL}[04-stray_cancels-trio]",
        ),
        served=False,
    ),
    Row(
        "H32",
        "cuts-of-tcp",
        "has TCP cut its bytes anywhere",
        "gives the same events and answers; all inputs of this table are given in pieces, too",
        tuple(messages.a_conversation()),
        (
            f"{ENGINE}engine_properties.py::test_known_input_is_the_same_in_pieces_and_ends_once",
            f"{ENGINE}engine_properties.py::test_nothing_depends_on_the_cuts",
            f"{WIRE}association_edges.py::test_however_the_bytes_are_cut",
        ),
    ),
    Row(
        "H33",
        "move-to-anywhere",
        "has a C-MOVE sent to a destination of its own choice",
        "connects to destinations that the program names, and to no other; an AE title proves nothing",
        tests=(
            f"{WIRE}retrieve.py::test_destinations_that_are_none",
            f"{WIRE}peers_table.py::test_peers_are_move_destinations_by_their_titles",
            f"{WIRE}server_admission.py::test_calling_ae_titles",
        ),
    ),
    Row(
        "H34",
        "executable-preamble",
        "sends an object whose file would also be a program",
        "writes a preamble of zeros of its own; none comes over the network",
        tests=(
            f"{WIRE}part10.py::test_file_meta_golden_bytes",
            f"{APPS}storescp.py::test_an_object_is_written_byte_for_byte",
        ),
    ),
    Row(
        "H35",
        "crafted-query",
        "sends an identifier made to crash who matches it",
        "matches within bounds, or answers with a status",
        tuple(identifiers.crafted()),
        (
            "tests/test_matching_properties.py::test_any_bytes",
            "tests/test_matching_properties.py::test_any_query_and_any_entity",
            "tests/test_matching_bounds.py::test_no_entity_takes_long",
            f"{WIRE}received_data_sets.py::test_the_size_of_identifiers_is_a_limit",
        ),
    ),
)
