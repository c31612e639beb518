"""pynetdicom's upper layer provider is not imitated; importing this module raises ImportError."""

from __future__ import annotations

from ._internals import not_imitated

raise not_imitated(__name__)
