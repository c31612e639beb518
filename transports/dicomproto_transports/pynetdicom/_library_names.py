"""Names of pynetdicom's objects that those of the library do not have, with the way in the library."""

from __future__ import annotations

_PDU = "of the PDU in `primitive`"
_REJECTED = "of the AssociationRejected that associate() raises"
_ITEM = "of the item of dicomproto"
_DATA_SETS = {
    "DataSet": "event.dataset, or event.encoded_dataset(include_meta=False) for its bytes",
    "Identifier": "event.identifier, or event.encoded_identifier for its bytes",
    "AttributeList": "event.attribute_list",
    "ModificationList": "event.modification_list",
    "ActionInformation": "event.action_information",
    "ActionReply": "the data set that send_n_action returns",
    "EventInformation": "event.event_information",
    "EventReply": "the data set that send_n_event_report returns",
}

WAYS_OF_ATTRIBUTES = {
    # an association
    "network_timeout_response": "AE.idle_release",
    "serve_requests": "serve()",
    # an application entity
    "make_server": "start_server(..., block=False)",
    # one side of an association
    "accepted_common_extended": "service_class_uid of the accepted context",
    "add_negotiation_item": "ext_neg= of associate()",
    "remove_negotiation_item": "ext_neg= of associate()",
    "reset_negotiation_items": "ext_neg= of associate()",
    "extended_negotiation": "the fields of `primitive`, which is the PDU",
    "user_information": "the fields of `primitive`, which is the PDU",
    "writeable": "ext_neg= of associate()",
    "address_info": "address and port",
    "get_contexts": "accepted_contexts and rejected_contexts of the association",
    # a presentation context
    "as_scu": "requestor_is_scu of the accepted context",
    "as_scp": "requestor_is_scp of the accepted context",
    "as_tuple": "event.context",
    "add_transfer_syntax": "build_context(uid, syntaxes)",
    # an event
    "dataset_path": "EVT_C_STORE_STREAM and event.chunks",
    # an A-ASSOCIATE or A-ABORT primitive
    "result_str": f"the text {_REJECTED}",
    "source_str": f"the text {_REJECTED}",
    "reason_str": f"the text {_REJECTED}",
    "result_source": f"`source` {_REJECTED}",
    "diagnostic": f"`reason` {_REJECTED}",
    "maximum_length_received": f"`maximum_length` {_PDU}",
    "presentation_context_definition_list": f"`presentation_contexts` {_PDU}",
    "presentation_context_definition_results_list": f"`presentation_contexts` {_PDU}",
    "responding_ae_title": f"`called_ae_title` {_PDU}",
    "calling_presentation_address": "assoc.requestor.address and port",
    "called_presentation_address": "assoc.acceptor.address and port",
    "responding_presentation_address": "assoc.acceptor.address and port",
    "presentation_requirements": "nothing: it is always the kernel",
    "session_requirements": "nothing: it is always empty",
    "abort_source": f"`source` {_PDU}",
    "provider_reason": f"`reason` {_PDU}",
    "presentation_data_value_list": "the values of PDataTF",
    # an item of the negotiation
    "user_identity_type": f"`identity_type` {_ITEM}",
    "maximum_number_operations_invoked": f"`maximum_invoked` {_ITEM}",
    "maximum_number_operations_performed": f"`maximum_performed` {_ITEM}",
    "service_class_application_information": f"`application_information` {_ITEM}",
    "related_general_sop_class_identification": f"`related_general_sop_class_uids` {_ITEM}",
    "from_primitive": "nothing: the engine encodes and decodes items",
    # a DIMSE primitive
    **_DATA_SETS,
    "msg_type": "the class of the message, or its `name`",
    "is_valid_request": "nothing: a message is checked when it is made",
    "is_valid_response": "nothing: a message is checked when it is made",
    "REQUEST_KEYWORDS": "keys() of the message",
    "RESPONSE_KEYWORDS": "keys() of the message",
    "STATUS_OPTIONAL_KEYWORDS": "keys() of the response",
}
"""The way for each attribute, on any object."""

_THREAD = "nothing: an association has no thread"
WAYS_OF_ASSOCIATIONS = {
    "kill": "abort(), or nothing behind event.reject()",
    "mode": 'is_requestor or is_acceptor, and remote["mode"]',
    "server": "the server that start_server returned",
    "request": "AE.associate",
    "store": "send_c_store",
} | dict.fromkeys(
    ("daemon", "getName", "ident", "isDaemon", "join", "native_id", "run", "setDaemon", "setName", "start"),
    _THREAD,
)
"""The way for each attribute of an association whose name other objects have as well."""

WAYS_OF_SIDES = {
    "is_acceptor": "that of the association",
    "is_requestor": "that of the association",
    "mode": 'is_requestor of the association, and remote["mode"]',
    "name": "ae_title",
    "supported_contexts": "AE.supported_contexts",
    "assoc": "the association",
}
"""The way for each attribute of `assoc.requestor` and `assoc.acceptor`."""

WAYS_OF_PRIMITIVES = {"mode": "nothing: it is always 'normal'"}
"""The way for each attribute of `primitive`."""

WAYS_OF_OUTCOMES = {
    "scu_role": "requestor_is_scu of the accepted context",
    "scp_role": "requestor_is_scp of the accepted context",
    "status": "`reason` of the rejected context",
}
"""The way for each attribute of a context that was accepted or rejected."""

BYTES_OF_REQUESTS = {
    "DataSet": "encoded_dataset(include_meta=False)",
    "Identifier": "encoded_identifier",
}
"""The members of an event that give the bytes of a data set of its request."""
