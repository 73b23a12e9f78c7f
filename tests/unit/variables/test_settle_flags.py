# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables import settle


@pytest.mark.parametrize(
    ("value", "settled"),
    [
        (True, True),
        ("False", False),
        (["date_from"], frozenset({"date_from"})),
        (("a", "b"), frozenset({"a", "b"})),
        ([], frozenset()),
    ],
)
def test_a_flag_or_names(value, settled):
    assert settle.flag_or_names(value, "allow_relative_variables") == settled


@pytest.mark.parametrize("value", [None, "date_from", [1], [""], {"a": True}, b"a", 2])
def test_neither_a_flag_nor_names(value):
    with pytest.raises(ClarusInputError, match="allow_relative_variables is"):
        settle.flag_or_names(value, "allow_relative_variables")
