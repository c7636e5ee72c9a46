# SPDX-License-Identifier: Apache-2.0
"""Stage 4: latents to symbols to bytes and back; every probability from integers alone."""
