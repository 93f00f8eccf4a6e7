"""The contracts hold for random cases of all parameters, data and calls."""

from contextlib import nullcontext

import pytest

from tests.integration.random_cases import ORACLES, run_cases
from tests.integration.random_draws import draw_case, parameters_of, values_of
from tests.integration.random_limits import small_limits
from tests.integration.random_values import CLASSES, INVALID

N_PER_TEST = 20


@pytest.mark.longest
@pytest.mark.parametrize(
    ("limits", "first"),
    [(nullcontext, seed) for seed in range(0, 200, N_PER_TEST)]
    + [(small_limits, seed) for seed in range(200, 300, N_PER_TEST)],
)
def test_no_case_is_broken(limits, first):
    texts = []
    with limits():
        counts, broken = run_cases(range(first, first + N_PER_TEST), texts.append)
    assert not broken, "\n".join(texts)
    # Most cases are fitted, so that the other oracles are asked.
    assert counts["fits_or_explains"] == N_PER_TEST
    assert counts["predicts_what_it_promises"] >= N_PER_TEST / 2
    assert counts.keys() == {oracle.__name__ for oracle in ORACLES}


@pytest.mark.parametrize("estimator", CLASSES)
def test_every_parameter_is_drawn(estimator):
    for name in parameters_of(estimator):
        assert len(values_of(estimator, name)) > 0, f"add {name} to VALUES"
        assert len(INVALID[name]) > 0, f"add {name} to INVALID"


def test_a_case_is_drawn_from_its_seed_alone():
    assert repr(draw_case(5)) == repr(draw_case(5)) != repr(draw_case(6))
