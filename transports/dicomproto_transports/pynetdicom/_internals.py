"""The internal parts of pynetdicom, with the public way, and the error that names it."""

from __future__ import annotations

PRIVATE_PARTS = {
    "dul": "EVT_PDU_RECV and EVT_PDU_SENT, or `abort()`",
    "dimse": "EVT_DIMSE_RECV and EVT_DIMSE_SENT, or the `send_*` methods",
    "acse": "`release()`, `abort()` and `is_established`",
    "set_socket": "bind_address= and tls_args= of `AE.associate`",
    "lock": "a lock of your own",
    "run_reactor": "`is_established`: the association serves its peer by itself",
}
"""Parts of an association."""

PRIVATE_SETTINGS = {
    "_ae_title": "ae_title",
    "_requested_contexts": "requested_contexts",
    "_supported_contexts": "supported_contexts",
    "_acse_timeout": "acse_timeout",
    "_connection_timeout": "connection_timeout",
    "_dimse_timeout": "dimse_timeout",
    "_network_timeout": "network_timeout",
    "_maximum_associations": "maximum_associations",
    "_maximum_pdu_size": "maximum_pdu_size",
    "_implementation_uid": "implementation_class_uid",
    "_implementation_version": "implementation_version_name",
    "_require_calling_aet": "require_calling_aet",
    "_require_called_aet": "require_called_aet",
    "_servers": "shutdown()",
}
"""Attributes of an application entity, with the public names."""

INTERNAL_MODULES = {
    "acse": "the association itself: `release()`, `abort()`, `is_established`",
    "dimse": "`dicomproto.Connection`, or EVT_DIMSE_RECV and EVT_DIMSE_SENT",
    "dul": "`dicomproto.UpperLayer`, or EVT_PDU_RECV and EVT_PDU_SENT",
    "fsm": "EVT_FSM_TRANSITION, or `dicomproto.upper_layer` for the table",
    "pdu_items": "the PDUs of `dicomproto`, or the items in `pdu_primitives`",
    "timer": "the timeouts of the AE: `acse_timeout`, `dimse_timeout`, `network_timeout`",
}


def not_imitated(module: str) -> ImportError:
    """Return the error of a module that is not imitated."""
    name = module.rpartition(".")[2]
    text = f"pynetdicom.{name} is an internal part of pynetdicom and has no counterpart"
    return ImportError(f"{text}; use {INTERNAL_MODULES[name]}", name=module)
