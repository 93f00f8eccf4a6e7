"""Files that are damaged, or made to do harm: refused, or loaded without any."""

import json
import math
import pickle
import random
import re
import struct
import warnings
from collections import Counter
from copy import deepcopy
from hashlib import sha256

import numpy as np
import pytest

from sklearn_deepnet import (
    DeepNetClassifier,
    DeepNetEnsembleClassifier,
    DeepNetRegressor,
    ModelFileError,
    VersionWarning,
    load_model,
    save_model,
)
from sklearn_deepnet.nn.optimizers import Adam
from tests.helpers import iris, raises

X, y = iris()
X, y = X[::3] - X.mean(axis=0), y[::3]
NAMES = np.array(["setosa", "versicolor", "virginica"])
BRIEF = {"hidden_layer_sizes": (3, 2), "n_iter": 2, "tol": None, "random_state": 0}


def classifier():
    rng = np.random.RandomState(0)
    net = DeepNetClassifier(**BRIEF | {"random_state": rng}, warm_start=True)
    net.set_params(early_stopping=True, solver=Adam(beta1=0.8), activation="tanh")
    return net.set_params(class_weight={"setosa": 2.0}).fit(X, NAMES[y])


def binary():
    return DeepNetClassifier(**BRIEF).partial_fit(X, y == 1, [False, True])


def regressor():
    net = DeepNetRegressor(**BRIEF, loss="poisson", schedule="plateau")
    return net.fit(X, X[:, :2] ** 2, X_val=X, y_val=X[:, :2] ** 2)


def ensemble():
    return DeepNetEnsembleClassifier(DeepNetClassifier(**BRIEF), n_estimators=2).fit(
        X, y
    )


