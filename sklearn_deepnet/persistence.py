"""Save fitted estimators to files that contain only data, and never code.

A file has the layout of safetensors: eight bytes with the length of a header, the
header as JSON, then the arrays, of which ``_params`` holds the weights. The entry
"sklearn_deepnet" of the metadata in the header is JSON again: the class, its
parameters and its fitted attributes.

The format is not ``.npz``, since `numpy.load` may execute code in arrays of objects,
and since a small file with compressed arrays could fill the memory. Here an array is as
large as its part of the file, and a checksum detects damage.
"""

import os
from collections.abc import Iterator
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._serialization.checkpoint import Checkpoint
from ._serialization.container import (
    name_unreadable,
    read_container,
    remove_leftovers,
    replace_file,
    write_container,
)
from ._serialization.encoding import Encoder, decode
from ._serialization.schema import (
    FORMAT,
    encode_attributes,
    encode_params,
    restore_attribute,
    restore_attributes,
)
from ._utils.version import __version__
from .estimators import Model
from .estimators.classifier import DeepNetClassifier
from .estimators.ensemble import DeepNetEnsembleClassifier, DeepNetEnsembleRegressor
from .estimators.fitted import network_of
from .estimators.mixins import value_before, warn_of_version
from .estimators.regressor import DeepNetRegressor
from .nn.activations import ACTIVATIONS, Activation
from .nn.initializers import Initializer, NamedInitializer
from .nn.losses import LOSSES, Loss, LossWithSetting
from .nn.numeric_features import NUMERIC_FEATURES
from .nn.optimizers import SOLVERS
from .nn.schedules import SCHEDULES, Custom

__all__ = ["TRUSTED_TYPES", "Checkpoint", "load_model", "save_model"]

_ENSEMBLES = (DeepNetEnsembleClassifier, DeepNetEnsembleRegressor)
_ENSEMBLE_ATTRIBUTES = ("n_features_in_", "feature_names_in_")
_CLASSES = MappingProxyType(
    {cls.__name__: cls for cls in (DeepNetClassifier, DeepNetRegressor, *_ENSEMBLES)}
)
# Given as names, since this file must not import the searches, and since importing
# tables takes long.
_BY_NAME = (
    "sklearn_deepnet.estimators.tables.columns.ColumnsOf",
    "sklearn_deepnet.estimators.tables.conversion.date_part_names",
    "sklearn_deepnet.estimators.tables.conversion.date_parts",
    "sklearn_deepnet.estimators.tables.conversion.to_floats",
    "sklearn_deepnet.estimators.tables.conversion.to_text",
    "sklearn_deepnet.estimators.tables.pipeline.HighCardinalityEncoder",
    "sklearn_deepnet.estimators.tables.pipeline.TableColumns",
    "sklearn_deepnet.model_selection.search.StackedHalvingGridSearchCV",
    "sklearn_deepnet.model_selection.search.StackedHalvingRandomSearchCV",
    "sklearn_deepnet.model_selection.search.StackedGridSearchCV",
    "sklearn_deepnet.model_selection.search.StackedRandomizedSearchCV",
)
# What encoders of a table hold besides, which skops does not trust by itself
_OF_OTHERS = (
    "numpy.dtype",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
)


def _name_functions() -> Iterator[str]:
    """Yield the names of the functions in components, and of their classes."""
    for cls in (
        Activation,
        Custom,
        Initializer,
        Loss,
        NamedInitializer,
        LossWithSetting,
    ):
        yield f"{cls.__module__}.{cls.__name__}"
    for components in (ACTIVATIONS.values(), LOSSES.values()):
        for it in filter(callable, chain(*components)):
            function = it.function if isinstance(it, LossWithSetting) else it
            yield _name_of(function)


def _name_of(function: Any) -> str:
    return f"{function.__module__}.{function.__name__}"


# For ``skops.io.load(path, trusted=...)``. Creating these objects only sets attributes,
# and the functions only compute with arrays.
TRUSTED_TYPES = tuple(
    sorted(
        {
            f"{it.__module__}.{it.__qualname__}"
            for table in (_CLASSES, SOLVERS, SCHEDULES, NUMERIC_FEATURES)
            for it in table.values()
        }.union(_BY_NAME, _OF_OTHERS, _name_functions())
    )
)


