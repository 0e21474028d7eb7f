"""How a run went: when how many accounts had come how far."""

from hypothesis import given
from hypothesis import strategies as st

from panic.broker.outcomes import Standing
from panic.service.room.course import POINTS_MOST, Course, course_of, curve
from tests.kit.builders import MIDNIGHT, an_answer, no_answer, wall
from tests.report.test_report import a_worked_case


def test_when_an_account_came_how_far_is_since_the_press():
    """The first DELETE counts, the first that was answered well, and the first read that showed it clear."""
    answers = no_answer(began=3.0, ended=8.0), an_answer(began=9.0, ended=9.5), an_answer(began=20.0, ended=20.5)
    case = a_worked_case(1, *answers, standing=Standing.CLEAR)
    first = case.first_clear
    assert first is not None
    refused = a_worked_case(2, an_answer(403, began=4.0, ended=4.5))
    again = a_worked_case(3, an_answer(began=4.0, ended=5.0), standing=Standing.CLEAR)
    course = course_of([case, refused, again], {1}, MIDNIGHT, wall)
    cleared = (first - MIDNIGHT).total_seconds()

    assert Course(((3.0, 1), (4.0, 3)), ((5.0, 1), (9.5, 2)), ((cleared, 1),)) == course


@given(st.lists(st.floats(0, 1e4, allow_nan=False), max_size=2000))
def test_a_curve_has_so_many_points_and_ends_with_all(times: list[float]):
    """It never falls."""
    points = curve(sorted(times))

    assert len(points) <= POINTS_MOST
    assert list(points) == sorted(points)
    assert (points[-1][1] if points else 0) == len(times)