MAKERS = [classifier, binary, regressor, ensemble]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The bytes of files as they are saved."""
    path, found = tmp_path_factory.mktemp("seeds") / "net.safetensors", []
    for make in MAKERS:
        save_model(make(), path)
        found.append(path.read_bytes())
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


class Opened:
    """A file in its parts, as the layout of safetensors has them."""

    def __init__(self, data):
        n_header = int.from_bytes(data[:8], "little")
        self.header = json.loads(data[8 : 8 + n_header])
        metadata = self.header.pop("__metadata__")
        self.description = json.loads(metadata["sklearn_deepnet"])
        body = data[8 + n_header :]
        self.arrays = {
            name: body[slice(*entry["data_offsets"])]
            for name, entry in self.header.items()
        }

    def closed(self, text=None, lays_out=True):
        """Return the bytes, with lengths and a checksum that are right."""
        header, end = {}, 0
        for name, entry in self.header.items():
            n_bytes = len(self.arrays.get(name, b""))
            header[name] = entry
            if lays_out and isinstance(entry, dict):
                header[name] = entry | {"data_offsets": [end, end + n_bytes]}
            end += n_bytes
        body = b"".join(self.arrays.values())
        text = json.dumps(self.description) if text is None else text
        return seal({"__metadata__": {"sklearn_deepnet": text}, **header}, body)


def seal(header, body):
    """Return a file whose checksum is right, whatever it says."""
    digest = sha256(json.dumps(header, separators=(",", ":")).encode() + body)
    header["__metadata__"]["sha256"] = digest.hexdigest()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def load_and_predict(path):
    """Say whether a file is refused; if not, that it predicts as it has to."""
    model = refusal = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", VersionWarning)
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        try:
            model = load_model(path)
        except ModelFileError as error:
            refusal = str(error)
        if refusal is not None:
            assert refusal.startswith(f"'{path}' is damaged or was not saved by")
            assert len(refusal) < 1000
            return "refused"
        try:
            found = model.predict(np.ones((3, model.n_features_in_)))
        except ValueError:
            return "raised"
    n_outputs = getattr(model, "estimators_", [model])[0].n_outputs_
    assert found.shape in ((3,), (3, n_outputs))
    assert found.dtype.kind in "biufUO"
    assert found.dtype.kind != "f" or np.isfinite(found).all()
    return "loaded"


# ---- mutations


def flip(data, rng, others):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(data, rng, others):
    return data[: rng.randrange(len(data))]


def append(data, rng, others):
    return data + rng.randbytes(rng.choice([1, 8, 1000]))


def overwrite(data, rng, others):
    start, n = rng.randrange(len(data)), rng.randrange(64)
    return data[:start] + rng.randbytes(n) + data[start + n :]


def claim_length(data, rng, others):
    return (
        struct.pack("<Q", rng.choice([0, 1, 2**20, 2**24, 2**63, 2**64 - 1]))
        + (data[8:])
    )


def evil_value(rng, opened):
    """Return what is JSON, and not what it ought to be."""
    name = rng.choice([*opened.arrays, "no such array"])
    if rng.random() < 0.25:
        return {"array": name}
    choices = [None, True, -1, 0, 1, 3, 2**31, 2**63, 10**400, -2.5, 1e308, 5e-324]
    choices += [float("nan"), float("inf"), "", "x", "__class__", "softmax", [], {}]
    choices += [[[]], [name], ["relu"], [0.5] * 9, {"a": 1, "b": 2}, {"pickle": "g"}]
    choices += [{"array": name}, {"floats": name}, {"scalar": name}, {"tuple": [1]}]
    choices += [{"objects": [None, {"array": name}]}, {"objects": ["a", "b", 1e400]}]
    choices += [{"strings": [1, ["a", "b", "c"]]}, {"strings": [2**40, ["a"]]}]
    choices += [{"strings": [[3, ["a"]]]}, {"strings": ["1", [1]]}]
    choices += [{"dict": [[[1]], [2]]}, {"dict": [["state"], [{"array": name}]]}]
    choices += [{"random_state": {"array": name}}, {"loss": ["focal", -1]}]
    choices += [{"solver": ["Adam", {"beta1": "0"}]}, {"schedule": ["Custom", {}]}]
    choices += [{"type": "object"}, {"dtype": "O"}, {"float": 1}, {"initializer": []}]
    return rng.choice(choices)


def places(node):
    """Yield every container of a description with the keys of what it holds."""
    for key in [*node] if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def describe_otherwise(data, rng, others):
    opened, other = Opened(data), Opened(rng.choice(others))
    for _ in range(rng.choice([1, 1, 2, 3])):
        node, key = rng.choice([*places(opened.description)])
        source, at = rng.choice([*places(other.description)])
        deed = rng.randrange(5)
        if deed == 0:
            del node[key]
        elif deed == 1 and isinstance(node, dict):
            node[rng.choice(["x", "array", "tuple", at])] = node.pop(key)
        elif deed == 2:
            node[key] = deepcopy(source[at])
        else:
            node[key] = evil_value(rng, opened)
    return opened.closed()


def change_an_array(data, rng, others):
    opened = Opened(data)
    name = rng.choice([*opened.arrays])
    entry, dtype = opened.header[name], rng.choice(["F64", "F32", "F16", "I64", "BOOL"])
    flat = np.frombuffer(opened.arrays[name], np.uint8)
    n = flat.size // 8
    deed = rng.randrange(5)
    if deed == 0:  # other numbers
        value = rng.choice([np.nan, np.inf, 1e308, -1e308, 0.0, -1.0, 1e-320])
        numbers = np.frombuffer(flat[: 8 * n].tobytes(), float).copy()
        numbers[rng.randrange(n) if n and rng.random() < 0.5 else slice(None)] = value
        opened.arrays[name] = numbers.tobytes() + flat[8 * n :].tobytes()
    elif deed == 1:  # another dtype, of the same bytes
        size = {"F64": 8, "F32": 4, "F16": 2, "I64": 8, "BOOL": 1}[dtype]
        if flat.size % size == 0:
            entry |= {"dtype": dtype, "shape": [flat.size // size]}
            opened.header[name] = entry
    elif deed == 2:  # another shape
        shape = entry["shape"]
        entry["shape"] = rng.choice([[1, *shape], [*shape, 1], [0, *shape], [], [n, 1]])
    elif deed == 3:  # another length
        opened.arrays[name] = rng.choice([flat[:-8], np.tile(flat, 2)]).tobytes()
        entry["shape"] = [len(opened.arrays[name]) // 8]
    else:
        opened.arrays[name] = rng.randbytes(flat.size)
    return opened.closed()


def change_the_header(data, rng, others):
    opened = Opened(data)
    name = rng.choice([*opened.header])
    entry = opened.header[name]
    deed = rng.randrange(5)
    if deed == 0:
        opened.header[rng.choice(["x", *opened.header])] = opened.header.pop(name)
    elif deed == 1:
        del opened.header[name]
    elif deed == 2:
        opened.header[name] = evil_value(rng, opened)
    else:
        key = rng.choice(["dtype", "shape", "data_offsets"])
        evil = [[2**40, 2**40], [-1], [2**63], ["1"], [1.0], [True], [0] * 70, "object"]
        entry[key] = rng.choice([*evil, [0, 8], [-8, 0], evil_value(rng, opened)])
    return opened.closed(lays_out=rng.random() < 0.5)


RAW = [flip, cut, append, overwrite, claim_length]
SEALED = [describe_otherwise, change_an_array, change_the_header]


def mutate_and_load(path, files, mutations, n, seed):
    """Return how many of n mutated files end in which way."""
    rng, outcomes = random.Random(seed), Counter()
    while outcomes.total() < n:
        data = rng.choice(files)
        mutated = rng.choice(mutations)(data, rng, files)
        if mutated != data:
            path.write_bytes(mutated)
            outcomes[load_and_predict(path)] += 1
    return outcomes


@pytest.mark.slow
def test_damaged_files_are_refused(path, files):
    assert mutate_and_load(path, files, RAW, 700, 0) == {"refused": 700}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_files_with_a_right_checksum_are_refused_or_predict(path, files, seed):
    outcomes = mutate_and_load(path, files, SEALED, 500, seed)
    assert outcomes.keys() == {"refused", "loaded", "raised"}
    assert outcomes["loaded"] >= 50


@pytest.mark.slow
def test_reading_takes_memory_for_no_more_than_the_file(path, files, peak_of):
    def mutate_both():
        mutate_and_load(path, files, RAW, 100, 3)
        mutate_and_load(path, files, SEALED, 200, 3)

    mutate_both()  # what is imported and compiled once
    assert peak_of(mutate_both) < 2**20 + 30 * max(map(len, files))


# ---- made with care


class Harm:
    """What a pickle does when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_not_loaded(path, protocol):
    harm = path.with_name("harm")
    path.write_bytes(pickle.dumps(Harm(harm), protocol))
    assert load_and_predict(path) == "refused"
    assert not harm.exists()


