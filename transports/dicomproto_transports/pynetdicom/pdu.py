"""pynetdicom's PDUs are not imitated; importing this module raises ImportError."""

from __future__ import annotations

from ._internals import not_imitated

raise not_imitated(__name__, "the PDUs of `dicomproto`, such as `dicomproto.AssociateRQ`")
