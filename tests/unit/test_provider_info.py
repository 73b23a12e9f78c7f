# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from importlib import import_module, resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import Asset, BaseHook, BaseOperator, BaseSensorOperator
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.providers_manager import ProvidersManager
from airflow.triggers import base
from packaging.version import Version

from airflow_provider_clarus.get_provider_info import get_provider_info
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.lineage import datasets
from tests import readme

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def schema(name: str) -> Any:
    return json.loads(resources.files("airflow").joinpath(name).read_text())


def test_the_provider_info_is_what_airflow_reads_at_runtime() -> None:
    jsonschema.validate(get_provider_info(), schema("provider_info.schema.json"))


#: What older Airflows do not know: since which one they do, and what they know that has the same form.
LATER = {
    "asset-uris": ("3.0", "dataset-uris"),
    "cli": ("3.2", "extra-links"),
    "retry-policies": ("3.4", "operators"),
}


def check_parts(info: dict[str, Any]) -> None:
    """Raise where a part is not known to this Airflow, by its ``provider.yaml``, or not of its form.

    As far as that schema goes for a provider from outside: its release fields are Airflow's own.
    """
    whole = schema("provider.yaml.schema.json")
    known = whole["properties"]
    later = {
        name: known[form]
        for name, (since, form) in LATER.items()
        if Version(Version(airflow.__version__).base_version) < Version(since)
    }
    assert not later.keys() & known.keys()
    required = ["name", "package-name", "description"]
    jsonschema.validate(info, whole | {"properties": known | later, "required": required})


def test_each_part_of_it_is_as_provider_yaml_has_it() -> None:
    check_parts(get_provider_info())


@pytest.mark.parametrize("part", get_provider_info())
def test_a_misspelt_part_is_noticed(part: str) -> None:
    info = get_provider_info()
    with pytest.raises(jsonschema.ValidationError, match=f"{part}s|{part}. is a required"):
        check_parts({f"{name}s" if name == part else name: value for name, value in info.items()})


@pytest.mark.parametrize("part", LATER)
def test_a_part_that_this_airflow_may_not_know_has_its_form_nonetheless(part: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="is not of type 'array'"):
        check_parts(get_provider_info() | {part: {}})


def test_the_package_name_is_the_distributions() -> None:
    (entry_point,) = (
        entry_point
        for entry_point in entry_points(group="apache_airflow_provider")
        if entry_point.value.startswith("airflow_provider_clarus.")
    )
    assert entry_point.dist
    assert get_provider_info()["package-name"] == entry_point.dist.name
    assert entry_point.load() is get_provider_info


@pytest.fixture(scope="module")
def manager() -> ProvidersManager:
    return ProvidersManager()


def test_airflow_finds_the_hook_by_the_connection_type(manager: ProvidersManager) -> None:
    hook = manager.hooks["clarus"]
    assert hook
    assert hook.hook_class_name == f"{ClarusHook.__module__}.{ClarusHook.__qualname__}"
    assert hook.connection_id_attribute_name == ClarusHook.conn_name_attr
    assert hook.hook_name == ClarusHook.hook_name
    assert hook.connection_testable


def test_the_triggers_are_those_of_this_airflow() -> None:
    [triggers] = get_provider_info()["triggers"]
    room = import_module("airflow_provider_clarus.triggers")
    named = {f"{room.__name__}.{name}" for name in room.__all__}
    assert set(triggers["python-modules"]) <= named
    for name in triggers["python-modules"]:
        if name.endswith(".documents") and not hasattr(base, "BaseEventTrigger"):
            with pytest.raises(ImportError, match=r"from 3\.0 on"):
                import_module(name)
        else:
            assert any(issubclass(item, base.BaseTrigger) for item in _classes(import_module(name)))


@pytest.mark.parametrize(
    ("part", "room", "base_class"),
    [
        ("hooks", "hooks", BaseHook),
        ("operators", "operators", BaseOperator),
        ("sensors", "sensors", BaseSensorOperator),
    ],
)
def test_every_module_with_a_class_for_dags_is_named(part: str, room: str, base_class: type) -> None:
    [entry] = get_provider_info()[part]
    package = import_module(f"airflow_provider_clarus.{room}")
    modules = {f"{package.__name__}.{name}" for name in package.__all__}
    assert set(entry["python-modules"]) == {
        name
        for name in modules
        if any(issubclass(item, base_class) for item in _classes(import_module(name)))
    }


def test_every_transfer_is_named_and_leads_from_and_to_what_airflow_knows(manager: ProvidersManager) -> None:
    transfers = get_provider_info()["transfers"]
    package = import_module("airflow_provider_clarus.transfers")
    named = [entry["python-module"] for entry in transfers]
    assert named == [f"{package.__name__}.{name}" for name in package.__all__]
    known = {
        integration["integration-name"]
        for provider in manager.providers.values()
        for integration in provider.data.get("integrations", ())
    }
    for entry in transfers:
        assert {entry["source-integration-name"], entry["target-integration-name"]} <= known


def test_every_guide_is_a_page() -> None:
    info = get_provider_info()
    guides = [guide for integration in info["integrations"] for guide in integration["how-to-guide"]]
    for guide in [*guides, *(entry["how-to-guide"] for entry in info["transfers"])]:
        assert guide.removeprefix("/docs/") in readme.PAGES


def test_the_logo_is_a_picture_that_says_what_it_shows() -> None:
    [integration] = get_provider_info()["integrations"]
    picture = ElementTree.parse(ROOT / integration["logo"].lstrip("/")).getroot()
    assert picture.tag == f"{SVG}svg"
    assert picture.findtext(f"{SVG}title")


@pytest.mark.parametrize(
    "uri", ["clarus://acme/report/7", "clarus://acme/anything?a=1", "x-clarus://acme/stock/"]
)
def test_airflow_leaves_an_assets_uri_as_it_is_written(uri: str) -> None:
    assert Asset(uri).uri == uri


@pytest.mark.parametrize("name", [datasets.report("acme", 7), datasets.document("acme", 9)])
def test_an_asset_of_a_report_is_to_openlineage_what_the_tasks_tell_of_it(name: datasets.Name) -> None:
    told = translate_airflow_asset(Asset("/".join(name)), None)
    assert (told.namespace, told.name) == name


@pytest.mark.parametrize("uri", ["clarus://acme", "x-clarus://acme/stock"])
def test_openlineage_is_told_nothing_of_an_asset_that_is_no_report(uri: str) -> None:
    assert translate_airflow_asset(Asset(uri), None) is None


def _classes(module: Any) -> list[type]:
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type) and item.__module__ == module.__name__
    ]
