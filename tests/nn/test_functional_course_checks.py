"""Mistakes in the second half of the course, and the whole answer that each gets."""

import numpy as np
import pytest

from sklearn_deepnet.nn import functional as F
from tests.helpers import raises

RNG = np.random.RandomState(0)
X = RNG.randn(2, 30)
LABELS = RNG.randint(3, size=30)
Y = np.eye(3)[LABELS].T
LAYERS = [
    {"input_dim": 2, "output_dim": 4, "activation": "relu"},
    {"input_dim": 4, "output_dim": 3, "activation": "softmax"},
]
START = F.initialize_parameters(LAYERS, random_state=0)
AL, CACHES = F.forward_propagation(X, START, LAYERS)
GRADS = F.backward_propagation(Y, CACHES, "cross_entropy")
V, S = F.initialize_adam(START)


def without_class(j):
    changed = Y.copy()
    changed[:, j] = 0
    return changed


def with_column(j, *values):
    changed = AL.copy()
    changed[:, j] = values
    return changed


def adam(**changes):
    given = {"parameters": START, "grads": GRADS, "v": V, "s": S, "t": 1} | changes
    return F.update_parameters_with_adam(**given)


def momentum(**changes):
    given = {"parameters": START, "grads": GRADS, "v": V, "beta": 0.9} | changes
    return F.update_parameters_with_momentum(**({"learning_rate": 0.1} | given))


