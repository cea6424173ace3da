"""What may be booked of a verdict that was told like this."""

from __future__ import annotations

from contract.messages import Outcome
from contract.telling import TOLD, Telling, Told

RIGHT = {
    (Told.PASS, Outcome.PASS),
    (Told.PASS, Outcome.REVIEW),
    (Told.FAIL, Outcome.FAIL),
    (Told.FAIL, Outcome.REVIEW),
    (Told.NOTHING, Outcome.INVALID),
    (Told.NOTHING, Outcome.LATE),
    (Told.NOTHING, Outcome.UNSCORED),
    (Told.UNTOLD, Outcome.INVALID),
    (Told.UNTOLD, Outcome.LATE),
    (Told.UNTOLD, Outcome.UNSCORED),
}


def test_a_result_by_itself_is_booked_as_it_was_told() -> None:
    for told in set(Told) - {Told.UNKNOWN}:
        for outcome in Outcome:
            contradicts = Telling(name="gate", told=told).contradicts(outcome, judged=outcome)
            assert contradicts is ((told, outcome) not in RIGHT), (told, outcome)


def test_only_a_pass_speaks_of_all_results_of_a_write() -> None:
    for outcome in Outcome:
        for told in (Told.FAIL, Told.NOTHING):
            assert not Telling(name="gate", told=told, num_results=2).contradicts(
                outcome, judged=outcome
            )
        together = Telling(name="gate", told=Told.PASS, num_results=2)
        alone = Telling(name="gate", told=Told.PASS)
        assert together.contradicts(outcome, judged=outcome) is alone.contradicts(
            outcome, judged=outcome
        )


def test_what_may_have_been_told_is_what_was_judged() -> None:
    perhaps = Telling(name="gate", told=Told.UNKNOWN)
    assert not perhaps.contradicts(Outcome.PASS, judged=Outcome.PASS)
    assert perhaps.contradicts(Outcome.UNSCORED, judged=Outcome.PASS)


def test_the_table_names_every_member() -> None:
    assert set(TOLD) == set(Told)
