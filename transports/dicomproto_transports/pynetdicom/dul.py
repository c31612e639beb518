"""pynetdicom's upper layer provider are not imitated; importing this module raises ImportError."""

from __future__ import annotations

from ._internals import not_imitated

raise not_imitated(__name__, "`dicomproto.UpperLayer`, or EVT_PDU_RECV and EVT_PDU_SENT")