@pytest.mark.parametrize("name", ["_params", "classes_"])
def test_a_pickle_in_the_place_of_an_array_is_not_loaded(path, files, name):
    opened, harm = Opened(files[1]), path.with_name("harm")
    opened.arrays[name] = pickle.dumps(Harm(harm))
    opened.header[name] = {"dtype": "U8", "shape": [len(opened.arrays[name])]}
    path.write_bytes(opened.closed())
    assert load_and_predict(path) == "refused"
    assert not harm.exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_is_not_loaded(path, peak_of, save):
    harm = path.with_name("harm")
    with open(path, "wb") as file:
        save(file, np.zeros(2**23), np.array([Harm(harm)]))
    assert peak_of(lambda: load_and_predict(path)) < 2**20
    assert not harm.exists()


def nest(n, around=("[", "]")):
    return around[0] * n + around[1] * n


def text_of(header, body=b""):
    return len(header).to_bytes(8, "little") + header.encode() + body


NO_HEADER = "it does not begin with a valid header"
NO_ARRAYS = "its header describes an array wrongly"
TOO_LONG = "the size of an array does not match its shape"
FIRST = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}
METADATA = {"__metadata__": {"sklearn_deepnet": "{}"}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", NO_HEADER),
        (b"\2\0\0\0\0\0\0", NO_HEADER),
        (struct.pack("<Q", 2**63) + b"{}", NO_HEADER),
        (struct.pack("<Q", 3) + b"{}", NO_HEADER),
        (struct.pack("<Q", 2**24 + 1) + b" " * 2**25, NO_HEADER),
        (text_of("[]"), "its header has no metadata"),
        (text_of("{}"), "its header has no metadata"),
        (
            text_of('{"__metadata__": {}}'),
            "its metadata has no description of the contents",
        ),
        (text_of(json.dumps(METADATA)), "its checksum is wrong"),
        (seal(METADATA, b"\0"), "its size does not match its header"),
        (seal(METADATA | {"a": {"dtype": "F64"}}, b""), NO_ARRAYS),
        (seal(METADATA | {"a": None}, b""), NO_ARRAYS),
        (seal(METADATA | {"a": FIRST, "b": FIRST}, bytes(8)), TOO_LONG),
        (seal(METADATA | {"a": FIRST, "b": FIRST}, bytes(16)), TOO_LONG),
    ],
)
def test_files_of_another_format_are_refused(path, data, reason):
    assert_refused(path, data, reason)


