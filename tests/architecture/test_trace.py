"""A reader can follow a call of fit: few files, and few moves between them."""

from tests.architecture.trace_fit import moves, trace


def test_fit_comes_to_the_first_product_without_detours():
    n_moves_before, _, files = trace()
    assert n_moves_before <= 78
    # Of these, the engine and the components that it calls are thirteen, one shares
    # work with the other fits of a search, and one lets Ctrl-C wait.
    assert len(files) <= 30, files


def test_a_move_is_a_call_into_another_file():
    assert moves(["a", "a", "b", "b", "a"]) == ["b", "a"]
