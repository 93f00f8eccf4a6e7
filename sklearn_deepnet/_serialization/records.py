"""Files to which records are appended. Each record is a checksum and a line of JSON.

Each record is written by one call, and synchronized to the disk before the next one. If
the process is killed or the power fails, all records are therefore complete except
possibly the last one. An incomplete last record is ignored, and the next record
overwrites it.
"""

import json
import os
from pathlib import Path
from typing import Any
from zlib import crc32

from .container import name_unreadable, replace_file

_FIRST_LINE = b"sklearn_deepnet records\n"  # no container begins like this


def has_records(path: Path) -> bool:
    """Return whether a file is a file of records."""
    with open(path, "rb") as file:
        return file.read(len(_FIRST_LINE)) == _FIRST_LINE


def begin_records(path: Path, first: dict[str, Any], n_bytes: int) -> int:
    """Create a file with one record, or truncate an existing file to `n_bytes`.

    Returns
    -------
    n_bytes : int
        Position of the next record.

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
    # The first record describes all others, so it is written with the file.
    replace_file(path, lambda file: file.write(text))
    return len(text)


def append_record(path: Path, record: dict[str, Any], n_bytes: int) -> int:
    """Write a record at position `n_bytes`, and return the position of the next one.

    Raises
    ------
    OSError
        If the record cannot be written. A part of it may be in the file; the next call
        overwrites it.
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
    """Return the records of a file, and the position after the last one.

    Raises
    ------
    ModelFileError
        If a record other than the last one is damaged, or if the only record is
        damaged.
    """
    data = path.read_bytes()
    with name_unreadable(path):
        *lines, incomplete = data[len(_FIRST_LINE) :].split(b"\n")
        records, n_bytes = [], len(_FIRST_LINE)
        for number, line in enumerate(lines, start=1):
            checksum, _, text = line.partition(b" ")
            if checksum != _checksum(text):
                # The blocks of a file may reach the disk in any order.
                if number == len(lines) > 1 and not incomplete:
                    break
                raise ValueError(f"the checksum of record {number} is wrong")
            record = json.loads(text)
            if not isinstance(record, dict):
                raise ValueError(f"record {number} is invalid")
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