def assert_refused(path, data, reason):
    path.write_bytes(data)
    beginning = f"'{path}' is damaged or was not saved by sklearn_deepnet: "
    with raises(f"{beginning}{reason}.", ModelFileError):
        load_model(path)


@pytest.mark.parametrize(
    ("dtype", "shape", "offsets", "reason"),
    [
        ("F64", [2**40], [0, 2**43], TOO_LONG),
        ("F64", [1], [0, 2**43], TOO_LONG),
        ("F64", [1], [8, 16], TOO_LONG),
        ("F64", [2], [0, 8], TOO_LONG),
        ("F64", [2**48, 0], [0, 0], NO_ARRAYS),
        ("F64", [-1], [0, 8], NO_ARRAYS),
        ("F64", [-1, -1], [0, 8], NO_ARRAYS),
        ("F64", [True], [0, 8], NO_ARRAYS),
        ("F64", [1.0], [0, 8], NO_ARRAYS),
        ("F64", [1] * 9, [0, 8], NO_ARRAYS),
        ("F64", "1", [0, 8], NO_ARRAYS),
        ("O", [1], [0, 8], NO_ARRAYS),
        ([], [1], [0, 8], NO_ARRAYS),
    ],
)
def test_an_array_is_no_larger_than_its_part_of_the_file(
    path, peak_of, dtype, shape, offsets, reason
):
    entry = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    data = seal(METADATA | {"a": entry}, bytes(8))
    assert peak_of(lambda: assert_refused(path, data, reason)) < 2**20


@pytest.mark.parametrize("around", [("[", "]"), ('{"a":', "}"), ('{"tuple":[', "]}")])
@pytest.mark.parametrize("n", [900, 10**5])
def test_deeply_nested_descriptions_are_refused(path, files, around, n):
    nested = nest(n, around)
    for data in (text_of(nested), Opened(files[0]).closed(text=nested)):
        path.write_bytes(data)
        assert load_and_predict(path) == "refused"


def test_the_last_of_two_entries_of_a_name_counts(path, files):
    text = json.dumps(Opened(files[0]).description)
    path.write_bytes(Opened(files[0]).closed('{"format": 7, ' + text[1:]))
    assert load_and_predict(path) == "loaded"
    path.write_bytes(Opened(files[0]).closed(text[:-1] + ', "format": 7}'))
    assert load_and_predict(path) == "refused"


