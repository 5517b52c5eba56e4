#!/usr/bin/env python3
"""One run of OpenVINO GenAI, which reads GGUF files itself.

By the wall clock, and every call with prompts of its own: the pipeline keeps what it has read, so a prompt that comes a
second time costs a tenth, and its own time per token counts the tokens of all sequences of a batch.
"""

import itertools
import time

import numpy
import openvino
import openvino_genai

from workload import parse_peer_options, print_results, random_tokens, result

VOCABULARY_SIZE = 1000  # ids that every model has
fresh_seeds = itertools.count(1)


def generate_seconds(pipeline, batch: int, prompt_length: int, new_token_count: int) -> float:
    prompts = [random_tokens(prompt_length, VOCABULARY_SIZE, next(fresh_seeds)) for _ in range(batch)]
    ids = numpy.array(prompts, dtype=numpy.int64)
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
    configuration = openvino_genai.GenerationConfig()
    configuration.max_new_tokens = new_token_count
    configuration.ignore_eos = True
    configuration.do_sample = False
    start = time.perf_counter()
    pipeline.generate(inputs, configuration)
    return time.perf_counter() - start


def prefill_rate(pipeline, prompt_length: int) -> float:
    generate_seconds(pipeline, 1, prompt_length, 1)  # warm
    return prompt_length / generate_seconds(pipeline, 1, prompt_length, 1)


def decode_rate(pipeline, batch: int, prompt_length: int, token_count: int) -> float:
    """Of all sequences together: what the tokens after the first add."""
    generate_seconds(pipeline, batch, prompt_length, 2)  # warm
    first = generate_seconds(pipeline, batch, prompt_length, 1)
    return batch * token_count / (generate_seconds(pipeline, batch, prompt_length, token_count + 1) - first)


def main():
    options = parse_peer_options(__doc__)
    results = []
    for threads in options.threads:
        pipeline = openvino_genai.LLMPipeline(options.model, "CPU", INFERENCE_NUM_THREADS=threads)
        if options.prompt_tokens > 0:
            results.append(result("prefill", 1, threads, prefill_rate(pipeline, options.prompt_tokens)))
        for batch in options.batch if options.tokens > 0 else []:
            # It cannot begin without a token.
            rate = decode_rate(pipeline, batch, max(1, options.context), options.tokens)
            results.append(result("decode", batch, threads, rate))
    print_results(results)


if __name__ == "__main__":
    main()
