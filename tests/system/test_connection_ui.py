# SPDX-License-Identifier: Apache-2.0
"""The connection form in the real user interface of Airflow 3, filled in by a browser.

With ``CLARUS_SCREENSHOT=docs/connection-form.png`` it renews the picture in docs/connection.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from airflow_provider_clarus.connection.form import EXTRA_FIELDS, STANDARD_FIELDS
from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system.browser import Found, chromium, wait_for
from tests.system.conftest import AIRFLOW_2

pytestmark = pytest.mark.long


class Page:
    """Airflow's page of connections, and the form that it opens."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self._browser = browser
        browser.get(f"{url}/connections")

    def wait_for(self, look: Callable[[], Found]) -> Found:
        """Look until there is something to see."""
        return wait_for(self._browser, look)

    def find(self, css: str) -> WebElement:
        return self.wait_for(lambda: self._browser.find_element("css selector", css))

    def press(self, text: str) -> None:
        path = f"//button[normalize-space()='{text}' or @aria-label='{text}']"
        self.wait_for(lambda: self._browser.find_element("xpath", path)).click()

    @property
    def form(self) -> WebElement:
        return self.find("[role=dialog]")

    def field(self, name: str) -> WebElement:
        """A field of the form, in its section, which is opened for it."""
        name = name if name in STANDARD_FIELDS else f"element_{name}"
        section = "Standard Fields" if name in STANDARD_FIELDS else "Extra Fields"
        if (
            not self.find(f"[name={name}]")
            .find_element("xpath", "./ancestor::*[@data-state][1]")
            .is_displayed()
        ):
            self.press(section)
        return self.wait_for(lambda: self.find(f"[name={name}]"))

    def enter(self, name: str, value: str) -> None:
        field = self.field(name)
        self.wait_for(field.is_displayed)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)

    def save(self) -> None:
        self.press("Save")
        self.wait_for(lambda: not self._browser.find_elements("css selector", "[role=dialog]"))

    def test(self) -> str:
        """Press Test and return what is said."""
        toasts = "return [...document.querySelectorAll('[data-scope=toast][data-part=root]')]"
        script = f"{toasts}.map(toast => toast.innerText).find(text => text.startsWith('Test Connection'))"
        self.wait_for(lambda: not self._browser.execute_script(script))
        self.press("Test Connection")
        return str(self.wait_for(lambda: self._browser.execute_script(script)))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    if AIRFLOW_2:
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    folder = tmp_path_factory.mktemp("ui")
    config = {"core.test_connection": "Enabled"}
    with LocalAirflow(folder / "airflow", dags_folder=folder, config=config) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def page(airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield Page(browser, airflow.url)


def test_a_connection_is_set_up_and_tested_in_the_form(
    page: Page, airflow: LocalAirflow, sandbox: Sandbox, tmp_path: Path
) -> None:
    address = urlsplit(sandbox.url)
    filled = {
        "host": f"http://{address.hostname}",
        "port": str(address.port),
        "schema": sandbox.tenant,
        "login": sandbox.client_id,
        "password": sandbox.client_secret,
    }
    page.press("Add Connection")
    page.find("[name=connection_id]").send_keys("clarus_ui")
    page.find("[role=dialog] input[role=combobox]").send_keys("ClarusWMS", Keys.ENTER)
    shown = page.wait_for(lambda: page.find("[name=host]") and page.form.text)
    assert all(field.label in shown for field in STANDARD_FIELDS.values())
    for name, field in STANDARD_FIELDS.items():
        assert page.field(name).get_attribute("placeholder") == field.placeholder
    for name, value in filled.items():
        page.enter(name, value)
    assert page.field("password").get_attribute("type") == "password"
    page.form.screenshot(str(tmp_path / "connection-form.png"))

    page.enter("timezone", "Europe/London")
    shown = page.form.text
    for name, extra in EXTRA_FIELDS.items():
        assert extra.label in shown
        assert extra.help in shown
        masked = page.field(name).get_attribute("type") == "password"
        assert masked == extra.secret
    page.save()

    page.press("Edit Connection")
    for name, value in filled.items():
        assert page.field(name).get_attribute("value") == ("***" if name == "password" else value)
    assert page.field("timezone").get_attribute("value") == "Europe/London"
    assert page.field("timeout").get_attribute("value") == "30"
    page.press("Close")
    stored = airflow.call("GET", "connections/clarus_ui")
    assert (stored["schema"], stored["login"], stored["password"]) == ("acme", sandbox.client_id, "***")

    assert page.test().startswith(
        "Test Connection Successful\nToken, tenant 'acme' and the query for documents are all right."
    )
    assert sandbox.requests[-1].status == 200

    page.press("Edit Connection")
    page.enter("password", "wrong-secret")
    page.save()
    said = page.test()
    assert said.startswith("Test Connection Failed\nStep 1 of 4, get a token: ")
    assert "401: invalid_client" in said
    assert "Check the connection's login" in said

    if picture := os.environ.get("CLARUS_SCREENSHOT"):
        shutil.copy(tmp_path / "connection-form.png", picture)
