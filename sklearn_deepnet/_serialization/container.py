"""Files that contain arrays and a description of them, but no code.

The layout is that of safetensors: eight bytes with the length of a header, the header
as JSON, then the bytes of the arrays. NumPy can read it in a few lines, and so can the
safetensors libraries. Nothing is compressed, so that no array is larger than the file.
Nothing is used before a checksum of the whole file has been verified.
"""

import errno
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ModelFileError

try:
    import fcntl
except ModuleNotFoundError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_DESCRIPTION_KEY = "sklearn_deepnet"  # in the header's metadata
_MAX_HEADER_BYTES = 2**24  # parsed JSON may take twenty times as much memory
_MAX_ITEMS = 2**48  # length of an axis that NumPy supports
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


class Arrays(dict[str, NDArray[Any]]):
    """Arrays of a file, and the number of bytes of text decoded so far."""

    n_text_bytes = 0


def can_hold(dtype: np.dtype[Any]) -> bool:
    """Return whether arrays of `dtype` may be written."""
    return dtype.newbyteorder("<") in _NAMES


def write_container(
    file: BinaryIO, description: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a description and arrays to a file.

    Parameters
    ----------
    file : binary file
        The file, which is written from its current position.
    description : dict
        Describes the arrays. It must be serializable as JSON.
    arrays : mapping of str to ndarray
        Arrays of numbers or booleans, of any shape.
    """
    entries, parts, end = {}, [], 0
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<")
        part = np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8)
        entries[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end + part.size],
        }
        end += part.size
        parts.append(part)
    text_of_description = json.dumps(description, allow_nan=False)
    header = {"__metadata__": {_DESCRIPTION_KEY: text_of_description}, **entries}
    sha256 = _begin_hash(header)
    for part in parts:
        sha256.update(part)
    header["__metadata__"]["sha256"] = sha256.hexdigest()
    text = _to_json(header)
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    if len(text) > _MAX_HEADER_BYTES:
        raise ValueError(
            f"The values that are not arrays take {len(text)} bytes, but a model file "
            f"holds at most {_MAX_HEADER_BYTES}. Use joblib.dump instead."
        )
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for part in parts:
        file.write(part.data)


def read_container(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return the description and the arrays of a file.

    Raises
    ------
    ModelFileError
        If the file was not written by `write_container`, or is damaged.
    OSError
        If the file cannot be opened.
    """
    with open(path, "rb") as file, name_unreadable(path):
        return _read(file, os.fstat(file.fileno()).st_size)


@contextmanager
def name_unreadable(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors about the contents of a file into a `ModelFileError`."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{os.fspath(path)!r} is damaged or was not saved by sklearn_deepnet: "
            f"{error}."
        ) from error


def _read(file: BinaryIO, n_bytes: int) -> tuple[dict[str, Any], Arrays]:
    start = file.read(8)
    n_header = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= n_header <= min(_MAX_HEADER_BYTES, n_bytes - 8):
        raise ValueError("it does not begin with a valid header")
    header = json.loads(file.read(n_header).decode("utf-8"))
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__"), dict):
        raise ValueError("its header has no metadata")
    expected = header["__metadata__"].pop("sha256", None)
    sha256 = _begin_hash(header)
    text_of_description = header.pop("__metadata__").get(_DESCRIPTION_KEY)
    if not isinstance(text_of_description, str):
        raise ValueError("its metadata has no description of the contents")
    arrays, end = Arrays(), 0
    for name, entry in header.items():
        dtype, shape, end = _check_entry(entry, end, n_bytes - 8 - n_header)
        flat = np.empty(math.prod(shape), dtype)
        # np.fromfile raises a TypeError in place of a KeyboardInterrupt
        file.readinto(flat.view(np.uint8))
        sha256.update(flat.view(np.uint8))
        if dtype == np.bool_ and flat.view(np.uint8).max(initial=0) > 1:
            raise ValueError("an array of booleans has bytes other than 0 and 1")
        arrays[name] = flat.reshape(shape)
    if end != n_bytes - 8 - n_header:
        raise ValueError("its size does not match its header")
    if sha256.hexdigest() != expected:
        raise ValueError("its checksum is wrong")
    description = json.loads(text_of_description)
    if not isinstance(description, dict):
        raise ValueError("its description is invalid")
    return description, arrays


def _check_entry(
    entry: Any, start: int, n_bytes: int
) -> tuple[np.dtype[Any], list[int], int]:
    """Return dtype, shape and end of an array, which must lie within the file.

    Arrays must follow each other without gaps. So they cannot overlap, and together
    they are no larger than the file.
    """
    try:
        code, shape, (begin, end) = (
            entry[key] for key in ("dtype", "shape", "data_offsets")
        )
        dtype = np.dtype(_DTYPES[code])
    except (KeyError, TypeError) as error:
        raise ValueError("its header describes an array wrongly") from error
    counts = [begin, end, *shape] if isinstance(shape, list) else [None]
    are_counts = all(type(n) is int and 0 <= n < _MAX_ITEMS for n in counts)
    if not are_counts or len(shape) > 8:
        raise ValueError("its header describes an array wrongly")
    n_own = math.prod(shape) * dtype.itemsize
    if begin != start or end > n_bytes or end - begin != n_own:
        raise ValueError("the size of an array does not match its shape")
    return dtype, shape, end


def _begin_hash(header: dict[str, Any]) -> Any:
    return hashlib.sha256(_to_json(header))


def _to_json(header: dict[str, Any]) -> bytes:
    return json.dumps(header, separators=(",", ":"), allow_nan=False).encode()


def replace_file(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], None]
) -> None:
    """Write a file under a temporary name, and rename it once it is on the disk.

    Whenever the process is killed, `path` is either the complete old file or the
    complete new one. If writing fails, the old file is kept.
    """
    path = Path(os.path.realpath(path))
    check_target(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            with suppress(OSError):  # of a file system without locks
                _lock(file)
            with suppress(OSError):  # no old file, or it has another owner
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            write(file)
            file.flush()
            # This comes before the rename. After a power failure, the new name may be
            # on the disk while the contents are not.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def check_target(path: Path) -> None:
    """Raise an `OSError` unless a file can be written there.

    Its folder must exist, and what has its name must be a file: to replace a device or
    a pipe would break what uses it.
    """
    folder = path.parent
    if not folder.is_dir():
        if folder.exists():
            code, problem = errno.ENOTDIR, f"'{folder}' is not a folder"
        else:
            code, problem = errno.ENOENT, f"The folder '{folder}' does not exist"
        raise OSError(code, problem, str(path))
    if path.exists() and not path.is_file():
        code, what = errno.EINVAL, "a device, a pipe or a socket"
        if path.is_dir():
            code, what = errno.EISDIR, "a folder"
        raise OSError(code, f"'{path}' is {what}, which no file replaces", str(path))


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove temporary files of `replace_file` that a killed process has left."""
    path = Path(os.path.realpath(path))
    check_target(path)
    start = f".{path.name}."
    for name in os.listdir(path.parent):
        token = name.removeprefix(start).removesuffix(".tmp")
        if name == f"{start}{token}.tmp" and re.fullmatch("[0-9a-f]{16}", token):
            # It may also be of a process that writes at this moment, or be gone
            with suppress(OSError):
                with open(path.parent / name, "rb") as file:
                    _lock(file)
                (path.parent / name).unlink()


def _lock(file: BinaryIO) -> None:
    """Lock a file, or raise an `OSError` if another process has locked it.

    Windows has no such lock, and refuses to remove a file that is open.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    """Write a new name to the disk, if folders can be opened (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot do so; the file is complete
    finally:
        os.close(handle)
