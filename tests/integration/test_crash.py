"""Real crashes: a process that is killed, a full disk, a folder that is read-only.

Each runs in its own process, and prints what it has found.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX"),
]

START = """
import io, os, random, resource, signal, sys, time, warnings
import numpy as np
from sklearn.datasets import load_digits
from sklearn_deepnet import Checkpoint, DeepNetClassifier, load_model

warnings.simplefilter("error")
X, y = load_digits(return_X_y=True)
X = X[:600] / 16
y = y[:600]
folder = sys.argv[1]
path = os.path.join(folder, "net.safetensors")

def net(**parameters):
    return DeepNetClassifier((150, 50), n_iter=150, tol=None, random_state=0,
        early_stopping=True, dropout=0.1, schedule="cosine", **parameters)

def fit(**parameters):
    return net(**parameters).fit(X, y, checkpoint=Checkpoint(path, every=1))

class Screen(io.StringIO):
    # does something when a line is printed
    def __init__(self, at, what):
        super().__init__()
        self.left, self.what = at, what

    def write(self, text):
        self.left -= text.count("\\n")
        if self.left == 0:
            self.left = -1
            self.what()
        return len(text)
"""

KILL = """
def number():
    return os.stat(path).st_ino if os.path.exists(path) else 0

def kill_one(n_writes, seconds):
    # at some moment after it has written so many times
    before, child = number(), os.fork()
    if not child:
        fit()
        os._exit(0)
    for _ in range(n_writes):
        while number() == before:
            time.sleep(0.0005)
        before = number()
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was done too soon"

alone = net().fit(X, y)
start = time.perf_counter()
fit()  # with all the writing
seconds = (time.perf_counter() - start) / 150
os.remove(path)
rng, made, left = random.Random(int(sys.argv[2])), [0], []
for _ in range(20):
    kill_one(rng.randrange(4), rng.uniform(0, 2 * seconds))
    left.append(len(set(os.listdir(folder)) - {"net.safetensors"}))
    if os.path.exists(path):
        made.append(load_model(path).n_iter_)
        assert made[-1] >= made[-2]
print("epochs at each kill", made, "left behind", left, file=sys.stderr)
assert 10 < made[-1] < 150
resumed = fit()
for name in ("_params", "loss_curve_", "validation_loss_curve_", "best_iter_"):
    np.testing.assert_array_equal(getattr(resumed, name), getattr(alone, name))
np.testing.assert_array_equal(load_model(path)._params, alone._params)
assert os.listdir(folder) == ["net.safetensors"]
print("equal")
"""

# a limit on the size of files raises the same way as a full disk
FULL = """
def make_trouble():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, -1))
"""

# root may write anywhere, so become somebody else
SHUT = """
def make_trouble():
    os.chmod(folder, 0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
"""

AT_FIRST = """
make_trouble()
estimator = net()
try:
    estimator.fit(X, y, checkpoint=path)
except OSError as error:
    print(type(error).__name__, error)
assert os.listdir(folder) == [] and vars(estimator) == vars(net())
"""

LATER = """
out, sys.stdout = sys.stdout, Screen(21, make_trouble)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    trained = fit(verbose=2)
sys.stdout = out
assert len(caught) == 130 + 1, len(caught)  # epochs 21 to 150, and the end
print(caught[0].category.__name__, caught[0].message)
np.testing.assert_array_equal(trained._params, net().fit(X, y)._params)
assert load_model(path).n_iter_ == 20
assert os.listdir(folder) == ["net.safetensors"]
"""

SPACE_AGAIN = """
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
np.testing.assert_array_equal(fit()._params, trained._params)
"""


@pytest.fixture
def folder():
    """A folder that others may read, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
        os.chmod(name, 0o755)


def run(script, folder, *arguments):
    command = [sys.executable, "-c", START + script, str(folder), *arguments]
    # one thread, so that a fork has all there is
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.longest
def test_training_killed_twenty_times_equals_training_at_once(folder):
    assert run(KILL, folder, "0") == "equal"


def test_a_full_disk_is_an_error_before_training(folder):
    assert run(FULL + AT_FIRST, folder) == (
        "OSError [Errno 27] The checkpoint cannot be written, so training was not "
        f"started: File too large: '{folder}/net.safetensors'"
    )


def test_training_continues_when_the_disk_is_full(folder):
    assert run(FULL + LATER + SPACE_AGAIN, folder) == (
        f"CheckpointWarning The checkpoint '{folder}/net.safetensors' could not be "
        "written after 21 epochs: File too large. The previous file is kept, and "
        "training continues."
    )


def test_a_folder_that_is_not_writable_is_an_error_before_training(folder):
    assert run(SHUT + AT_FIRST, folder) == (
        "PermissionError [Errno 13] The checkpoint cannot be written, so training was "
        f"not started: Permission denied: '{folder}/net.safetensors'"
    )


def test_training_continues_when_the_folder_is_not_writable(folder):
    assert run(SHUT + LATER, folder) == (
        f"CheckpointWarning The checkpoint '{folder}/net.safetensors' could not be "
        "written after 21 epochs: Permission denied. The previous file is kept, and "
        "training continues."
    )
