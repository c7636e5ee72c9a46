# SPDX-License-Identifier: Apache-2.0
"""Infrared samples with a guaranteed error, from integers alone (docs/format.md §15).

    samples ─► plane of values ─► wave by wave: predict, spread, code ─► bytes

A wave is every pixel (y, x) of one x + 3 y: all that it is predicted from is already decoded.

    context       what a pixel sees: neighbours, their errors, and both as network inputs
    network       the shipped integer network: a better mean, a spread, a shape
    distribution  integer frequencies of a pixel's symbol
    wave          the loop that encoder and decoder share
    known         context of a picture that the encoder knows whole
    fit           encoders: predictor weights and value weights of a picture
"""
