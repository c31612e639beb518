"""pydicom says nothing of what it reads for us, whoever else warns, in any thread."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest
from pydicom.misc import warn_and_log

from dicomproto.quiet import Quiet


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
        kept = [entry for entry in warnings.filters if entry[0] == "ignore" and hasattr(entry[1], "match")]
        assert len(kept) <= 1
    assert [str(warning.message) for warning in caught] == ["shown"]
    assert [record.message for record in caplog.records] == ["shown"]


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
    assert [str(warning.message) for warning in caught] == ["shown"]
    assert len(heard) == 1
