# SPDX-License-Identifier: Apache-2.0
"""Recipes in, weights out; needs only torch, NumPy, Pillow, safetensors and tqdm."""
