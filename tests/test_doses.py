"""The dose ladder on the tiny base."""

import pytest
from conftest import BIG_DOSE, ORLO

from sleepcon.doses import LADDER, ladder
from sleepcon.errors import UserError


def test_a_ladder_goes_from_the_base_to_more_than_was_trained(brain, open_gates):
    one = brain()
    one.remember(ORLO)
    cycle = one.sleep(**BIG_DOSE)
    found = ladder(one, ORLO.prompt)
    assert found["doses"] == list(LADDER) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]
    assert found["replies"] == [one.ask(ORLO.prompt, dose=dose).text for dose in LADDER]
    assert found["replies"][0] == one.ask(ORLO.prompt, cycle=0).text != found["replies"][4]
    assert (found["cycle"], found["adapter_sha256"]) == (1, cycle.adapter_sha256)


def test_a_ladder_stops_when_asked_and_refuses_an_empty_question(brain):
    asked = []

    def halt() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ladder(brain(), "Hello!", halt_if_asked=halt)
    assert len(asked) == 3
    with pytest.raises(UserError, match="empty"):
        ladder(brain(), "  ")
