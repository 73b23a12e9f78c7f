# SPDX-License-Identifier: Apache-2.0
"""What is in the source distribution, and in the wheel that is made of it, as a package index has them."""

from __future__ import annotations

import subprocess
import sys
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_provider_clarus import __version__
from airflow_provider_clarus.get_provider_info import get_provider_info

pytestmark = pytest.mark.xdist_group("package")

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_clarus"
INFO = f"{PACKAGE}-{__version__}.dist-info"
ADDRESS = "https://example.com/acme/provider"


def build(kind: str, tree: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=120)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    subprocess.run(["tar", "-xzf", build("sdist", ROOT, folder / "dist"), "-C", folder], check=True)
    return folder / f"{PACKAGE}-{__version__}"


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def files(tree: Path) -> set[str]:
    """Return what a folder has, as its parent names it, but for what Python has compiled."""
    found = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(tree.parent).as_posix() for path in found}


def description(wheel: Path) -> Message:
    return message_from_bytes(ZipFile(wheel).read(f"{INFO}/METADATA"))


def test_the_wheel_has_the_package_with_the_examples_and_nothing_that_only_a_clone_needs(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {PACKAGE, INFO}
    examples = {
        name.replace("dags_examples", f"{PACKAGE}/example_dags") for name in files(ROOT / "dags_examples")
    }
    assert {name for name in names if not name.startswith(INFO)} == files(ROOT / PACKAGE) | examples
    assert {f"{PACKAGE}/py.typed", f"{PACKAGE}/lineage/facets.json"} <= names
    assert {name.rpartition(".")[2] for name in names if not name.startswith(INFO)} == {"py", "typed", "json"}
    assert {name.removeprefix(f"{INFO}/") for name in names if name.startswith(INFO)} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_source_distribution_has_what_its_tests_need_and_the_logo_and_guides(source: Path) -> None:
    for folder in (".ci", PACKAGE, "dags_examples", "docs", "tests"):
        assert files(source / folder) == files(ROOT / folder)
    [integration] = get_provider_info()["integrations"]
    for page in [integration["logo"], *integration["how-to-guide"]]:
        assert (source / page.lstrip("/")).is_file()
    assert (source / "README.md").read_text() == (ROOT / "README.md").read_text()


def test_the_index_shows_the_readme_without_an_address_that_nobody_knows(wheel: Path) -> None:
    assert description(wheel).get_all("Project-URL") == ["ClarusWMS, https://clarus-api.com"]
    assert "demo-grid.png" not in description(wheel).get_payload()


def test_with_the_repositorys_address_the_index_shows_links_and_the_picture(
    source: Path, tmp_path: Path
) -> None:
    settings = source / "pyproject.toml"
    released = settings.read_text().replace('repository = ""', f'repository = "{ADDRESS}"')
    assert released != settings.read_text()
    tree = tmp_path / "tree"
    for name in (".ci/hatch_build.py", f"{PACKAGE}/__init__.py", "LICENSE", "README.md"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text((source / name).read_text())
    (tree / "pyproject.toml").write_text(released)
    (tree / "dags_examples").mkdir()
    told = description(build("wheel", tree, tmp_path / "wheel"))
    assert f"Source, {ADDRESS}" in told.get_all("Project-URL", [])
    assert f"]({ADDRESS}/raw/HEAD/docs/demo-grid.png)" in told.get_payload()
    assert f"[connect]({ADDRESS}/blob/HEAD/docs/connection.md)" in told.get_payload()
