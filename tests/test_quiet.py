"""pydicom says nothing of what it reads for us, whoever else warns, in any thread."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest
from pydicom.config import WARN
from pydicom.valuerep import validate_value

from dicomproto.quiet import Quiet


def warn_and_log(text: str) -> None:
    """Have pydicom warn of a value, and log it."""
    validate_value("DA", text, WARN)


def test_only_a_quiet_block_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with Quiet():
                warn_and_log("SECRET")
                with Quiet():
                    warn_and_log("SECRET")
                warn_and_log("SECRET")
            warnings.simplefilter("error")
            with Quiet():
                warn_and_log("SECRET")
            warnings.simplefilter("always")
        warn_and_log("shown")
        kept = [
            entry
            for entry in warnings.filters
            if entry[0] == "ignore" and hasattr(entry[3], "match") and not hasattr(entry[3], "pattern")
        ]
        assert len(kept) <= 1
    assert ["shown" in str(warning.message) for warning in caught] == [True]
    assert ["shown" in record.message for record in caplog.records] == [True]


def test_an_error_ends_the_silence() -> None:
    with pytest.raises(KeyError), Quiet():
        raise KeyError
    with pytest.warns(UserWarning, match="shown"):
        warn_and_log("shown")


def test_other_threads_are_heard() -> None:
    heard = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def other() -> None:
            logging.getLogger("pydicom").addFilter(heard.append)
            warn_and_log("shown")

        with Quiet():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            warn_and_log("SECRET")
    logging.getLogger("pydicom").removeFilter(heard.append)
    assert ["shown" in str(warning.message) for warning in caught] == [True]
    assert len(heard) == 1


def test_what_others_say_in_a_quiet_block_is_heard() -> None:
    """A handler runs in one, and what it starts: its own warnings and those of libraries are the user's."""
    with Quiet(), pytest.warns(DeprecationWarning, match="own"):
        warnings.warn("own", DeprecationWarning, stacklevel=1)
    with Quiet(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with Quiet(), pytest.raises(UserWarning, match="own"):
            warnings.warn("own", stacklevel=1)


def test_other_threads_may_empty_the_list_of_filters_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Emptied(list[object]):
        """Is empty as soon as somebody has asked how long it is."""

        def __len__(self) -> int:
            length = super().__len__()
            self.clear()
            return length

    monkeypatch.setattr(warnings, "filters", Emptied([("default", None, UserWarning, None, 0)]))
    with Quiet():
        pass
