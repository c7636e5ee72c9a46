# SPDX-License-Identifier: Apache-2.0
"""Training runs on machines that have torch, NumPy, Pillow, safetensors and tqdm, and no more."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import crossband

PACKAGE = Path(crossband.__file__).parent
MODULES = sorted((PACKAGE / "training").glob("*.py"))
ALLOWED = {"crossband", "torch", "numpy", "PIL", "safetensors", "tqdm"}
ELSEWHERE = (
    *("constriction", "crc32c", "typer", "click", "rich", "tifffile", "imagecodecs"),
    *("av", "matplotlib", "pytorch_msssim", "bjontegaard", "hypothesis"),
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_training_module_imports_only_what_is_allowed(path: Path) -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level
            names.add(node.module)
    outer = {name.split(".")[0] for name in names}
    assert outer - set(sys.stdlib_module_names) <= ALLOWED


def test_training_and_export_load_without_what_only_coding_needs() -> None:
    modules = [f"crossband.training.{path.stem}" for path in MODULES if path.stem != "__init__"]
    program = f"""
import importlib, sys
for name in {(*ELSEWHERE, "tqdm")}:
    sys.modules[name] = None  # importing it raises ImportError
for name in {modules}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": "", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
