"""Train larger networks on more rows: ours, MLPClassifier, the matrix products alone.

One of rows, width, depth and batch size varies at a time, for a network of 20-64-1 on
10 000 rows in batches of 200, with Adam. All take turns, A B A B, on one BLAS thread.
Times are medians of whole fits, divided by rows and epochs. Memory is the peak of the
resident memory of a fit beyond its data, in its own process.

    python benchmarks/sweep.py
    python benchmarks/sweep.py width --json sweep.json --plot sweep.png
    python benchmarks/sweep.py --threads 2     # BLAS threads
"""

import argparse
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from memory import megabytes_for
from peers import Work, bare_products, mlp_classifier, ours
from report import machine_line, markdown, parser_of, save
from speed import interleaved
from threadpoolctl import threadpool_limits

SWEEPS = {
    "rows": [100, 1000, 10_000, 100_000, 1_000_000],
    "width": [4, 16, 64, 256, 1024],
    "depth": [1, 2, 4, 8],
    "batch": [8, 32, 128, 512, 2048, 10_000],
}
WHO = (ours, mlp_classifier, bare_products)
MEMORY = "ours, MB", "MLPClassifier, MB"


def data(n_rows, dtype):
    """Return 20 columns of noise, and the side of a plane that each row is on."""
    X = np.random.default_rng(0).standard_normal((n_rows, 20), dtype=dtype)
    return X, (X[:, :5].sum(axis=1) > 0).astype(np.int64)


def work_for(sweep, value, dtype):
    """Return the work of one epoch."""
    X, y = data(value if sweep == "rows" else 10_000, dtype)
    width = value if sweep == "width" else 64
    depth = value if sweep == "depth" else 1
    batch_size = min(value if sweep == "batch" else 200, len(X))
    return Work(X, y, (width,) * depth, epochs=1, batch_size=batch_size)


def measure(work, n_rounds, seconds):
    """Return nanoseconds per row and epoch, for as many epochs as there is time."""
    once = interleaved({"ours": ours(replace(work, epochs=2))}, 1)["ours"][0] / 2
    work = replace(work, epochs=int(np.clip(seconds / once, 2, 500)))
    taken = interleaved({who.__name__: who(work) for who in WHO}, n_rounds)
    return {
        name: statistics.median(times) / work.epochs / len(work.X) * 1e9
        for name, times in taken.items()
    }


def peak(sweep, value, dtype, who):
    """Return the megabytes beyond the data of one fit, measured in a new process."""
    command = [sys.executable, __file__, "--peak", sweep, str(value), dtype, who]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(run.stdout)


def print_peak(sweep, value, dtype, who):
    """Fit in this process, after a small fit that loads all, and print megabytes."""
    train = {"ours": ours, "MLPClassifier": mlp_classifier}[who]
    with threadpool_limits(limits=1):
        train(work_for("rows", 400, dtype))()
        megabytes, _ = megabytes_for(train(work_for(sweep, int(value), dtype)))
    print(megabytes)


def table_of(sweep, found):
    """Return the table of a sweep."""
    lines = []
    for value, line in found.items():
        mine, peer, bare = (line[who.__name__] for who in WHO)
        times = [f"{t:.0f}" for t in (mine, peer, bare)]
        ratios = f"{peer / mine:.2f}", f"{mine / bare:.2f}"
        memory = [f"{line[of]:.0f}" for of in MEMORY]
        lines.append((str(value), *times, *ratios, *memory))
    header = (sweep, "ours, ns a row", "MLPClassifier", "bare products")
    return markdown((*header, "MLPClassifier / ours", "ours / bare", *MEMORY), lines)


def plot(found, path):
    """Draw one panel for each sweep."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(found), 4), layout="constrained")
    for ax, (sweep, lines) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        for who, style in zip(WHO, ("-o", "--s", ":^"), strict=True):
            times = [line[who.__name__] for line in lines.values()]
            ax.plot(list(lines), times, style, label=who.__name__, markersize=4)
        ax.set(xscale="log", yscale="log", xlabel=sweep, ylabel="ns per row and epoch")
    ax.legend()
    figure.savefig(path, dpi=150)


def main():
    """Measure the chosen sweeps, and print each when it is done."""
    parser = parser_of(__doc__)
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help=", ".join(SWEEPS))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a tenth of the epochs")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(*options.peak)
        return
    if unknown := {*options.sweeps} - {*SWEEPS}:
        parser.error(f"SWEEP {unknown} is not one of {list(SWEEPS)}.")
    print(machine_line())
    found = {}
    for sweep in options.sweeps or SWEEPS:
        found[sweep] = {}
        for value in SWEEPS[sweep][:3] if options.quick else SWEEPS[sweep]:
            with threadpool_limits(limits=options.threads):
                work = work_for(sweep, value, options.dtype)
                seconds = 0.05 if options.quick else 0.5
                line = measure(work, options.rounds, seconds)
            for of in MEMORY:
                who = of.removesuffix(", MB")
                line[of] = peak(sweep, value, options.dtype, who)
            found[sweep][value] = line
        print(f"\n{table_of(sweep, found[sweep])}", flush=True)
    save(options.json, **found)
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
