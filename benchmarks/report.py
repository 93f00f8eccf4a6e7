"""What all benchmarks print, the machine line and markdown tables, and save as JSON."""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info


def machine_line() -> str:
    """Say on one line what the numbers below were measured on."""
    # Loaded BLAS libraries: NumPy's and, once it is imported, SciPy's.
    blas = {
        f"{lib['internal_api']} {lib['version']} ({lib.get('architecture')})"
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    parts = [
        _processor(),
        f"{os.cpu_count()} cores",
        f"Python {platform.python_version()}",
        f"NumPy {np.__version__}",
        *sorted(blas),
        f"scikit-learn {_version('scikit-learn')}",
        f"PyTorch {_version('torch')}",
    ]
    return ", ".join(parts)


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the option that all have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the results")
    return parser


def save(path: Path | None, **results: Any) -> None:
    """Write what was measured, and on what, if there is a file to write to."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine_line(), **results}) + "\n")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table that reads as plain text and as markdown."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([line(header), rule, *map(line, rows)])


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere what platform knows
    if cpuinfo.exists():
        for entry in cpuinfo.read_text().splitlines():
            if entry.startswith("model name"):
                return entry.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
