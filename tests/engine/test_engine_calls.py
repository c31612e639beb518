"""How many Python calls a message costs within the engine, on either side."""

from __future__ import annotations

import pytest

from tests.benchmarks.engine import calls, tasks

MOST = {
    "C-ECHO, SCP": 44,
    "C-ECHO, SCU": 45,
    "C-STORE 40 KB, SCP": 53,
    "C-STORE 40 KB, SCU": 53,
    "C-STORE 525 KB, SCP": 173,
    "C-STORE 525 KB, SCU": 61,
}
TASKS = {name: (role, take) for name, role, _, take in tasks()}


@pytest.mark.parametrize("name", MOST)
def test_a_message_takes_few_calls_of_the_engine(name: str) -> None:
    """From the call that sends it to its response, or from its first bytes to the answer."""
    by_function = calls(*TASKS[name])
    assert sum(by_function.values()) <= MOST[name], by_function
