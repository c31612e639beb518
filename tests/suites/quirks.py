"""The table of quirks: what real peers do against the standard, what comes of it, and what proves that.

What does no harm is taken, with a warning as data; what is sent is conformant. The tests that a row names
prove what is sent, and what is not bytes.
"""

from __future__ import annotations

from tests.suites import odd_messages as messages
from tests.suites import odd_pdus as pdus
from tests.suites.rows import Row

ENGINE, LAYER, WEAK = "tests/engine/test_", "tests/upper_layer/test_", "tests/weaknesses/test_weaknesses.py::"
PROBED, PROBED_IN_ALL = f"{WEAK}test_ours_does_not_have_it", f"{WEAK}test_our_other_servers_do_not_have_it"
WIRE, APPS = "tests/transports/test_", "tests/apps/test_apps_"
CODEC, PLANNER = "tests/dimse/test_dimse_codec.py", "tests/test_planner.py"
NEGOTIATION, DESTINATION = "tests/test_negotiation.py", f"{WIRE}retrieve_destination.py"

QUIRKS = (
    Row(
        "Q01",
        "blank-title",
        "calls under a title of spaces",
        "delivers an empty title, which the caller may reject; sends 1 to 16 characters, or raises",
        tuple(pdus.blank_titles()),
        (
            f"{LAYER}sending.py::test_a_proposal_that_is_not_conformant_is_refused",
            f"{WIRE}association_ae.py::test_a_title_that_is_none",
        ),
    ),
    Row(
        "Q02",
        "raw-title",
        "pads its title with NULs, or has bytes above 127 in it",
        "keeps the 16 bytes, and reads the text without padding; sends spaces",
        tuple(pdus.raw_titles()),
        (
            f"{LAYER}pdu_tolerance.py::test_titles_are_kept_and_normalized_apart",
            f"{LAYER}pdu_tolerance.py::test_any_bytes_are_kept_in_ae_titles",
            f"{CODEC}::test_golden_bytes",
        ),
    ),
    Row(
        "Q03",
        "titles-of-an-answer",
        "has anything in the fields of its answer where the titles are to be",
        "does not look at them; copies those of the proposal back unchanged",
        tuple(pdus.titles_of_answers()),
        (f"{NEGOTIATION}::test_titles_are_copied_back_and_we_identify_ourselves",),
    ),
    Row(
        "Q04",
        "rejected-context-without-syntax",
        "leaves the transfer syntax of a rejected context out, or empty",
        "ignores it; answers every context, with one transfer syntax each",
        tuple(pdus.rejected_contexts()),
        (
            f"{NEGOTIATION}::test_every_context_is_answered_in_the_proposed_order",
            f"{NEGOTIATION}::test_answer_is_sound",
        ),
    ),
    Row(
        "Q05",
        "padded-uid",
        "pads UIDs with NULs or spaces",
        "compares them without padding, and keeps them; pads none in PDUs, and to even length in commands",
        tuple(pdus.padded_uids()),
        (
            f"{LAYER}sending.py::test_a_padded_transfer_syntax_may_be_answered_without_its_padding",
            f"{CODEC}::test_golden_bytes",
            "tests/dimse/test_dimse_commands.py::test_uids_without_their_padding",
        ),
    ),
    Row(
        "Q06",
        "wrong-uid",
        "sends UIDs with leading zeros, letters or too many characters",
        "keeps them with a warning; sends none of its own",
        tuple(pdus.wrong_uids()),
        (f"{LAYER}sending.py::test_a_proposal_that_is_not_conformant_is_refused",),
    ),
    Row(
        "Q07",
        "instance-uid-comes-back",
        "wants its SOP Instance UID back byte for byte, with its padding",
        "echoes SOP Class and Instance UID as they came",
        tuple(messages.padded_instances()),
        (f"{CODEC}::test_uids_go_back_as_they_came", f"{CODEC}::test_a_uid_goes_back_as_it_came"),
    ),
    Row(
        "Q08",
        "no-implementation",
        "names no implementation, or one of a wrong length",
        "tells None, and nothing of its own in its place; names both of its own always",
        tuple(pdus.implementations()),
        (
            f"{NEGOTIATION}::test_titles_are_copied_back_and_we_identify_ourselves",
            f"{PLANNER}::test_request_identifies_us_and_carries_no_window_unless_asked",
        ),
    ),
    Row(
        "Q09",
        "surplus-items",
        "sends items that are unknown or that nobody asked for",
        "keeps them raw; answers extended negotiation only if the program does",
        tuple(pdus.surplus_items()),
        (
            f"{NEGOTIATION}::test_extended_negotiation_is_answered_for_proposed_classes_only",
            f"{PROBED}[15-unknown_items]",
        ),
    ),
    Row(
        "Q10",
        "roles-left-out",
        "proposes no role, or answers none",
        "takes the role that the service gives; a proposed role without answer counts as granted",
        tuple(messages.roles_not_answered()),
        (
            f"{NEGOTIATION}::test_roles_are_answered_once_for_each_proposed_class",
            f"{NEGOTIATION}::test_roles_read_from_an_answer",
            f"{ENGINE}message_faults.py::test_roles",
        ),
    ),
    Row(
        "Q11",
        "context-ids",
        "uses even, repeated or unordered context ids, or accepts what was not proposed",
        "takes the first of each id, and ignores answers to nothing; sends odd ids in order",
        tuple(pdus.odd_context_ids()),
        (
            f"{PLANNER}::test_contexts_get_odd_ascending_ids_and_lose_repetitions",
            f"{LAYER}oddities.py::test_of_several_contexts_with_one_id_the_first_is_answered",
        ),
    ),
    Row(
        "Q12",
        "first-syntax-accepted",
        "accepts the first transfer syntax whatever it is, or one that was not proposed",
        "uses what was accepted, if it was proposed; proposes the preferred one first",
        tuple(pdus.chosen_syntaxes()),
        (
            f"{NEGOTIATION}::test_proposers_order_of_transfer_syntaxes",
            f"{ENGINE}message_faults.py::test_a_context_accepted_with_a_syntax_that_was_not_proposed",
        ),
    ),
    Row(
        "Q13",
        "no-default-syntax",
        "does not offer Implicit VR Little Endian",
        "accepts what it supports of the rest; proposes the default unless told otherwise",
        tuple(pdus.without_the_default()),
        (
            f"{APPS}options.py::test_a_requestor_may_insist_on_a_transfer_syntax",
            f"{APPS}plan.py::test_one_syntax_alone_may_be_proposed",
            f"{PLANNER}::test_each_pair_has_a_context_and_native_ones_a_fallback",
        ),
    ),
    Row(
        "Q14",
        "several-values-in-a-pdu",
        "packs command, data set and further messages into one PDU, or cannot take that",
        "takes any mix; sends one PDV in each PDU",
        tuple(messages.in_one_pdu()),
        (
            f"{ENGINE}messages.py::test_one_command_and_one_pdv_in_each_pdu",
            f"{PROBED}[18-several_messages_in_a_pdu]",
        ),
    ),
    Row(
        "Q15",
        "data-set-type",
        "has other values than 0101H and 0001H in Command Data Set Type, or values that lie",
        "takes 0101H for none and all others for one; takes what comes in a response; sends the two values",
        tuple(messages.data_set_types()),
        (
            f"{ENGINE}messages.py::test_anything_but_0101_says_that_a_data_set_follows",
            f"{CODEC}::test_what_the_standard_does_not_allow_is_not_sent",
        ),
    ),
    Row(
        "Q16",
        "elements-left-out",
        "leaves out elements of a response, or doubles their values",
        "needs Command Field, Message ID and Status; sends Priority and the SOP class always",
        tuple(messages.responses_with_gaps()),
        (
            f"{CODEC}::test_what_is_tolerated",
            "tests/dimse/test_dimse_commands.py::test_a_response_echoes_its_request",
        ),
    ),
    Row(
        "Q17",
        "group-length-and-order",
        "sends a wrong group length, unknown elements, or elements in disorder",
        "ignores the first, keeps the second, sorts the third; sends exact and sorted sets",
        tuple(messages.odd_command_sets()),
        (
            f"{CODEC}::test_what_is_behind_group_0000_is_kept_raw",
            f"{CODEC}::test_golden_bytes",
        ),
    ),
    Row(
        "Q18",
        "move-originator",
        "names a move originator that is no title, or a wrong Message ID",
        "passes them on as they are; sends title and Message ID of the C-MOVE",
        tuple(messages.odd_originators()),
        (
            f"{DESTINATION}::test_the_originator_is_told_as_far_as_it_can_be",
            f"{DESTINATION}::test_the_originator_is_who_asked_for_the_move",
        ),
    ),
    Row(
        "Q19",
        "maximum-length",
        "announces 0, an odd number or a tiny one, or sends more than was announced",
        "reads 0 as no limit, and below 128 as a fault; takes four times its own limit, with a warning",
        (*pdus.odd_maximum_lengths(), *messages.long_pdus()),
        (
            f"{LAYER}sending.py::test_peer_maximum_length",
            f"{LAYER}pdu_limits.py::test_p_data_length",
            f"{PROBED}[11-tiny_maximum_length]",
            f"{PROBED}[11-tiny_maximum_of_acceptor]",
        ),
    ),
    Row(
        "Q20",
        "odd-fragments",
        "sends fragments of odd length",
        "takes them with a warning; sends even ones, and pads or refuses an odd data set",
        tuple(messages.odd_fragments()),
        (
            f"{ENGINE}messages.py::test_chunks_of_any_size_leave_as_even_fragments",
            f"{ENGINE}messages.py::test_an_odd_data_set_is_refused_or_padded",
            f"{PROBED}[19-odd_maximum_length]",
        ),
    ),
    Row(
        "Q21",
        "empty-fragments",
        "sends fragments without data, or a data set without any",
        "takes 64 of them in a message; sends the last bit with the last data",
        tuple(messages.empty_fragments()),
        (
            f"{ENGINE}message_faults.py::test_empty_fragments",
            f"{ENGINE}message_rulings.py::test_after_an_early_failure_the_last_fragment_has_data",
            f"{APPS}store.py::test_an_empty_data_set_is_stored_too",
        ),
    ),
    Row(
        "Q22",
        "close-without-release",
        "closes or resets the connection without a release, or right behind its request",
        "takes it for the end, and for no failure of what was answered",
        tests=(
            f"{LAYER}endings.py::test_end_of_file",
            f"{WIRE}association_time.py::test_a_peer_that_does_not_answer_the_release_but_ends",
            f"{WIRE}fixed_port.py::test_a_peer_that_resets_is_no_error",
            f"{WIRE}operation_cut.py::test_an_operation_that_was_answered_was_not_cut",
        ),
    ),
    Row(
        "Q23",
        "waits-for-the-close",
        "waits for the acceptor to close after the release",
        "closes as soon as the answer has left",
        tuple(pdus.releases()),
        (f"{PROBED}[25-closing]", f"{LAYER}endings.py::test_release_by_either_side"),
    ),
    Row(
        "Q24",
        "abort-for-release",
        "aborts in place of a release or of a failure status",
        "ends the association; what was answered stays answered",
        tuple(pdus.aborts_for_releases()),
        (
            f"{WIRE}operation_cut.py::test_an_operation_that_was_answered_was_not_cut",
            "tests/interop/test_interop_faults.py::test_dcmtk_aborts_instead_of_releasing",
        ),
    ),
    Row(
        "Q25",
        "messages-after-our-release",
        "sends messages that cross our release",
        "refuses the requests, and waits on for the answer",
        tuple(pdus.after_our_release()),
        (
            f"{ENGINE}message_faults.py::test_a_request_that_crosses_our_release_cannot_be_answered",
            f"{WIRE}association_time.py::test_requests_that_cross_our_release_are_not_served",
        ),
    ),
    Row(
        "Q26",
        "release-within-an-operation",
        "releases before the final response, or waits with it for other associations",
        "ends the operation and answers; sends its own final response after the release of the destination",
        tuple(messages.releases_within_operations()),
        (
            f"{PROBED}[16-release_during_move]",
            f"{DESTINATION}::test_the_last_response_comes_after_the_release_of_the_destination",
        ),
    ),
    Row(
        "Q27",
        "idle-association",
        "keeps an association open, or takes its release for the end of a study",
        "aborts after `Timeouts.idle`, or releases if told to",
        tests=(
            f"{ENGINE}message_timers.py::test_an_idle_acceptor_aborts",
            f"{ENGINE}message_timers.py::test_an_idle_acceptor_releases_by_option",
            f"{WIRE}association_time.py::test_an_idle_acceptor_may_release",
        ),
    ),
    Row(
        "Q28",
        "operations-window",
        "does not bear the item for asynchronous operations, or asks for any number",
        "proposes none unless asked to; agrees to the smaller number",
        tuple(pdus.windows()),
        (
            f"{PLANNER}::test_request_identifies_us_and_carries_no_window_unless_asked",
            f"{NEGOTIATION}::test_operations_window",
            f"{WIRE}handlers_binding.py::test_a_server_agrees_to_the_smaller_window",
        ),
    ),
    Row(
        "Q29",
        "second-association",
        "proposes another association on the same connection",
        "aborts; makes one association on each connection",
        tuple(pdus.second_associations()),
        ("tests/suites/test_servers.py::test_a_connection_has_one_association",),
        served=False,
    ),
    Row(
        "Q30",
        "no-context-accepted",
        "accepts an association and none of its contexts, or aborts behind that",
        "raises `NoAcceptedContext`; accepts such an association itself",
        tuple(pdus.nothing_accepted()),
        (
            f"{NEGOTIATION}::test_association_without_acceptable_context_is_accepted",
            f"{WIRE}scenarios.py::test_nothing_accepted",
        ),
        served=False,
    ),
    Row(
        "Q31",
        "no-room",
        "mixes up source and reason of a rejection for want of room",
        "tells the numbers that came; sends result 2, source 3, reason 2",
        tuple(pdus.rejections()),
        (
            f"{WIRE}scenarios.py::test_server_limit",
            "tests/interop/test_interop_faults.py::test_peers_understand_that_we_are_busy",
        ),
    ),
    Row(
        "Q32",
        "query-habits",
        "has habits of its own with wild cards, group lengths and keys of a level",
        "sends the keys as they are given; matches `*` and empty keys alike",
        tests=(
            "tests/test_matching.py::test_the_key_for_an_empty_value",
            "tests/interop/test_interop_matching.py::test_the_same_is_found_as_by_wlmscpfs",
            f"{APPS}query.py::test_the_model_is_chosen",
        ),
    ),
    Row(
        "Q33",
        "event-report-anywhere",
        "reports events on the same association, the next or a new one, without role selection",
        "takes requests from either side at any time, with a warning where no role was negotiated",
        tuple(messages.event_reports()),
        (
            f"{PROBED}[27-event_report_meanwhile]",
            f"{ENGINE}message_faults.py::test_event_reports_without_role_selection",
            "tests/interop/test_interop_normalized.py::test_commitment_is_reported_on_the_same_association",
        ),
    ),
    Row(
        "Q34",
        "sop-class-of-the-context",
        "sends requests of a SOP class on the context of a meta SOP class or of a sibling",
        "goes by the context, with a warning; the caller may name the context",
        tuple(messages.other_sop_classes()),
        (
            "tests/services/test_dispatch.py::test_requests_for_procedure_steps",
            "tests/interop/test_interop_normalized.py::test_film_is_printed_through_the_meta_sop_class",
            "tests/interop/test_interop_normalized.py::test_a_procedure_step_is_pushed_and_pulled",
        ),
    ),
    Row(
        "Q35",
        "odd-data-sets",
        "sends data sets with group 0002, odd lengths, wrong VRs or disorder",
        "passes the bytes through",
        tuple(messages.opaque_data_sets()),
        (
            "tests/test_encoded.py::test_what_is_whole_passes_with_a_warning_for_what_is_odd",
            f"{APPS}storescp.py::test_what_is_odd_is_taken_byte_for_byte_with_a_warning",
        ),
    ),
    Row(
        "Q36",
        "another-syntax-than-claimed",
        "sends a data set in another encoding than its transfer syntax",
        "stores it as it came, with a warning; warns before it sends such a file",
        tests=(
            "tests/test_encoded.py::test_a_data_set_in_another_vr_or_byte_order_is_recognized",
            f"{APPS}storescu.py::test_what_is_odd_about_a_file_is_a_warning",
            f"{WIRE}association_files.py::test_what_is_odd_is_sent_as_it_is_with_a_warning",
        ),
    ),
    Row(
        "Q37",
        "new-attributes",
        "fails at attributes that it does not know, or at pixel data in other fragments",
        "sends files byte for byte",
        tests=(
            f"{APPS}storescu.py::test_files_arrive_as_they_are",
            f"{APPS}storescu.py::test_what_is_whole_is_sent_byte_for_byte",
            "tests/interop/test_interop_send.py::test_dcmtk_stores_every_data_set_as_it_is",
        ),
    ),
    Row(
        "Q38",
        "delayed-acknowledgements",
        "delays its acknowledgements, or fails at PDUs that come in pieces",
        "sends a message in one system call, with TCP_NODELAY",
        tests=(
            f"{WIRE}message_calls.py::test_a_message_takes_three_system_calls",
            f"{WIRE}server_loop.py::test_accepted_connections_have_the_options_of_ours",
            f"{APPS}speed.py::test_dcmtk_sends_to_us",
        ),
    ),
    Row(
        "Q39",
        "reserved-bytes",
        "has anything in reserved bytes",
        "ignores them; sends zeros",
        tuple(pdus.reserved_bytes()),
        (
            f"{LAYER}golden_bytes.py::test_reserved_bytes_are_ignored",
            f"{LAYER}golden_bytes.py::test_encoding",
        ),
    ),
    Row(
        "Q40",
        "version-and-application-context",
        "has other bits in the protocol version, or another application context name",
        "tests the lowest bit alone; rejects another name (1, 1, 2) unless told to take it",
        tuple(pdus.versions_and_names()),
        (
            f"{LAYER}state_table.py::test_only_the_lowest_bit_of_the_protocol_version_is_tested",
            f"{NEGOTIATION}::test_rejection_by_titles_and_context_name",
            f"{PROBED}[21-application_context]",
        ),
    ),
)