def save_model(estimator: Model, path: str | os.PathLike[str]) -> None:
    """Save a fitted network or ensemble to a file that contains no code.

    The file contains the parameters, weights, learning curves and classes. After a fit
    with `warm_start` or after ``partial_fit``, it also contains the state that is
    needed to continue training exactly. Callbacks and metadata routing requests are not
    saved.

    Parameters
    ----------
    estimator : DeepNetClassifier, DeepNetRegressor, or an ensemble of these
        The fitted network or ensemble. To save a pipeline, use skops or joblib, or save
        its network, which is ``pipeline[-1]``.
    path : str or path
        Path of the file, for example ``"net.safetensors"``. Its folder must exist. An
        existing file is replaced only when the new one is complete, so it is kept if
        writing fails.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is another object, such as a pipeline, a search or an instance of a
        subclass.
    ValueError
        If a parameter is a function or an object that you have defined, or if a fitted
        attribute cannot be saved.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_model : Load the estimator from the file.
    sklearn_deepnet.onnx.to_onnx : Export it for programs that do not use Python.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_deepnet import DeepNetClassifier, load_model, save_model
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier((8,), n_iter=20, tol=None, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "net.safetensors")
    ...     save_model(net, path)
    ...     loaded = load_model(path)
    >>> bool((loaded.predict_proba(X) == net.predict_proba(X)).all())
    True
    """
    check_is_fitted(estimator)
    encoder = Encoder()
    description = {"format": FORMAT, "version": __version__}
    description |= _encode_model(estimator, encoder)
    remove_leftovers(path)
    replace_file(path, lambda file: write_container(file, description, encoder.arrays))


def _encode_model(estimator: Any, encoder: Encoder, name: str = "") -> dict[str, Any]:
    model = _encode_unfitted(estimator, encoder, name)
    if not isinstance(estimator, _ENSEMBLES):
        return model | {"attributes": encode_attributes(estimator, encoder, name)}
    members = [
        _encode_model(member, encoder, f"estimators_.{k}.")
        for k, member in enumerate(estimator.estimators_)
    ]
    attributes = {
        key: encoder.encode(value, key)
        for key, value in vars(estimator).items()
        if key in _ENSEMBLE_ATTRIBUTES
    }
    return model | {"attributes": {"estimators_": members, **attributes}}


def _encode_unfitted(
    estimator: Any, encoder: Encoder, name: str = ""
) -> dict[str, Any]:
    """Return the class and the parameters, also those of the members."""
    if type(estimator) not in _CLASSES.values():
        raise TypeError(
            f"save_model supports {', '.join(sorted(_CLASSES))}, but not "
            f"{type(estimator).__name__}. {_advise_on_saving(estimator)}"
        )
    params, unsaved = encode_params(estimator, encoder, name)
    if "estimator" in unsaved:
        params["estimator"] = _encode_unfitted(
            estimator.estimator, encoder, f"{name}estimator."
        )
        unsaved.remove("estimator")
    if unsaved:
        raise ValueError(
            f"{unsaved[0]}={getattr(estimator, unsaved[0])!r} cannot be saved in a "
            "model file, which contains no code. Use a component of this library, or "
            "save the estimator by joblib.dump."
        )
    return {"class": type(estimator).__name__, "params": params}


def _advise_on_saving(estimator: Any) -> str:
    """Return how to save an estimator that a model file cannot hold."""
    if isinstance(estimator, Pipeline):
        what, how = "pipeline", "its network by save_model(pipeline[-1], path)"
    elif hasattr(estimator, "best_estimator_"):
        what = "search"
        how = "its best network by save_model(search.best_estimator_, path)"
    else:
        return "Use skops.io.dump or joblib.dump instead."
    return f"Save the {what} by skops.io.dump or joblib.dump, or {how}."


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load an estimator from a file of `save_model` or a `Checkpoint`.

    Nothing in the file is executed, and its arrays take no more memory than the size of
    the file. The worst that a malicious file can do is to give wrong predictions, so
    trust the predictions as much as you trust the author of the file.

    Parameters
    ----------
    path : str or path
        Path of the file.

    Returns
    -------
    estimator : DeepNetClassifier, DeepNetRegressor, or an ensemble of these
        The fitted estimator. If an older version saved the file, parameters that did
        not exist then have values that keep the behavior of that version, such as
        ``input_scaling=None``.

    Raises
    ------
    ModelFileError
        If the file is damaged, was not written by this library, or has a newer format.
        Also if it is a checkpoint of a network with functions or objects that you have
        defined.
    OSError
        If the file cannot be opened.

    Warns
    -----
    VersionWarning
        If the file was saved with another version of this library.

    Examples
    --------
    See `save_model`.
    """
    description, arrays = read_container(path)
    with name_unreadable(path):
        estimator, version = _decode_file(description, arrays)
    warn_of_version(type(estimator).__name__, version)
    return estimator


def _decode_file(
    description: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> tuple[Any, str]:
    """Return the estimator, and the version of this library that wrote it."""
    version = description.get("version")
    if description.get("format") != FORMAT or not isinstance(version, str):
        raise ValueError(
            f"it has the format {description.get('format')!r:.40} of sklearn_deepnet "
            f"{version!r:.40}, but sklearn_deepnet {__version__} reads only format "
            f"{FORMAT}"
        )
    return _decode_model(description, arrays), version


def _decode_model(description: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return an estimator with parameters and attributes, or raise a ValueError."""
    estimator = _decode_unfitted(description, arrays)
    attributes = description.get("attributes")
    if isinstance(estimator, _ENSEMBLES):
        _set_members(estimator, attributes, arrays)
    else:
        restore_attributes(estimator, attributes, arrays)
    return estimator


