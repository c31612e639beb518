"""The requestor and the acceptor of an association, as `ServiceUser`s."""

from __future__ import annotations

from dicomproto.upper_layer.pdu import AssociateAC, AssociateRQ, normalize_ae_title

from ..events.service_user import ServiceUser
from ..streams.addresses import Address, host_and_port


def requestor_of(rq: AssociateRQ | None, address: Address) -> ServiceUser:
    """Return the requestor, as far as it is known."""
    title = "" if rq is None else normalize_ae_title(rq.calling_ae_title)
    host, port = host_and_port(address)
    return ServiceUser(ae_title=title, address=host, port=port, primitive=rq)


def acceptor_of(rq: AssociateRQ | None, ac: AssociateAC | None, address: Address) -> ServiceUser:
    """Return the acceptor; its AE title is the called one, since that of the answer is not significant."""
    title = "" if rq is None else normalize_ae_title(rq.called_ae_title)
    host, port = host_and_port(address)
    return ServiceUser(ae_title=title, address=host, port=port, primitive=ac)
