# SPDX-License-Identifier: Apache-2.0
"""The connection form, as this version of Airflow makes it of what the provider says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, get_args

import pytest
from airflow.providers.common.compat.sdk import Connection
from airflow.providers_manager import ProvidersManager

from airflow_provider_clarus.connection import connection
from airflow_provider_clarus.connection import form as connection_form
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.connection.form import EXTRA_FIELDS, STANDARD_FIELDS
from airflow_provider_clarus.hooks.clarus import ClarusHook

EXTRAS = {f"extra__clarus__{name}" for name in EXTRA_FIELDS}


@pytest.fixture(scope="module")
def airflow() -> Iterator[ProvidersManager]:
    found = ProvidersManager()
    with pytest.MonkeyPatch.context() as patch:
        # It would import the hooks of all providers, which takes 20 seconds.
        patch.setattr(ProvidersManager, "_import_info_from_all_hooks", lambda found: found.hooks["clarus"])
        if "clarus" not in found.field_behaviours and find_spec("flask_appbuilder") is None:
            pytest.skip("Airflow 3.0 and 3.1 make the form in their API server alone")
        yield found


def test_airflow_finds_every_field(airflow: ProvidersManager) -> None:
    behaviour = airflow.field_behaviours["clarus"]
    assert behaviour["relabeling"]["schema"] == "Tenant subdomain"
    assert behaviour["relabeling"]["login"] == "Client ID"
    assert behaviour["relabeling"]["password"] == "Client secret"
    assert behaviour["hidden_fields"] == ["extra"]
    assert set(behaviour["placeholders"]) == {*STANDARD_FIELDS, *EXTRAS}
    assert all(behaviour["placeholders"].values())
    assert {name for name in airflow.connection_form_widgets if "__clarus__" in name} == EXTRAS


def test_secrets_are_masked_and_nothing_else(airflow: ProvidersManager) -> None:
    widgets = airflow.connection_form_widgets
    assert {name for name in EXTRAS if widgets[name].is_sensitive} == {
        "extra__clarus__refresh_token",
        "extra__clarus__access_token",
    }


def test_the_defaults_and_choices_shown_are_those_in_force() -> None:
    fields = {"conn_id": "c", "conn_type": "clarus", "login": "id", "password": "secret", "schema": "acme"}
    shown = {name: field.default for name, field in EXTRA_FIELDS.items()}
    meant = ClarusConnection.from_airflow(Connection(**fields, extra=json.dumps(shown)))
    assert meant == ClarusConnection.from_airflow(Connection(**fields))
    assert EXTRA_FIELDS["grant_type"].choices == get_args(connection.GrantType)
    assert EXTRA_FIELDS["token_auth"].choices == get_args(connection.TokenAuth)
    assert EXTRA_FIELDS["variable_format"].choices == get_args(connection.VariableFormat)


@pytest.mark.skipif(find_spec("wtforms") is None, reason="Airflow 3 makes its forms without wtforms")
def test_the_widgets_of_older_versions_show_label_help_and_default() -> None:
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    class Shown(Form):  # type: ignore[misc]
        pass

    for name, widget in connection_form.widgets().items():
        setattr(Shown, name, widget)
    form: Any = Shown()
    for name, field in EXTRA_FIELDS.items():
        assert (form[name].label.text, form[name].description) == (field.label, field.help)
        assert form[name].data == field.default
    assert form.access_token.widget.input_type == "password"
    wrong = Shown(MultiDict({"grant_type": "password"}))
    assert not wrong.validate()
    assert list(wrong.errors) == ["grant_type"]


def test_neither_airflow_asking_nor_the_hook_itself_imports_a_form_library() -> None:
    code = (
        "import sys, airflow_provider_clarus.get_provider_info as info;"
        "info.get_provider_info();"
        "print({'wtforms', 'flask_appbuilder', 'requests', 'airflow'} & sys.modules.keys())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"


def test_the_hook_gives_older_versions_the_same_behaviour() -> None:
    behaviour = ClarusHook.get_ui_field_behaviour()
    declared = connection_form.declared()["ui-field-behaviour"]
    assert {name.replace("_", "-"): value for name, value in behaviour.items()} == declared
