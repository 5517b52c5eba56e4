#!/usr/bin/env python3
"""One run of llama.cpp, through llama-cpp-python's low-level API: only llama_decode is timed, no sampling, no text."""

import ctypes
import pathlib
import time

import llama_cpp
import numpy

from workload import parse_peer_options, print_results, random_tokens, result

CHUNK_ROWS = 512  # of a step, and of a chunk that is scored


@llama_cpp.llama_log_callback
def ignore_log(level, text, user_data):
    pass


class Context:
    """A context of the model with room for `sequences` sequences of `length` tokens each."""

    def __init__(self, model, threads: int, sequences: int, length: int):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = sequences * (-(-length // 256) * 256)
        parameters.n_batch = parameters.n_ubatch = CHUNK_ROWS
        parameters.n_seq_max = sequences
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(model, parameters)
        if not self.context:
            raise SystemExit("llama.cpp: cannot make a context")
        self.batch = llama_cpp.llama_batch_init(CHUNK_ROWS, 0, 1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)

    def decode(self, rows: list[tuple[int, int, int, bool]]):
        """Rows of token, position, sequence, whether logits are wanted."""
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequence, has_logits) in enumerate(rows):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = has_logits
        code = llama_cpp.llama_decode(self.context, self.batch)
        if code != 0:
            raise SystemExit(f"llama.cpp: llama_decode gave {code}")
        llama_cpp.llama_synchronize(self.context)

    def prefill(self, tokens: list[int], sequence: int = 0):
        for start in range(0, len(tokens), CHUNK_ROWS):
            chunk = range(start, min(start + CHUNK_ROWS, len(tokens)))
            self.decode([(tokens[i], i, sequence, i == len(tokens) - 1) for i in chunk])

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def prefill_rate(model, threads: int, tokens: list[int]) -> float:
    with Context(model, threads, 1, len(tokens)) as context:
        context.prefill(tokens)  # warm
        context.clear()
        return len(tokens) / seconds(lambda: context.prefill(tokens))


def decode_rate(model, threads: int, batch: int, prompt: list[int], tokens: list[int]) -> float:
    """Of all sequences together; the first token warms up."""
    with Context(model, threads, batch, len(prompt) + len(tokens)) as context:
        for sequence in range(batch):
            context.prefill(prompt, sequence)

        def steps(begin: int, end: int):
            for i in range(begin, end):
                context.decode([(tokens[i], len(prompt) + i, sequence, True) for sequence in range(batch)])

        steps(0, 1)
        return batch * (len(tokens) - 1) / seconds(lambda: steps(1, len(tokens)))


def tokenise(vocabulary, text: bytes) -> list[int]:
    """As llama.cpp's own llama-perplexity does: as a whole, spellings of special tokens being ordinary text."""
    room = len(text) + 2
    tokens = (llama_cpp.llama_token * room)()
    count = llama_cpp.llama_tokenize(vocabulary, text, len(text), tokens, room, True, False)
    if count < 0:
        raise SystemExit("llama.cpp: cannot tokenise the text")
    return list(tokens[:count])


def perplexity(model, threads: int, text: bytes, chunk_count_max: int) -> float:
    """llama-perplexity's method: chunks of 512, each alone, the tokens of the second half scored."""
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    vocabulary_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
    tokens = tokenise(vocabulary, text)
    first_scored = CHUNK_ROWS // 2
    nlls = []
    with Context(model, threads, 1, CHUNK_ROWS) as context:
        for start in range(0, min(len(tokens) // CHUNK_ROWS, chunk_count_max) * CHUNK_ROWS, CHUNK_ROWS):
            chunk = tokens[start : start + CHUNK_ROWS]
            if llama_cpp.llama_vocab_get_add_bos(vocabulary):
                chunk[0] = llama_cpp.llama_vocab_bos(vocabulary)
            context.decode([(token, i, 0, i >= first_scored) for i, token in enumerate(chunk)])
            for row in range(first_scored, CHUNK_ROWS - 1):
                pointer = llama_cpp.llama_get_logits_ith(context.context, row)
                logits = numpy.ctypeslib.as_array(pointer, shape=(vocabulary_size,)).astype(numpy.float64)
                peak = logits.max()
                nlls.append(peak + numpy.log(numpy.exp(logits - peak).sum()) - logits[chunk[row + 1]])
            context.clear()
    return float(numpy.exp(numpy.mean(nlls)))


def main():
    options = parse_peer_options(__doc__)
    llama_cpp.llama_log_set(ignore_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        options.model.encode(), llama_cpp.llama_model_default_params()  # maps the file
    )
    if not model:
        raise SystemExit(f"llama.cpp: cannot load {options.model}")
    vocabulary_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    results = []
    for threads in options.threads:
        if options.prompt_tokens > 0:
            tokens = random_tokens(options.prompt_tokens, vocabulary_size)
            results.append(result("prefill", 1, threads, prefill_rate(model, threads, tokens)))
        for batch in options.batch if options.tokens > 0 else []:
            prompt = random_tokens(options.context, vocabulary_size)
            tokens = random_tokens(options.tokens + 1, vocabulary_size)
            rate = decode_rate(model, threads, batch, prompt, tokens)
            results.append(result("decode", batch, threads, rate))
    quality = None
    if options.text:
        text = pathlib.Path(options.text).read_bytes()
        quality = perplexity(model, options.threads[-1], text, options.chunks)
    print_results(results, quality)


if __name__ == "__main__":
    main()
