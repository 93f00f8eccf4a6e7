"""What an import of the package loads, in a new process."""

import subprocess
import sys

import pytest

import sklearn_deepnet

pytestmark = pytest.mark.slow


def run(code):
    """Return the output of a new process, split at spaces."""
    command = [sys.executable, "-c", f"import sys\n{code}"]
    return subprocess.check_output(command, text=True).split()


def modules_after(code):
    return {*run(f"{code}\nprint(*sys.modules)")}


@pytest.mark.parametrize(
    "code", ["import sklearn_deepnet", "from sklearn_deepnet import DeepNetClassifier"]
)
def test_import_loads_little_beyond_networks_of_sklearn(code):
    beyond = modules_after(code) - modules_after("import sklearn.neural_network")
    libraries = {name.partition(".")[0] for name in beyond}
    assert libraries - sys.stdlib_module_names <= {"sklearn_deepnet", "sklearn"}
    of_sklearn = {".".join(it.split(".")[:2]) for it in beyond if it[:8] == "sklearn."}
    assert of_sklearn <= {
        "sklearn.pipeline",
        "sklearn.model_selection",
        "sklearn.utils",
    }


def test_import_loads_sklearn_from_as_few_imports_as_it_can():
    names = run("import sklearn_deepnet\nprint(*sys.modules)")
    own = [name for name in names if name.startswith("sklearn_deepnet.")]
    assert names.index("sklearn") < names.index(own[0])


def test_import_does_not_look_for_libraries_of_threads():
    code = "from sklearn_deepnet._engine.network import blas_libraries as it\n"
    assert run(f"{code}print(it.cache_info().currsize)") == ["0"]


def test_import_makes_the_backend_known_to_joblib():
    code = (
        "import joblib, sklearn_deepnet\n"
        "with joblib.parallel_config(backend='stacked'):\n"
        "    print(type(joblib.parallel.get_active_backend()[0]).__name__)"
    )
    assert run(code) == ["StackedBackend"]


def test_what_is_imported_later_is_found_like_the_rest():
    code = (
        "import sklearn_deepnet as it\n"
        "for part in ('estimators.tables', 'inspection'):\n"
        "    assert f'sklearn_deepnet.{part}' not in sys.modules\n"
        "assert {*it.__all__} <= {*dir(it)}\n"
        "print(it.inspection.diagnose is it.diagnose)\n"  # before any of its names
        "print(it.make_table_pipeline.__name__, it.diagnose.__name__)\n"
        "print(*[name for name in it.__all__ if getattr(it, name, None) is None])"
    )
    assert run(code) == ["True", "make_table_pipeline", "diagnose"]


def test_a_name_that_the_package_lacks_is_an_attribute_error():
    expected = "^module 'sklearn_deepnet' has no attribute 'DeepNet'$"
    with pytest.raises(AttributeError, match=expected):
        sklearn_deepnet.DeepNet  # noqa: B018
