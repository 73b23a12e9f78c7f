# SPDX-License-Identifier: Apache-2.0
"""A deprecation that this package's code meets, or a DAG here, fails the test in which it does."""

from __future__ import annotations

import warnings
from pathlib import Path

import airflow.exceptions
import pytest
from airflow.utils import deprecation_tools

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

OF_AIRFLOW = {
    item
    for module in (airflow.exceptions, deprecation_tools)
    for item in vars(module).values()
    if isinstance(item, type) and issubclass(item, Warning)
}


@pytest.mark.parametrize("module", ["airflow_provider_clarus", "airflow_provider_clarus.hooks.clarus"])
@pytest.mark.parametrize(
    "category",
    sorted({DeprecationWarning, PendingDeprecationWarning, FutureWarning} | OF_AIRFLOW, key=str),
)
def test_it_is_an_error(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="gone soon"):
        warnings.warn_explicit("gone soon", category, "module.py", 1, module=module)


def test_airflow_has_warnings_of_its_own() -> None:
    assert any(item.__name__.startswith("RemovedInAirflow") for item in OF_AIRFLOW)


def test_that_of_others_is_not(recwarn: pytest.WarningsRecorder) -> None:
    warnings.warn_explicit("gone soon", DeprecationWarning, "module.py", 1, module="somebody.else")
    assert [str(warning.message) for warning in recwarn] == ["gone soon"]


def test_a_dag_that_meets_it_is_an_import_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    (tmp_path / "meets.py").write_text(
        "import warnings\nfrom airflow import DAG\nwarnings.warn('gone soon', DeprecationWarning)\n"
    )
    [error] = DagBag(tmp_path / "meets.py").import_errors.values()
    assert "DeprecationWarning: gone soon" in error
