"""Files of records that only ever grow: a line of JSON each, after its checksum.

Whenever a process is killed, or the power fails, all records but the last are safe on
the disk: each is written by one call and synchronized before the next is begun. So a
last record that is incomplete is no damage. It is ignored, and overwritten by the next.
"""

import json
import os
from pathlib import Path
from typing import Any
from zlib import crc32

from .container import name_unreadable, replace_file

_FIRST_LINE = b"sklearn_deepnet records\n"  # no container begins so


def has_records(path: Path) -> bool:
    """Return whether a file is one of records."""
    with open(path, "rb") as file:
        return file.read(len(_FIRST_LINE)) == _FIRST_LINE


def begin_records(path: Path, first: dict[str, Any], n_bytes: int) -> int:
    """Create a file of one record, or cut one that is there after `n_bytes`.

    Returns
    -------
    n_bytes : int
        Where the next record begins.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if n_bytes:
        with open(path, "r+b") as file:
            file.truncate(n_bytes)
        return n_bytes
    text = _FIRST_LINE + _encode_line(first)
    # The first record says what all others are of, so it is there from the beginning.
    replace_file(path, lambda file: file.write(text))
    return len(text)


def append_record(path: Path, record: dict[str, Any], n_bytes: int) -> int:
    """Write a record after `n_bytes` of a file, and return where the next one begins.

    Raises
    ------
    OSError
        If it cannot be written. A part of it may be in the file, which the next call
        overwrites.
    """
    line = _encode_line(record)
    with open(path, "r+b") as file:
        file.truncate(n_bytes)
        file.seek(n_bytes)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return n_bytes + len(line)


def read_records(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the records of a file, and the bytes up to the end of the last.

    Raises
    ------
    ModelFileError
        If one that is not the last is damaged, or the only one.
    """
    data = path.read_bytes()
    with name_unreadable(path):
        *lines, incomplete = data[len(_FIRST_LINE) :].split(b"\n")
        records, n_bytes = [], len(_FIRST_LINE)
        for number, line in enumerate(lines, start=1):
            checksum, _, text = line.partition(b" ")
            if checksum != _checksum(text):
                # Blocks of a file may reach the disk in any order, its end first.
                if number == len(lines) > 1 and not incomplete:
                    break
                raise ValueError(f"the checksum of record {number} is wrong")
            record = json.loads(text)
            if not isinstance(record, dict):
                raise ValueError(f"record {number} is not one of a checkpoint")
            records.append(record)
            n_bytes += len(line) + 1
        if not records:
            raise ValueError("its first record is incomplete")
    return records, n_bytes


def _encode_line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record).encode()
    return _checksum(text) + b" " + text + b"\n"


def _checksum(text: bytes) -> bytes:
    return b"%08x" % crc32(text)