KEYS = "['dW1', 'db1', 'dW2', 'db2']"
BAD_CALLS = {
    "class numbers for a softmax": (
        lambda: F.compute_cost(AL, LABELS, "cross_entropy"),
        "Y has the shape (30,), AL (3, 30): one row is one output; if Y holds classes, "
        "numbered from 0, give np.eye(3)[np.ravel(Y)].T; the shape has to be (3, 30).",
    ),
    "a sample without a class": (
        lambda: F.backward_propagation(without_class(7), CACHES, "cross_entropy"),
        "Column 7 of Y sums to 0 instead of 1, but loss='cross_entropy' takes one "
        "class for each sample; for samples with several labels or none take sigmoids "
        "and 'log_loss'.",
    ),
    "a sample without a class for a squared error": (
        lambda: F.train(X, without_class(7), START, LAYERS, loss="squared_error"),
        "Column 7 of Y sums to 0 instead of 1, but a softmax takes one class for each "
        "sample.",
    ),
    "classes of 2": (
        lambda: F.compute_cost(AL, 2 * Y, "cross_entropy"),
        "Y holds values from 0 to 2, but loss='cross_entropy' takes 0 and 1: give (Y "
        "== 2).astype(int).",
    ),
    "outputs of sigmoids": (
        lambda: F.compute_cost(with_column(2, 0.9, 0.8, 0.1), Y, "cross_entropy"),
        "Column 2 of AL sums to 1.8 instead of 1, but loss='cross_entropy' takes the "
        "probabilities of all classes, such as a softmax computes; for outputs of "
        "sigmoids take 'log_loss'.",
    ),
    "outputs that are no probabilities": (
        lambda: F.compute_cost(with_column(2, 2, -0.5, -0.5), Y, "cross_entropy"),
        "AL holds values from -0.5 to 2, but loss='cross_entropy' takes probabilities, "
        "such as a softmax computes.",
    ),
    "the other loss for a softmax": (
        lambda: F.train(X, Y, START, LAYERS),
        "loss='log_loss' is not defined for an output layer of activation 'softmax'; "
        "log_loss needs 'sigmoid', cross_entropy 'softmax', squared_error 'sigmoid', "
        "'softmax' or 'identity'.",
    ),
    "a penalty without parameters": (
        lambda: F.compute_cost(AL, Y, "cross_entropy", lambd=0.1),
        "lambd penalizes the weights; give parameters, too.",
    ),
    "a negative penalty": (
        lambda: F.backward_propagation(Y, CACHES, "cross_entropy", lambd=-0.1),
        "lambd must not be negative. Got -0.1 instead.",
    ),
    "a penalty of the cost that is no number": (
        lambda: F.compute_cost(AL, Y, "cross_entropy", parameters=START, lambd="0.1"),
        "lambd must not be negative. Got '0.1' instead.",
    ),
    "all units dropped": (
        lambda: F.forward_propagation(X, START, LAYERS, keep_prob=0),
        "keep_prob must be in (0, 1]. Got 0 instead.",
    ),
    "a share in percent": (
        lambda: F.forward_propagation(X, START, LAYERS, keep_prob=80),
        "keep_prob must be in (0, 1]. Got 80 instead.",
    ),
    "masks for all layers": (
        lambda: F.forward_propagation(X, START, LAYERS, masks=[1, 2]),
        "masks must be a list of 1 arrays, one for each hidden layer. Got [1, 2] "
        "instead.",
    ),
    "a mask as rows": (
        lambda: F.forward_propagation(X, START, LAYERS, masks=[np.ones((30, 4))]),
        "masks[0] has the shape (30, 4), the output of layer 1 (4, 30): one column is "
        "one sample; give masks[0].T.",
    ),
    "targets of other samples": (
        lambda: F.random_mini_batches(X, Y[:, 1:]),
        "Y has the shape (3, 29), X (2, 30): one column is one sample; the shape has "
        "to be (n_outputs, 30).",
    ),
    "targets as a column": (
        lambda: F.random_mini_batches(X, LABELS[:, np.newaxis]),
        "Y has the shape (30, 1), X (2, 30): one column is one sample; give Y.T.",
    ),
    "a batch size of a fraction": (
        lambda: F.random_mini_batches(X, Y, 0.5),
        "batch_size must be an integer of at least 1. Got 0.5 instead.",
    ),
    "a seed of mini-batches that is none": (
        lambda: F.random_mini_batches(X, Y, 8, "0"),
        "random_state must be an integer from 0 to 2**32 - 1, a "
        "numpy.random.RandomState or None. Got '0' instead.",
    ),
    "a velocity of other layers": (
        lambda: momentum(v={"dW1": V["dW1"]}),
        f"v has the keys ['dW1']; it needs {KEYS}, as from initialize_velocity.",
    ),
    "a velocity that is all that Adam starts from": (
        lambda: momentum(v=F.initialize_adam(START)),
        f"v has no keys; it needs {KEYS}, as from initialize_velocity.",
    ),
    "a velocity of another shape": (
        lambda: momentum(v={**V, "db1": V["db1"].T}),
        "v['db1'] has the shape (1, 4), parameters['b1'] (4, 1): a running mean has "
        "the shape of its parameter; give v['db1'].T.",
    ),
    "a beta of one": (
        lambda: momentum(beta=1),
        "beta must be in [0, 1). Got 1 instead.",
    ),
    "a learning rate of zero": (
        lambda: momentum(learning_rate=0),
        "learning_rate must be a positive number. Got 0 instead.",
    ),
    "grads of momentum without an entry": (
        lambda: momentum(grads={"dW1": GRADS["dW1"]}),
        f"grads has the keys ['dW1']; it needs {KEYS}, as from backward_propagation.",
    ),
    "squares of other layers": (
        lambda: adam(s={}),
        f"s has the keys []; it needs {KEYS}, as from initialize_adam.",
    ),
    "means of other layers": (
        lambda: adam(v={}),
        f"v has the keys []; it needs {KEYS}, as from initialize_adam.",
    ),
    "steps counted from zero": (
        lambda: adam(t=0),
        "t must be an integer of at least 1. Got 0 instead.",
    ),
    "a learning rate of Adam below zero": (
        lambda: adam(learning_rate=-1),
        "learning_rate must be a positive number. Got -1 instead.",
    ),
    "a first beta above one": (
        lambda: adam(beta1=1.5),
        "beta1 must be in [0, 1). Got 1.5 instead.",
    ),
    "a second beta that is True": (
        lambda: adam(beta2=True),
        "beta2 must be in [0, 1). Got True instead.",
    ),
    "an epsilon of zero": (
        lambda: adam(epsilon=0),
        "epsilon must be a positive number. Got 0 instead.",
    ),
    "parameters of no network": (
        lambda: F.initialize_velocity({"W": X}),
        "parameters has the keys ['W']; it needs 'W1' and 'b1', 'W2' and 'b2' and so "
        "on, two for each layer, and no others.",
    ),
    "an epoch before the first": (
        lambda: F.decay_learning_rate(0.1, -1, 1),
        "epoch must be an integer of at least 0. Got -1 instead.",
    ),
    "a rising learning rate": (
        lambda: F.decay_learning_rate(0.1, 1, -1),
        "decay_rate must not be negative. Got -1 instead.",
    ),
    "an interval of no epochs": (
        lambda: F.decay_learning_rate(0.1, 1, 1, 0),
        "time_interval must be an integer of at least 1. Got 0 instead.",
    ),
    "no learning rate to begin with": (
        lambda: F.decay_learning_rate(None, 1, 1),
        "learning_rate must be a positive number. Got None instead.",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_mistake_is_explained(call, message):
    with raises(message):
        call()


def test_probabilities_in_float32_sum_to_one_well_enough():
    F.compute_cost(AL.astype(np.float32), Y, "cross_entropy")


def test_smoothed_classes_are_allowed():
    F.backward_propagation(0.9 * Y + 0.1 / 3, CACHES, "cross_entropy")
