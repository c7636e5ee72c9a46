# SPDX-License-Identifier: Apache-2.0
"""Measures crossband and the codecs that it is held against."""
