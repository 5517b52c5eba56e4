#!/usr/bin/env python3
"""Writes expected.json: attention with a window, sinks and a score cap, and its gradients, in float64.

usage: make_expected.py      needs numpy

Every probability is written out, and every gradient is a derivative of the whole by a complex step
(f'(x) = Im f(x + ih) / h, exact to the last digits): nothing in common with what is tested, in either direction.
"""

import json
import pathlib

import numpy as np

TOKENS, QUERY_HEADS, KEY_VALUE_HEADS, HEAD_WIDTH = 40, 4, 2, 4
WINDOW = 19  # the last rows do not see the first page of 16
SCORE_CAP = 1.5
SCALE = 0.5
STEP = 1e-200


def attention(q, k, v, sinks):
    """q [T, H, K], k and v [T, G, K], sinks [H] → outputs [T, H, K], log-sum-exp [T, H]."""
    out = np.zeros(q.shape, complex)
    log_sum_exp = np.zeros(q.shape[:2], complex)
    for row in range(TOKENS):
        seen = slice(max(0, row - WINDOW + 1), row + 1)
        for head in range(QUERY_HEADS):
            group = head // (QUERY_HEADS // KEY_VALUE_HEADS)
            scores = SCORE_CAP * np.tanh(SCALE * (k[seen, group] @ q[row, head]) / SCORE_CAP)
            weights = np.exp(np.append(scores, sinks[head]))
            total = weights.sum()
            out[row, head] = (weights[:-1] / total) @ v[seen, group]
            log_sum_exp[row, head] = np.log(total)
    return out, log_sum_exp


def gradient(inputs, name, d_out):
    """Of sum(out · d_out) by inputs[name]."""
    result = np.zeros(inputs[name].shape)
    for index in np.ndindex(result.shape):
        moved = {key: value.astype(complex) for key, value in inputs.items()}
        moved[name][index] += 1j * STEP
        result[index] = (attention(**moved)[0] * d_out).sum().imag / STEP
    return result


def main():
    rng = np.random.default_rng(4)
    # Multiples of 1/16: exact in float32 and short in the file.
    draw = lambda *shape: rng.integers(-32, 33, shape) / 16
    inputs = {
        "q": draw(TOKENS, QUERY_HEADS, HEAD_WIDTH),
        "k": draw(TOKENS, KEY_VALUE_HEADS, HEAD_WIDTH),
        "v": draw(TOKENS, KEY_VALUE_HEADS, HEAD_WIDTH),
        "sinks": np.array([-1.0, 0.5, 2.0, 4.0]),
    }
    d_out = draw(TOKENS, QUERY_HEADS, HEAD_WIDTH)
    out, log_sum_exp = attention(**inputs)
    arrays = {**inputs, "d_out": d_out, "out": out.real, "log_sum_exp": log_sum_exp.real}
    arrays |= {"d_" + name: gradient(inputs, name, d_out) for name in inputs}
    options = {
        "query_head_count": QUERY_HEADS,
        "key_value_head_count": KEY_VALUE_HEADS,
        "head_width": HEAD_WIDTH,
        "scale": SCALE,
        "window": WINDOW,
        "score_cap": SCORE_CAP,
    }
    lines = [f'  "{name}": {value}' for name, value in options.items()]
    for name, array in arrays.items():
        lines.append(f'  "{name}": [' + ", ".join(f"{x:.10g}" for x in array.ravel()) + "]")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    json.loads(text)
    (pathlib.Path(__file__).parent / "expected.json").write_text(text)


if __name__ == "__main__":
    main()
