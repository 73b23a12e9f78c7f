# SPDX-License-Identifier: Apache-2.0
"""From Clarus to somewhere else, in one task."""
