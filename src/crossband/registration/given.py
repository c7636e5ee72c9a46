# SPDX-License-Identifier: Apache-2.0
"""stub"""


def read_homography(): ...
