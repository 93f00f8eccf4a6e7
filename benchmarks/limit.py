"""The limit for small networks: the whole training in one loop compiled by Numba.

The loop calls neither NumPy nor BLAS, its work arrays stay in the cache, and it sums in
any order. So it takes the time of the arithmetic alone. It draws its own weights and
orders, and has no penalty. Hidden layers are ReLU; the output is a sigmoid or softmax.
"""

from itertools import pairwise

import numpy as np
from numba import njit

ANY_ORDER = {"reassoc", "contract", "nsz"}


@njit(fastmath=ANY_ORDER)
def _forward(params, sizes, first, A, m):
    """Compute the activations A (units by samples), layer after layer."""
    at = 0
    for layer in range(len(sizes) - 1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        for j in range(n_out):
            z = A[first[layer + 1] + j]
            z[:m] = params[at + n_in]
            for i in range(n_in):
                weight, a = params[at + i], A[first[layer] + i]
                for s in range(m):
                    z[s] += weight * a[s]
            if layer < len(sizes) - 2:
                for s in range(m):
                    z[s] = max(z[s], 0)
            at += n_in + 1


@njit(fastmath=ANY_ORDER)
def _loss(Z, Y, D, m):
    """Write the gradient of the logits to D, and return the mean cross-entropy."""
    n_out, total = Z.shape[0], 0.0
    for s in range(m):
        if n_out == 1:
            e = np.exp(-abs(Z[0, s]))
            total += max(Z[0, s], 0) - Z[0, s] * Y[s] + np.log1p(e)
            p = (1 if Z[0, s] > 0 else e) / (1 + e)
            D[0, s] = (p - Y[s]) / m
            continue
        largest, of_class = Z[:, s].max(), 0.0
        for j in range(n_out):
            D[j, s] = np.exp(Z[j, s] - largest)
            of_class += D[j, s]
        total += np.log(of_class) + largest - Z[Y[s], s]
        for j in range(n_out):
            D[j, s] = (D[j, s] / of_class - (j == Y[s])) / m
    return total / m


@njit(fastmath=ANY_ORDER)
def _backward(params, gradient, sizes, first, A, D, m):
    """Compute `gradient`, and the gradients D of the hidden activations."""
    at = len(params)
    for layer in range(len(sizes) - 2, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        at -= n_out * (n_in + 1)
        if layer > 0:
            D[first[layer] : first[layer + 1], :m] = 0
        for j in range(n_out):
            d, row = D[first[layer + 1] + j], at + j * (n_in + 1)
            total = d[0] * 0
            for s in range(m):
                total += d[s]
            gradient[row + n_in] = total
            for i in range(n_in):
                a, total = A[first[layer] + i], d[0] * 0
                for s in range(m):
                    total += d[s] * a[s]
                gradient[row + i] = total
                if layer > 0:
                    weight, before = params[row + i], D[first[layer] + i]
                    for s in range(m):
                        before[s] += weight * d[s]
        if layer > 0:
            for i in range(n_in):
                a, d = A[first[layer] + i], D[first[layer] + i]
                for s in range(m):
                    d[s] = d[s] if a[s] > 0 else 0


@njit(fastmath=ANY_ORDER)
def _step(params, gradient, M, V, n_steps, rate, adam):
    """Update the parameters in place, in their own precision."""
    one = params.dtype.type(1)
    if not adam:
        for k in range(len(params)):
            params[k] -= rate * gradient[k]
        return
    beta1, beta2 = one * 0.9, one * 0.999
    scale = rate * np.sqrt(1 - 0.999**n_steps) / (1 - 0.9**n_steps)
    epsilon = one * 1e-8 * np.sqrt(1 - 0.999**n_steps)
    for k in range(len(params)):
        M[k] = beta1 * M[k] + (one - beta1) * gradient[k]
        V[k] = beta2 * V[k] + (one - beta2) * gradient[k] ** 2
        params[k] -= scale * M[k] / (np.sqrt(V[k]) + epsilon)


@njit(fastmath=ANY_ORDER)
def _train(X, Y, params, sizes, first, epochs, batch_size, rate, adam, shuffle):
    n, n_units = len(X), sizes.sum()
    A = np.empty((n_units, batch_size), X.dtype)
    D = np.empty_like(A)
    gradient, M, V = np.empty_like(params), np.zeros_like(params), np.zeros_like(params)
    order, y = np.arange(n), np.empty(batch_size, Y.dtype)
    losses, n_steps = np.zeros(epochs), 0
    for epoch in range(epochs):
        if shuffle:
            np.random.shuffle(order)  # noqa: NPY002 (Numba has no Generator)
        for start in range(0, n, batch_size):
            m = min(batch_size, n - start)
            if shuffle or n_steps == 0 or m < n:
                for s in range(m):
                    y[s] = Y[order[start + s]]
                    for i in range(sizes[0]):
                        A[i, s] = X[order[start + s], i]
            _forward(params, sizes, first, A, m)
            losses[epoch] += _loss(A[first[-1] :], y, D[first[-1] :], m) * m / n
            _backward(params, gradient, sizes, first, A, D, m)
            n_steps += 1
            _step(params, gradient, M, V, n_steps, rate, adam)
    return losses


def fused_loop(work):
    """Return a function that trains the network of a `peers.Work` and counts epochs."""
    sizes = np.array(work.sizes)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    dtype = work.X.dtype.type
    settings = work.rows_per_step, dtype(work.learning_rate), work.solver == "adam"

    def train() -> int:
        rng = np.random.RandomState(0)
        layers = [
            np.c_[rng.randn(n_out, n_in) * np.sqrt(2 / n_in), np.zeros(n_out)]
            for n_in, n_out in pairwise(work.sizes)
        ]
        params = np.concatenate([layer.ravel() for layer in layers]).astype(dtype)
        arrays = work.X, work.y, params, sizes, first
        return len(_train(*arrays, work.epochs, *settings, work.shuffle))

    return train
