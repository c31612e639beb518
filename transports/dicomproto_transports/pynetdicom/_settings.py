"""The settings of an application entity with pynetdicom's manners."""

from __future__ import annotations

import logging
import threading
from copy import copy
from typing import TYPE_CHECKING, Self

from pydicom.uid import UID

from ._context_lists import ContextLists
from ._globals import DEFAULT_MAX_LENGTH
from ._internals import PRIVATE_SETTINGS
from ._titles import title_of, titles_of
from ._version import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from .association import Association
from .utils import set_ae, set_uid

LOGGER = logging.getLogger("pynetdicom.ae")


class _Values:
    """The values of the settings of one application entity."""

    def __init__(self) -> None:
        self.ae_title = "PYNETDICOM"
        self.acse_timeout: float | None = 30
        self.connection_timeout: float | None = None
        self.dimse_timeout: float | None = 30
        self.network_timeout: float | None = 60
        self.maximum_associations = 10
        self.maximum_pdu_size = DEFAULT_MAX_LENGTH
        self.class_uid = PYNETDICOM_IMPLEMENTATION_UID
        self.version: str | None = PYNETDICOM_IMPLEMENTATION_VERSION
        self.require_calling_aet: list[str] = []
        self.require_called_aet = False


class Settings(ContextLists):
    """The settings of one application entity; a timeout that is set reaches running associations.

    Values are judged as pynetdicom does: most of those that are not valid are replaced by the default, with a
    word in the log.
    """

    def __init__(self, ae_title: str) -> None:
        super().__init__()
        self._values = _Values()
        self.ae_title = ae_title

    def __copy__(self) -> Self:
        """Return the same settings, which change apart; the lists of contexts are the same."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self), _values=copy(self._values))
        return copied

    if not TYPE_CHECKING:  # with it, a checker would allow any name

        def __setattr__(self, name: str, value: object) -> None:
            """Set an attribute; AttributeError for a private name of a setting."""
            if name in PRIVATE_SETTINGS:
                raise AttributeError(_private(name))
            super().__setattr__(name, value)

        def __getattr__(self, name: str) -> object:
            """Raise AttributeError, which names the public way for a private name."""
            if name in PRIVATE_SETTINGS:
                raise AttributeError(_private(name))
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def active_associations(self) -> list[Association]:
        """The associations whose threads run, requested ones and those of servers."""
        threads = [thread for thread in threading.enumerate() if isinstance(thread, Association)]
        return [assoc for assoc in threads if assoc.ae is self]

    # -- timeouts -----------------------------------------------------------------------------------

    def _timeout(self, name: str, value: float | None, default: float | None, *, zero: bool = True) -> None:
        good = isinstance(value, int | float) and (value >= 0 if zero else value > 0)
        if value is not None and not good:
            LOGGER.warning("%s set to %s", name, "None" if default is None else f"{default:g} s")
            value = default
        setattr(self._values, name, value)
        for assoc in self.active_associations:
            setattr(assoc, name, value)

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the answer to a request of an association or of its release; None for any time."""
        return self._values.acse_timeout

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self._timeout("acse_timeout", value, 30)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for a TCP connection; None for any time."""
        return self._values.connection_timeout

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self._timeout("connection_timeout", value, None, zero=False)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response; None for any time."""
        return self._values.dimse_timeout

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self._timeout("dimse_timeout", value, 30)

    @property
    def network_timeout(self) -> float | None:
        """Seconds without a message after which an association is ended; None for any time."""
        return self._values.network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._timeout("network_timeout", value, 60)

    # -- names and limits ---------------------------------------------------------------------------

    @property
    def ae_title(self) -> str:
        """The AE title. Raises TypeError and ValueError for what is none."""
        return self._values.ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._values.ae_title = title_of("ae_title", value)

    @property
    def implementation_class_uid(self) -> UID:
        """The Implementation Class UID."""
        return self._values.class_uid

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: str | bytes | UID) -> None:
        uid = set_uid(value, "implementation_class_uid", False, False, True)
        if uid is None or not uid.is_valid:
            raise ValueError(f"Invalid 'implementation_class_uid' value '{uid}'")
        self._values.class_uid = uid

    @property
    def implementation_version_name(self) -> str | None:
        """The Implementation Version Name, None to send none."""
        return self._values.version

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        if isinstance(value, str) and not value:
            raise ValueError("Invalid 'implementation_version_name' value - must not be an empty str")
        self._values.version = set_ae(value, "implementation_version_name")

    @property
    def maximum_associations(self) -> int:
        """Most associations that servers accept at once."""
        return self._values.maximum_associations

    @maximum_associations.setter
    def maximum_associations(self, value: int) -> None:
        given: object = value
        if not isinstance(given, int) or given < 1:
            LOGGER.warning("maximum_associations set to 1")
            value = 1
        self._values.maximum_associations = value

    @property
    def maximum_pdu_size(self) -> int:
        """The maximum length of a P-DATA-TF that servers announce; 0 is no limit."""
        return self._values.maximum_pdu_size

    @maximum_pdu_size.setter
    def maximum_pdu_size(self, value: int) -> None:
        if value >= 0:
            self._values.maximum_pdu_size = value
        else:
            LOGGER.warning("maximum_pdu_size set to %d", DEFAULT_MAX_LENGTH)

    @property
    def require_called_aet(self) -> bool:
        """True if servers reject a request for another AE title."""
        return self._values.require_called_aet

    @require_called_aet.setter
    def require_called_aet(self, require_match: bool) -> None:
        self._values.require_called_aet = require_match

    @property
    def require_calling_aet(self) -> list[str]:
        """The AE titles of requestors that servers accept; empty for any."""
        return self._values.require_calling_aet

    @require_calling_aet.setter
    def require_calling_aet(self, ae_titles: list[str]) -> None:
        self._values.require_calling_aet = titles_of("require_calling_aet", ae_titles)


def _private(name: str) -> str:
    return f"{name} is a private name of pynetdicom; use {PRIVATE_SETTINGS[name]}"