# ---- descriptions that would do harm, or predict what is none of the classes


def wrong(name):
    return f"its {name} is invalid"


def attributes(opened):
    return opened.description["attributes"]


def have_features_of_fewer_columns(opened):
    """Say that the inputs of the first layer are a column and features of it."""
    attributes(opened)["n_features_in_"] = 1
    attributes(opened)["_input_scaling"] = None


def use_an_array_often(opened):
    attributes(opened)["estimators_"] *= 100


def widen_texts(opened):
    texts = [{"strings": [2**20, ["a"]]}] * 100
    opened.description["params"]["class_weight"] = texts


def let_keys_collide(opened):
    keys = [(2**61 - 1) * k for k in range(9)]
    opened.description["params"]["class_weight"] = {"dict": [keys, keys]}


def widen_strings(opened):
    attributes(opened)["classes_"] = {"strings": [2**24, ["a", "b", "c"]]}


def draw_zeros(opened):
    opened.arrays["random_state.1.0"] = bytes(4 * 624)


def make_odd_booleans(opened):
    opened.arrays["classes_"] = b"\0\2"


def make_classes_of(*labels):
    def mutate(opened):
        attributes(opened)["classes_"] = {"objects": [*labels]}

    return mutate


def put(array, name="_params"):
    def mutate(opened):
        opened.arrays[name] = array.tobytes() * (len(opened.arrays[name]) // 8)

    return mutate


def set_attribute(name, value):
    return lambda opened: attributes(opened).update({name: value})


def add_array(opened, shape):
    opened.arrays["x"] = bytes(8 * math.prod(shape))
    opened.header["x"] = {"dtype": "F64", "shape": shape}


def draw_from_an_array(opened):
    add_array(opened, [1])
    opened.description["params"]["alpha"] = {"random_state": {"array": "x"}}


def take_an_array_for(kind):
    def mutate(opened):
        add_array(opened, [2, 2])
        opened.description["params"]["alpha"] = {kind: "x"}

    return mutate


def set_parameter(value):
    return lambda opened: opened.description["params"].update(alpha=value)


def set_in_training(name, value, of_state=True):
    """Set what `_training_state` says, or adds an array of such a shape."""

    def mutate(opened):
        names, values = attributes(opened)["_training_state"]["dict"]
        if of_state:
            names, values = values[names.index("state")]["dict"]
        if name not in names:
            names.append(name)
            values.append(None)
        values[names.index(name)] = value
        add_array(opened, [46])

    return mutate


def take_a_tuple_of_generators(opened):
    kept = attributes(opened)["_training_state"]["dict"][1][-1]["dict"][1]
    kept[0] = {"tuple": kept[0]}


def halve_the_precision(opened):
    name = "_training_state.4.1.0"
    opened.header[name]["dtype"], n_bytes = "F32", len(opened.arrays[name])
    opened.arrays[name] = bytes(n_bytes // 2)


ABC = {"objects": ["a", "b", "c"]}
FOUR = {"objects": [1, 2, 3, 4]}


def set_in_generator(name, value):
    def mutate(opened):
        encoded = opened.description["params"]["random_state"]["random_state"]["dict"]
        inner = encoded[1][encoded[0].index("state")]["dict"]
        names, values = encoded if name in encoded[0] else inner
        values[names.index(name)] = value

    return mutate


def halve_the_precision_of_a_member(opened):
    name = "estimators_.1._params"
    opened.header[name]["dtype"], n_bytes = "F32", len(opened.arrays[name])
    opened.arrays[name] = bytes(n_bytes // 2)


def set_in_a_member(name, value):
    def mutate(opened):
        attributes(opened)["estimators_"][1]["attributes"][name] = value

    return mutate


def take_classifiers_for_regressors(opened):
    opened.description |= {"class": "DeepNetEnsembleRegressor", "params": {}}


@pytest.mark.parametrize(
    ("kind", "mutate", "reason"),
    [
        (ensemble, use_an_array_often, "its description of 'array' is invalid"),
        (classifier, let_keys_collide, "its description of 'dict' is invalid"),
        (classifier, widen_texts, "its description of 'strings' is invalid"),
        (classifier, widen_strings, "its description of 'strings' is invalid"),
        (classifier, draw_from_an_array, "its description of 'random_state' is"),
        (classifier, take_an_array_for("floats"), "its description of 'floats' is"),
        (classifier, take_an_array_for("scalar"), "its description of 'scalar' is"),
        (classifier, set_parameter({"array": "x"}), "its description of 'array' is"),
        (classifier, set_parameter({"solver": ["Adam", []]}), "its description of 'so"),
        (classifier, set_parameter({"strings": [1, ["ab"]]}), "its description of 'st"),
        (classifier, draw_zeros, "the state of a random generator is invalid"),
        (binary, make_odd_booleans, "an array of booleans has bytes other than 0"),
        (classifier, make_classes_of("a", "b", None), wrong("classes_")),
        (classifier, make_classes_of("a", "b", ["c"]), wrong("classes_")),
        (classifier, make_classes_of("a", "b", {"float": "nan"}), wrong("classes_")),
        (binary, make_classes_of(1, 2, 3), wrong("classes_")),
        (binary, put(np.array(np.nan)), wrong("_params")),
        (binary, put(np.array(np.inf)), wrong("_params")),
        (regressor, put(np.array(np.nan), "target_mean_"), wrong("target_mean_")),
        (regressor, put(np.array(0.0), "target_scale_"), wrong("target_scale_")),
        (
            classifier,
            set_in_generator("pos", 625),
            "the state of a random generator is invalid",
        ),
        (
            classifier,
            set_in_generator("pos", -1),
            "the state of a random generator is invalid",
        ),
        (
            classifier,
            set_in_generator("gauss", 0),
            "the state of a random generator is invalid",
        ),
        (
            classifier,
            set_in_generator("has_gauss", 2),
            "the state of a random generator",
        ),
        (
            classifier,
            set_in_generator("bit_generator", "PCG64"),
            "the state of a random",
        ),
        (
            classifier,
            set_attribute("feature_names_in_", FOUR),
            wrong("feature_names_in_"),
        ),
        (ensemble, halve_the_precision_of_a_member, "the members of its ensemble are"),
        (ensemble, set_in_a_member("classes_", ABC), "the members of its ensemble are"),
        (ensemble, set_in_a_member("_activations", ["relu", "tanh"]), "the members of"),
        (ensemble, take_classifiers_for_regressors, "the members of its ensemble are"),
        (ensemble, set_attribute("estimators_", "x"), "its ensemble has no members"),
        (
            classifier,
            set_attribute("x", 1),
            "attributes of the network are unknown (['",
        ),
        (classifier, set_attribute("n_features_in_", 5), wrong("_layer_sizes")),
        (classifier, have_features_of_fewer_columns, wrong("_params")),
        (
            classifier,
            set_attribute("n_layers_", 3),  # which follows from `_layer_sizes`
            "attributes of the network are unknown (['n_layers_']) or missing ([])",
        ),
        (classifier, set_attribute("_activations", ["relu"]), wrong("_activations")),
        (classifier, set_attribute("_activations", ["x"] * 2), wrong("_activations")),
        (
            classifier,
            set_attribute("loss_curve_", [1.0]),
            wrong("validation_loss_curve_"),
        ),
        (classifier, set_attribute("n_iter_", 3), "attributes of the network are unkn"),
        (classifier, set_attribute("best_iter_", 2), wrong("best_iter_")),
        (classifier, set_attribute("_ended_by", "x"), wrong("_ended_by")),
        (binary, set_attribute("out_activation_", "softmax"), wrong("classes_")),
        (
            regressor,
            set_attribute("out_activation_", "softmax"),
            wrong("out_activation_"),
        ),
        (regressor, set_attribute("_takes_1d", True), wrong("_takes_1d")),
        (regressor, set_attribute("_quantiles", [0.9, 0.1]), wrong("_quantiles")),
        (regressor, set_attribute("_quantiles", [0.5, 0.6, 0.7]), wrong("_quantiles")),
        (regressor, set_attribute("_quantiles", [0.5, 1.0]), wrong("_quantiles")),
        (regressor, set_attribute("_quantiles", [0.5, "a"]), wrong("_quantiles")),
        (
            regressor,
            set_attribute("_quantiles", [0.5, {"float": "nan"}]),
            wrong("_quantiles"),
        ),
        (regressor, set_attribute("_quantiles", 0.5), wrong("_quantiles")),
        # With two quantiles of one column, its mean would be a single number.
        (regressor, set_attribute("_quantiles", [0.1, 0.9]), wrong("target_mean_")),
        (
            ensemble,
            set_attribute("x", 1),
            "the attributes ['x'] of its ensemble are unknown",
        ),
        (ensemble, set_attribute("n_features_in_", 5), "its n_features_in_ differs"),
        (
            ensemble,
            set_attribute("feature_names_in_", None),
            wrong("feature_names_in_"),
        ),
        (ensemble, set_attribute("estimators_", []), "its ensemble has no members"),
    ],
)
def test_a_malicious_description_is_refused(path, files, kind, mutate, reason):
    assert_mutation_refused(path, files, kind, mutate, reason)


def assert_mutation_refused(path, files, kind, mutate, reason):
    opened = Opened(files[MAKERS.index(kind)])
    mutate(opened)
    path.write_bytes(opened.closed())
    start = re.escape(f"not saved by sklearn_deepnet: {reason}")
    with pytest.raises(ModelFileError, match=start):
        load_model(path)


@pytest.mark.parametrize(
    "mutate",
    [
        set_attribute("_training_state", {"tuple": []}),
        set_in_training("x", 1, of_state=False),
        set_in_training("solver", 1, of_state=False),
        set_in_training("monitored", None, of_state=False),
        set_in_training("split_seed", -1, of_state=False),
        set_in_training("split_seed", 2**31, of_state=False),
        set_in_training("last_params", {"array": "x"}, of_state=False),
        set_in_training("x", 1),
        set_in_training("generators", []),
        set_in_training("generators", [{"array": "x"}]),
        set_in_training(
            "moments", [{"array": "x"}, {"array": "_training_state.4.1.0"}]
        ),
        halve_the_precision,
        set_in_training("moments", [{"array": "_training_state.4.1.0"}]),
        take_a_tuple_of_generators,
        set_in_training("moments", [None, None]),
        set_in_training("n_steps", -1),
        set_in_training("n_epochs", 2**62),
        set_in_training("horizon", "1"),
        set_in_training("schedule_states", []),
        set_in_training("schedule_states", [{"array": "x"}]),
        set_in_training("schedule_states", [None]),
        set_in_training("first_loss", 0.5),
        set_in_training("reference", None),
        set_in_training("n_stale", 0),
        set_in_training("best_iter", {"array": "x"}),
        set_in_training("best_params", {"array": "x"}),
    ],
)
def test_a_wrong_state_of_training_is_refused(path, files, mutate):
    assert_mutation_refused(path, files, classifier, mutate, wrong("_training_state"))


@pytest.mark.parametrize("name", ["last_params", "best_params"])
def test_parameters_of_the_state_are_finite(path, files, name):
    place = "_training_state.3" if name == "last_params" else "_training_state.4.11"
    mutate = put(np.array(np.nan), place)
    assert_mutation_refused(path, files, classifier, mutate, wrong("_training_state"))