def _decode_unfitted(description: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return an estimator that is not fitted."""
    name = description.get("class") if isinstance(description, dict) else None
    if not isinstance(name, str) or name not in _CLASSES:
        raise ValueError(f"its class {name!r:.40} is unknown")
    if description.get("unsaved"):
        raise ValueError(
            f"it is a checkpoint that lacks {description['unsaved']!r:.80}, which "
            "are code; call fit with the same parameters and this checkpoint instead"
        )
    cls, encoded = _CLASSES[name], description.get("params")
    estimator = cls()
    if not isinstance(encoded, dict):
        raise ValueError("its parameters are missing")
    unknown = sorted(encoded.keys() - estimator.get_params(deep=False))
    if unknown:
        raise ValueError(f"its parameters {unknown!r:.80} are unknown to {name}")
    has_member_params = (
        isinstance(estimator, _ENSEMBLES) and encoded.get("estimator") is not None
    )
    params = {
        key: _decode_unfitted(value, arrays)
        if has_member_params and key == "estimator"
        else decode(value, arrays)
        for key, value in encoded.items()
    }
    if has_member_params and type(params["estimator"]) is not cls._member:
        raise ValueError(f"the members of its {name} are not {cls._member.__name__}")
    before = {
        key: value_before(key, default)
        for key, default in estimator.get_params(deep=False).items()
        if key not in params
    }
    return estimator.set_params(**before, **params)


def _set_members(
    ensemble: Any, attributes: Any, arrays: dict[str, NDArray[Any]]
) -> None:
    members = attributes.get("estimators_") if isinstance(attributes, dict) else None
    if not isinstance(members, list) or not members:
        raise ValueError("its ensemble has no members")
    unknown = sorted(attributes.keys() - {"estimators_", *_ENSEMBLE_ATTRIBUTES})
    if unknown:
        raise ValueError(f"the attributes {unknown!r:.80} of its ensemble are unknown")
    estimators = [_decode_model(member, arrays) for member in members]
    for key in _ENSEMBLE_ATTRIBUTES:
        if key in attributes:
            restore_attribute(ensemble, key, attributes[key], arrays)
    first = estimators[0]
    are_members = type(first) is ensemble._member
    if not are_members or any(not _are_alike(one, first) for one in estimators):
        raise ValueError("the members of its ensemble are not alike")
    if vars(ensemble).get("n_features_in_") != first.n_features_in_:
        raise ValueError("its n_features_in_ differs from that of its members")
    ensemble.estimators_ = estimators


def _are_alike(member: Any, first: Any) -> bool:
    """Return whether the predictions of both can be averaged."""
    names = ("out_activation_", "_takes_1d", "_quantiles")
    one, other = network_of(member), network_of(first)
    return (
        type(member) is type(first)
        and one.layer_sizes == other.layer_sizes
        and one.n_frequencies == other.n_frequencies
        and one.activations == other.activations
        and one.params.dtype == other.params.dtype
        and _kind_of_scaling(one) == _kind_of_scaling(other)
        and all(getattr(member, k, 0) == getattr(first, k, 0) for k in names)
        and np.array_equal(*(getattr(net, "classes_", 0) for net in (member, first)))
    )


def _kind_of_scaling(network: Any) -> bool | None:
    return network.input_scaling and network.input_scaling.squashes
