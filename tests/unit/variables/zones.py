# SPDX-License-Identifier: Apache-2.0
"""Time zones in which something goes wrong on some day: jumps over midnight, half hours, a missing day."""

ZONES = [
    "UTC",
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
