"""What a model file or a checkpoint may replace: a file, and nothing else."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from sklearn.datasets import load_iris

from sklearn_deepnet import (
    DeepNetClassifier,
    StackedGridSearchCV,
    load_model,
    save_model,
)

X, y = load_iris(return_X_y=True)
NET = DeepNetClassifier((4,), n_iter=3, tol=None, random_state=0)


def save(path):
    save_model(DeepNetClassifier(**NET.get_params()).fit(X, y), path)


def fit(path):
    DeepNetClassifier(**NET.get_params()).fit(X, y, checkpoint=path)


def search(path):
    StackedGridSearchCV(NET, {"alpha": [0, 1]}, cv=2).fit(X, y, checkpoint=path)


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    # A path longer than a hundred characters is too long for a socket
    folder, before = path.parent, os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as it:
            it.bind(path.name)
    finally:
        os.chdir(before)


def make_folder(path):
    path.mkdir()
    (path / "content").write_text("of the user")


def make_link_to_a_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such files")
@pytest.mark.parametrize("write", [save, fit, search])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_pipe, "a device, a pipe or a socket"),
        (make_link_to_a_pipe, "a device, a pipe or a socket"),
        (make_socket, "a device, a pipe or a socket"),
        (make_folder, "a folder"),
    ],
)
def test_what_is_no_file_is_not_replaced(make, what, write, tmp_path):
    path = tmp_path / "net"
    make(path)
    before = sorted((it, os.lstat(it).st_ino) for it in tmp_path.rglob("*"))
    name = re.escape(os.path.realpath(path))
    with pytest.raises(OSError, match=rf"'{name}' is {what}, which no file replaces"):
        write(path)
    assert sorted((it, os.lstat(it).st_ino) for it in tmp_path.rglob("*")) == before


SAVE_SLOWLY = """
import os, sys
from sklearn_deepnet._serialization.container import replace_file

def write(file):
    file.write(b"half")
    print("begun", flush=True)
    sys.stdin.readline()

replace_file(sys.argv[1], write)
"""


def begin_to_save(path):
    """Return a process that is amid a write to `path`, until it gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_SLOWLY, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"begun\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("write", [save, fit])
def test_what_a_killed_process_left_is_removed_by_the_next(write, tmp_path):
    path = tmp_path / "net"
    process = begin_to_save(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(tmp_path.iterdir())) == 1
    write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert load_model(path).n_iter_ == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="by other means there")
def test_a_file_that_another_process_is_writing_is_not_removed(tmp_path):
    path = tmp_path / "net"
    process = begin_to_save(path)
    save(path)
    assert load_model(path).n_iter_ == 3
    process.communicate(b"\n")
    assert process.returncode == 0
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]
