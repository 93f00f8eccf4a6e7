"""Compare what `make bench` has measured with what the project wants to reach.

A release should reach what is required; an aim is as good as we can imagine. Each line
is a ratio or a size that is better if it is smaller (at most) or larger (at least). The
figures are read from the results of the other benchmarks, so run this last.

    python benchmarks/aims.py
"""

import json
from pathlib import Path

from report import machine_line, markdown, parser_of, save
from speed import verdict

RESULTS = Path("build/bench")
HEADER = ("work", "threads", "measured", "required", "aim", "reached")
AT_MOST, AT_LEAST = "at most", "at least"

DIGITS = "64-100-10, 1797", "200, adam", "float32"
IMAGES = "784-512-256-10, 4096"
# (what, the line of speed.py, contender, direction, required, aim); "at most" is our
# time divided by that of the contender, "at least" the reverse
TRAINING = [
    ("default network / its products", DIGITS, "bare_products", AT_MOST, 1.6, 1.3),
    ("default network, MLPClassifier", DIGITS, "mlp_classifier", AT_LEAST, 3.5, None),
    ("default network, PyTorch", DIGITS, "pytorch", AT_LEAST, 4.5, None),
    (
        "default network, torch.compile",
        DIGITS,
        "pytorch_compiled",
        AT_LEAST,
        None,
        None,
    ),
    *(
        (
            f"784-512-256-10, {solver} / its products",
            (IMAGES, f"256, {solver}", "float32"),
            "bare_products",
            AT_MOST,
            *limits,
        )
        for solver, limits in {"adam": (1.33, 1.2), "sgd": (1.2, 1.05)}.items()
    ),
]
PREDICTED = "predict_proba of 1, 30-32-16-1, two classes, float64"
FIRST_FITS = (
    "import and fit, digits, n_iter=20",
    "import and fit, breast_cancer, n_iter=20",
)


def results_of(name, folder):
    """Return what a benchmark has saved; nothing if it has not been run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def training(speed):
    """Yield (what, threads, value, direction, required, aim) of single networks."""
    for what, wanted, contender, direction, required, aim in TRAINING:
        for network in speed.get("networks", ()):
            *about, threads = network["about"]
            if about == list(wanted) and contender in network["ratios"]:
                ratio = network["ratios"][contender][0]
                value = 1 / ratio if direction == AT_MOST else ratio
                yield what, threads, value, direction, required, aim


def starts(start):
    """Yield the same of one row, the import and the first fit."""
    for what, (_, _, ratio) in start.get("predictions", {}).items():
        if what == PREDICTED:
            yield f"{what}, MLPClassifier", "1", ratio, AT_LEAST, 1.0, 1.5
    for what, (_, _, ratio) in start.get("processes", {}).items():
        if what == "import":
            name = "import / that of MLPClassifier"
            yield name, "1", 1 / ratio, AT_MOST, 1.05, None
        if what in FIRST_FITS:
            yield f"{what}, MLPClassifier", "1", ratio, AT_LEAST, 1.0, None


def many_rows(rows):
    """Yield the same of memory, long epochs and scored ones."""
    for header, *lines in rows.get("tables", {}).values():
        for line in lines:
            cells = dict(zip(header, line, strict=True))
            if "MLPClassifier" in cells:
                what = f"MB beyond the data: {cells['call']}"
                yield what, "1", float(cells["ours"]), AT_MOST, 64.0, None
            elif "PyTorch" in cells:
                ratio = 1 / float(cells["times faster than PyTorch"].split()[0])
                what = f"epoch of {cells['network']} / PyTorch's"
                yield what, cells["threads"], ratio, AT_MOST, 1.1, None
            elif "scoring" in cells:
                what = f"epoch with scoring={cells['scoring']!r}, {cells['data']}"
                ratio = float(cells["with / without"])
                yield what, "1", ratio, AT_MOST, 2.0, None
            elif "peak" in cells and cells["limit"].startswith("peak"):
                what = f"MB of the process: {cells['call']}"
                yield what, "all", float(cells["peak"]), AT_MOST, 2000.0, None


def line_of(what, threads, value, direction, required, aim):
    """Return the line of the table."""

    def reached(limit):
        return value <= limit if direction == AT_MOST else value >= limit

    def text(limit):
        return "" if limit is None else f"{direction} {limit:g}"

    is_reached = verdict(None if required is None else reached(required))
    if aim is not None and reached(aim):
        is_reached = "aim, too"
    return what, threads, f"{value:.3g}", text(required), text(aim), is_reached


def main():
    """Read the results, compare, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    options = parser.parse_args()
    readers = {"speed": training, "start": starts, "rows": many_rows}
    lines = [
        line_of(*found)
        for name, read in readers.items()
        for found in read(results_of(name, options.results))
    ]
    print(machine_line())
    print(markdown(HEADER, lines))
    save(options.json, aims=lines)


if __name__ == "__main__":
    main()
