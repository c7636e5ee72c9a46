# SPDX-License-Identifier: Apache-2.0
"""docs/training.md tells every key of a recipe with its default and its reason.

After a change of the keys: `python tests/training/test_page.py` writes the tables anew.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from crossband.training.clips import Motion
from crossband.training.data import Variation
from crossband.training.recipe import Recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
TABLES = {"recipe": Recipe, "variation": Variation, "motion": Motion}


def reasons(settings: type) -> dict[str, str]:
    """The text below each field of a dataclass."""
    (body,) = ast.parse(inspect.getsource(settings)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            said = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            found[field.target.id] = str(text.value.value) if said else ""  # type: ignore[attr-defined]
    return found


def table(settings: Any) -> str:
    """The keys that are not tables themselves."""
    said = reasons(settings)
    rows = ["| key | default | what |", "|---|---|---|"]
    for field in dataclasses.fields(settings):
        if field.default is not dataclasses.MISSING:
            words = " ".join(said[field.name].split())
            rows.append(f"| `{field.name}` | {field.default} | {words} |")
    return "\n".join(rows)


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} keys -->\n", f"\n<!-- end of {name} keys -->"


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_the_keys_of_the_code(name: str) -> None:
    start, end = marks(name)
    written = PAGE.read_text(encoding="utf-8").partition(start)[2].partition(end)[0]
    assert written == table(TABLES[name])


@pytest.mark.parametrize("settings", TABLES.values(), ids=lambda settings: settings.__name__)
def test_every_key_says_what_it_is_for(settings: type) -> None:
    said = reasons(settings)
    assert [f.name for f in dataclasses.fields(settings) if not said.get(f.name)] == []


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    for each, settings in TABLES.items():
        start, end = marks(each)
        before, _, rest = page.partition(start)
        page = f"{before}{start}{table(settings)}{end}{rest.partition(end.strip())[2]}"
    PAGE.write_text(page, encoding="utf-8")
