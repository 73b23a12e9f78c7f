# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, for what only Airflow's user interface shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.support.ui import WebDriverWait

Found = TypeVar("Found")

FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
)


@contextmanager
def chromium(folder: Path, size: str = "1000,1700") -> Iterator[webdriver.Chrome]:
    """Start Chromium, with its files in ``folder``; a machine that has none skips the test, but not CI's.

    :param size: of its window, in pixels
    """
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver) and "CI" not in os.environ:
        pytest.skip("This machine has no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary or ""
    for flag in (*FLAGS, f"user-data-dir={folder}", f"window-size={size}"):
        options.add_argument(f"--{flag}")
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as browser:
        yield browser


def wait_for(browser: webdriver.Chrome, look: Callable[[], Found]) -> Found:
    """Look until there is something to see."""
    wait = WebDriverWait(
        browser,
        60,
        poll_frequency=0.1,
        ignored_exceptions=[NoSuchElementException, StaleElementReferenceException],
    )
    return wait.until(lambda _: look())
