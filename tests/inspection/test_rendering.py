"""Results in notebooks: the printed table as HTML."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from sklearn_deepnet import DeepNetClassifier, check_gradients
from sklearn_deepnet.inspection import (
    InitializerComparison,
    compare_initializers,
    diagnose,
)
from sklearn_deepnet.inspection.rendering import ResultTable, to_html
from tests.helpers import iris

X, y = iris()
NET = DeepNetClassifier((4,), n_iter=12, tol=None, random_state=0)


@pytest.fixture(scope="module")
def comparison():
    init = {"he": "he", "<b>zeros</b> & co": "zeros"}
    return compare_initializers(NET, X, y, init=init, n_repeats=2, cv=2, random_state=0)


@pytest.fixture(scope="module")
def diagnosis():
    zeros = DeepNetClassifier(
        (4,), init="zeros", bias_init="zeros", n_iter=20, tol=None
    )
    return diagnose(zeros.fit(X, y), X, y)


def parse(result):
    """The elements of the HTML form; a tag that is not closed is an error."""
    return ET.fromstring(result._repr_html_())


def texts(parent, *tags):
    return ["".join(it.itertext()) for it in parent.iter() if it.tag in tags]


def rows_of(root):
    return [texts(row, "th", "td") for row in root.iter("tr")]


def printed_rows(text):
    """Rows of a printed table, whose columns are two or more spaces apart."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line]


def test_comparison_shows_the_rows_that_it_prints(comparison):
    root = parse(comparison)
    *printed, note = str(comparison).splitlines()
    assert rows_of(root) == printed_rows("\n".join(printed))
    assert texts(root, "p") == [note]
    assert texts(root, "caption") == ["Initializations (seeds × folds: 2 × 2)"]


def test_labels_are_escaped(comparison):
    html = comparison._repr_html_()
    assert "&lt;b&gt;zeros&lt;/b&gt; &amp; co" in html
    assert "<b>zeros" not in html
    assert rows_of(parse(comparison))[2][0] == "<b>zeros</b> & co"


def test_diagnosis_shows_the_rows_that_it_prints(diagnosis):
    root = parse(diagnosis)
    header, *rows = rows_of(root)
    printed = printed_rows(str(diagnosis).split("\n\n")[0])
    assert header == ["", "where", "check", "value", "limit"]
    assert [[it for it in row if it] for row in rows] == printed
    assert len(rows) == len(diagnosis.findings)


def test_diagnosis_shows_the_advice_that_it_prints(diagnosis):
    assert diagnosis.faults
    _, *advice = str(diagnosis).split("\n\n")
    assert texts(parse(diagnosis), "p") == [re.sub(r"\s+", " ", it) for it in advice]


def test_faults_alone_are_bold(diagnosis):
    rows = [*parse(diagnosis).iter("tr")][1:]
    bold = ["bold" in next(iter(row)).get("style") for row in rows]
    assert bold == [finding.is_fault for finding in diagnosis.findings]
    assert 0 < sum(bold) < len(bold)


@pytest.mark.parametrize("n_faults", [0, 1, 2])
def test_caption_counts_the_faults(diagnosis, n_faults):
    fine = [finding for finding in diagnosis.findings if not finding.is_fault]
    shown = type(diagnosis)(fine + diagnosis.faults[:n_faults])
    count = {0: "no faults", 1: "1 fault", 2: "2 faults"}[n_faults]
    expected = [f"{len(fine) + n_faults} checks, {count}"]
    assert texts(parse(shown), "caption") == expected


def test_gradient_check_shows_the_numbers_that_it_prints():
    check = check_gradients(NET, X, y)
    check = replace(check, numeric=2 * check.analytic, n_kinks=3)
    root = parse(check)
    printed = re.fullmatch(
        r"(.*)\. The largest relative error is (.*), in (.*): (.*) by backward "
        r"propagation, (.*) by central differences\.",
        str(check),
    )
    verdict, error, place, analytic, numeric = printed.groups()
    assert texts(root, "caption") == [verdict]
    assert rows_of(root) == [
        ["derivative with the largest error", place],
        ["error", error],
        ["by backward propagation", analytic],
        ["by central differences", numeric],
    ]


def test_headings_say_what_they_are_the_headings_of(comparison):
    first, *rows = parse(comparison).iter("tr")
    assert {cell.get("scope") for cell in first} == {"col"}
    for row in rows:
        assert [cell.get("scope") for cell in row] == ["row"] + [None] * (len(row) - 1)


def test_numbers_are_aligned_to_the_right(comparison, diagnosis):
    for result, sides in (
        (comparison, ["left", *["right"] * 6]),
        (diagnosis, ["left", "left", "left", "right", "left"]),
    ):
        for row in parse(result).iter("tr"):
            styles = [cell.get("style") for cell in row]
            assert [re.search(r"text-align: (\w+)", it)[1] for it in styles] == sides


def test_colors_are_those_of_the_page(comparison, diagnosis):
    for result in (comparison, diagnosis):
        colors = re.findall(r"(?<![-\w])color: ([^;]+);", result._repr_html_())
        assert {*colors} == {"inherit"}


def test_every_text_is_escaped():
    texts_given = [f"<{letter}>" for letter in "abcdef"]
    caption, head, name, cell, bold, rest = texts_given
    table = ResultTable(
        caption, [head, head], [[name, cell]], "<>", notes=[(bold, rest)]
    )
    root = ET.fromstring(to_html(table))
    assert rows_of(root) == [[head, head], [name, cell]]
    assert texts(root, "caption", "p") == [caption, bold + rest]


def test_the_infinite_and_the_missing_are_shown():
    curve = {"he": np.full((1, 1, 3), np.nan)}
    one = {"he": np.zeros((1, 1))}
    comparison = InitializerComparison(["he"], curve, one, one, one, one, {"he": []})
    assert "inf" in rows_of(parse(comparison))[1]
