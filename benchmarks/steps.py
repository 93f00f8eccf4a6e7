"""Divide the time of a training step among what it does.

A real fit is stopped after an epoch, with its arrays as training has left them. Then
its parts take turns, each repeated as often as in an epoch: matrix products, reading
rows (in their new order, scaled, with their targets), activations and their
derivatives, the loss, the penalty, the optimizer. What the whole epoch takes beyond
these is Python, and data that have left the cache between one part and the next.
Times are medians over the rounds, in microseconds per step.

    python benchmarks/steps.py
    python benchmarks/steps.py --quick      # fewer rounds, 100 000 rows at most
"""

import os
import statistics
import time
from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
from report import machine_line, markdown, parser_of, save
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_limits

from sklearn_deepnet import DeepNetClassifier
from sklearn_deepnet._engine.network import apply_layer, propagate_back, write_gradient
from sklearn_deepnet._fitting.jobs import train_jobs
from sklearn_deepnet._fitting.prepare import prepare

# (sizes of the layers, rows, rows per batch)
NETWORKS = [
    ((64, 100, 10), 1_800, 200),
    ((30, 100, 1), 1_000, 200),
    ((100, 256, 128, 2), 12_800, 128),
    ((28, 256, 256, 1), 1_000_000, 1024),
]
PARTS = (
    "products",
    "rows",
    "activations",
    "loss",
    "penalty",
    "optimizer",
)
HEADER = (
    "network, rows, batch",
    "dtype",
    "solver",
    "threads",
    "step, µs",
    *PARTS,
    "rest",
    "step / products",
)


@lru_cache(maxsize=1)
def data_for(sizes, n_rows):
    """Return rows of as many classes as the network has outputs, one meaning two."""
    return make_classification(
        n_rows,
        sizes[0],
        n_informative=10,
        n_classes=max(2, sizes[-1]),
        n_clusters_per_class=1,
        random_state=0,
    )


def repeat(function, n_times):
    """Return a function that calls `function` so many times."""

    def call():
        for _ in range(n_times):
            function()

    return call


def parts_of(loop):
    """Return {part: function that takes as long as this part of a whole epoch}.

    This looks into the work arrays of the engine, as no user should.
    """
    batches, updater = loop._batches, loop._updater
    propagation = loop._propagation
    (batch, *_) = batches
    n_steps = -(-batches.n_samples // batches._batch_size)
    n_blocks = len(batch.blocks)
    block = batch.blocks[0](0)
    worker = propagation._workers[0] if n_blocks > 1 else None
    one = worker._propagation if worker else propagation._first
    plan = one._plan(block.inputs.shape[-1])
    layers = one._network.layers

    def products():
        inputs = block.inputs
        for layer, weights in zip(plan.hidden, layers, strict=False):
            apply_layer(weights, inputs, layer.z, plan.multiply)
            inputs = layer.extended
        apply_layer(layers[-1], inputs, plan.logits, plan.multiply)
        grad = plan.logits
        for layer, gradient in zip(plan.reversed, one._reversed, strict=True):
            write_gradient(grad, layer.extended_t, out=gradient)
            propagate_back(layer.next_weights_t, grad, layer.grad, plan.multiply)
            grad = layer.grad
        write_gradient(grad, block.inputs_t, one._first, plan.multiply)

    def activations():
        for layer in plan.hidden:
            z, a, grad = layer.operands
            layer.activation.forward(z, a)
            layer.activation.backward(grad, z, a)

    def loss():
        logits = plan.logits
        values = one._loss(logits, block.target, plan.scratch)
        np.multiply(logits, block.weight, out=logits)
        np.vecdot(values, block.weight)

    def rows():
        for batch in batches:
            for read in batch.blocks:
                read(0)

    def optimizer():
        for at in updater._slices:
            updater._move(at)

    of_block = n_steps * n_blocks
    return {
        "products": repeat(products, of_block),
        "rows": rows,
        "activations": repeat(activations, of_block),
        "loss": repeat(loss, of_block),
        "penalty": repeat(updater.add_penalty, n_steps),
        "optimizer": repeat(optimizer, n_steps),
    }


def measure(sizes, n_rows, batch_size, dtype, solver, threads, most):
    """Return {part or "step": median microseconds per step}."""
    X, y = data_for(sizes, n_rows)
    X = X.astype(dtype)
    estimator = DeepNetClassifier(
        sizes[1:-1],
        solver=solver,
        batch_size=batch_size,
        n_iter=10**6,
        tol=None,
        random_state=0,
    )
    n_steps = -(-n_rows // batch_size)
    seconds = {}

    def after_epoch(loop):
        calls = {"step": loop.run_epoch, **parts_of(loop)}
        end = time.perf_counter() + most
        while not seconds or time.perf_counter() < end:
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                passed = time.perf_counter() - start
                seconds.setdefault(name, []).append(passed / n_steps * 1e6)
        return True

    with threadpool_limits(limits=threads):
        job = prepare(estimator, X, y, None).job
        train_jobs([replace(job, on_epoch_end=after_epoch)])
    return {name: statistics.median(values) for name, values in seconds.items()}


def line_of(sizes, n_rows, batch_size, dtype, solver, threads, found):
    """Return a line of the table."""
    rest = found["step"] - sum(found[part] for part in PARTS)
    return (
        f"{'-'.join(map(str, sizes))}, {n_rows}, {batch_size}",
        np.dtype(dtype).name,
        solver,
        str(threads),
        f"{found['step']:.0f}",
        *(f"{found[part]:.0f}" for part in PARTS),
        f"{rest:.0f}" if threads == 1 else "",
        f"{found['step'] / found['products']:.2f}",
    )


def main():
    """Parse the options, measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    both = sorted({1, os.cpu_count() or 1})
    parser.add_argument("--threads", type=int, nargs="+", default=both, metavar="N")
    parser.add_argument("--networks", type=int, nargs="+", default=range(len(NETWORKS)))
    options = parser.parse_args()
    print(machine_line(), flush=True)
    lines, found = [], []
    for number, solver, dtype, threads in product(
        options.networks, ("adam", "adamw"), (np.float32, np.float64), options.threads
    ):
        sizes, n_rows, batch_size = NETWORKS[number]
        n_rows = min(n_rows, 100_000) if options.quick else n_rows
        about = sizes, n_rows, batch_size, dtype, solver, threads
        times = measure(*about, 1 if options.quick else 5)
        lines.append(line_of(*about, times))
        found.append({"about": lines[-1][:4], "times": times})
        print("  ".join(lines[-1]), flush=True)
    print(markdown(HEADER, lines))
    save(options.json, steps=found)


if __name__ == "__main__":
    main()
