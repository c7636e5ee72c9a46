# SPDX-License-Identifier: Apache-2.0
"""Which file may know which: the rules that keep the tree honest."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import crossband

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "crossband"
STAGES = ("sources", "prepare", "transforms", "entropy", "container")
VALUES = ("pair", "homography", "errors")
WITHOUT_TORCH = ("sources", "container", "errors", "pair", "homography", "__init__")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """The folder or file directly under the package that holds this file."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Absolute dotted names of everything the file imports, wherever in the file."""
    package = ["crossband", *path.relative_to(PACKAGE).parts[:-1]]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_stage_imports_only_values_and_itself(path: Path) -> None:
    stage = part_of(path)
    if stage not in STAGES:
        return
    allowed = (*VALUES, stage)
    inner = {name for name in imports(path) if name.split(".")[0] == "crossband"}
    assert {name for name in inner if name.split(".")[1] not in allowed} == set()


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_what_answers_without_weights_never_imports_torch(path: Path) -> None:
    if part_of(path) in WITHOUT_TORCH:
        assert "torch" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_module_is_named_after_what_it_holds(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    assert not FORBIDDEN_NAMES & set(parts)


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_module_states_licence_and_purpose(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_every_test_states_its_licence(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: Apache-2.0\n")


@pytest.mark.parametrize(
    "path", [path for path in MODULES if ">>> " in path.read_text(encoding="utf-8")], ids=module_id
)
def test_docstring_examples_run(path: Path) -> None:
    dotted = ".".join(("crossband", *path.relative_to(PACKAGE).with_suffix("").parts))
    module = importlib.import_module(dotted.removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0


def in_fresh_python(program: str) -> object:
    """What the program prints, as JSON, from a process that has imported nothing yet."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
    )
    return json.loads(done.stdout)


def test_importing_crossband_imports_numpy_and_little_else() -> None:
    program = "import crossband, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = in_fresh_python(program)
    assert isinstance(loaded, list)
    heavy = {"torch", "PIL", "tifffile", "constriction", "safetensors", "typer", "rich", "av"}
    assert heavy & set(loaded) == set()


def test_importing_crossband_opens_no_file_of_its_own_and_no_socket() -> None:
    program = """
import json, sys, numpy
seen = []
def hook(event, args):
    if event == "open" and not str(args[0]).endswith((".py", ".pyc")):
        seen.append(str(args[0]))
    if event.startswith("socket."):
        seen.append(event)
sys.addaudithook(hook)
import crossband
print(json.dumps(seen))
"""
    # Temporary names of caches that Python itself writes end in .pyc.<number>.
    opened = in_fresh_python(program)
    assert isinstance(opened, list)
    assert [name for name in opened if ".pyc" not in name] == []


def test_importing_crossband_takes_less_than_0_3_seconds() -> None:
    # Processor time, not the clock's: other work on the machine must not fail the test. The first
    # run fills the file cache; three tries because a full machine slows memory down as well.
    program = "import time; import crossband; print(time.process_time())"
    in_fresh_python(program)
    medians = []
    for _ in range(3):
        medians.append(statistics.median(float(str(in_fresh_python(program))) for _ in range(5)))
        if medians[-1] < 0.3:
            return
    pytest.fail(f"median seconds of three tries: {medians}")


def test_public_names_are_these_and_no_others() -> None:
    assert sorted(crossband.__all__) == [
        "Camera",
        "Clip",
        "CorruptStream",
        "CrossbandError",
        "Film",
        "Frame",
        "Homography",
        "InputError",
        "Metadata",
        "MissingPicture",
        "MissingWeights",
        "Modality",
        "NotCrossband",
        "OutputError",
        "Pair",
        "PictureError",
        "Raster",
        "SourceError",
        "StreamError",
        "TargetUnreachable",
        "TrainingError",
        "UnsupportedVersion",
        "Writer",
        "__version__",
        "decode",
        "encode",
        "info",
        "load",
        "open",
    ]
    assert all(hasattr(crossband, name) for name in crossband.__all__)


def test_every_error_is_public_and_in_one_tree() -> None:
    tree = importlib.import_module("crossband.errors")
    errors = {
        name
        for name, value in vars(tree).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert errors <= set(crossband.__all__)
    assert all(issubclass(getattr(crossband, name), crossband.CrossbandError) for name in errors)


def test_nothing_writes_to_standard_output_but_the_command_line() -> None:
    printing = [
        module_id(path)
        for path in MODULES
        if part_of(path) not in ("cli", "bench") and path.stem != "__main__"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []
