"""How a call of fit travels through the files of the package.

A small network is fitted to iris for one epoch, and every call of a function that is
defined in the package is noted, in the order of the calls. A move is a call that lands
in another file than the call before it. Returns are not counted, nor is the entry into
the first file; a generator that goes on counts as a call, and so does a comprehension
before Python 3.12, which made them part of the function around them. The first product
is the first call of ``np.matmul``, which training begins with; the move into the file
that makes it counts as one before it. The first of two fits is not measured, so imports
and caches that are filled only once do not count.

Run as a script, it prints the files in the order of the first visit, each with its
calls and with the moves that led to it.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.datasets import load_iris

import sklearn_deepnet
from sklearn_deepnet import DeepNetClassifier

PACKAGE = Path(sklearn_deepnet.__file__).parent


def trace() -> tuple[int, int, list[str]]:
    """Return the moves before the first product, all moves, and the files.

    The files are relative to the package, in the order of the first visit.
    """
    calls, n_before = trace_calls()
    return len(moves(calls[:n_before])), len(moves(calls)), list(dict.fromkeys(calls))


def trace_calls() -> tuple[list[str], int]:
    """Return the file of each call, and how many calls came before the first product.

    Raises a RuntimeError if there was no product that it could see.
    """
    X, y = load_iris(return_X_y=True)
    calls: list[str] = []
    n_before_products: list[int] = []

    def matmul(*args: Any, **kwargs: Any) -> Any:
        n_before_products.append(len(calls))
        return product(*args, **kwargs)

    product = np.matmul
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is not enough to converge
        make_network().fit(X, y)
        network = make_network()
        with patch.object(np, "matmul", matmul), noting_calls(calls):
            network.fit(X, y)
    if not n_before_products:
        raise RuntimeError("fit did not call np.matmul by this name.")
    return calls, n_before_products[0]


def make_network() -> DeepNetClassifier:
    return DeepNetClassifier((10,), n_iter=1, random_state=0)


@contextmanager
def noting_calls(calls: list[str]) -> Iterator[None]:
    """Append to `calls` the file of each call into the package, in this thread."""
    folder = f"{PACKAGE.as_posix()}/"

    def note(frame: Any, event: str, argument: Any) -> None:
        path = Path(frame.f_code.co_filename).as_posix()
        if event == "call" and path.startswith(folder):
            calls.append(path.removeprefix(folder))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def moves(calls: Sequence[str]) -> list[str]:
    """Return the file that each move leads to."""
    return [after for before, after in pairwise(calls) if before != after]


def main() -> None:
    calls, n_before = trace_calls()
    n_calls, n_moves = Counter(calls), Counter(moves(calls))
    print("calls  moves to  file")
    for file in dict.fromkeys(calls):
        print(f"{n_calls[file]:5}  {n_moves[file]:8}  {file}")
    print(
        f"{len(moves(calls))} moves between {len(n_calls)} files, "
        f"{len(moves(calls[:n_before]))} of them before the first product"
    )


if __name__ == "__main__":
    main()
