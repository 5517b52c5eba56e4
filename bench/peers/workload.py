"""What an engine is asked to do, and how it answers: the contract between compare.py and the *_peer.py beside it.

A peer runs once through all phases and prints one JSON object {"results": [{phase, batch, threads, tokens_per_second}]},
with "perplexity" beside the list where --text was given and the engine gives logits.
"""

import argparse
import json
import random


def numbers(text: str) -> list[int]:
    """ "1,8,32" """
    values = [int(word) for word in text.split(",")]
    if min(values) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return values


def add_options(parser: argparse.ArgumentParser):
    parser.add_argument("-m", "--model", required=True, help="a GGUF file")
    parser.add_argument("-p", "--prompt-tokens", type=int, default=512, help="tokens of a prompt; 0: no prefill")
    parser.add_argument("-n", "--tokens", type=int, default=128, help="tokens that follow; 0: no decode")
    parser.add_argument("-b", "--batch", type=numbers, default=[1], help="sequences continued together, as in 1,8,32")
    parser.add_argument("-t", "--threads", type=numbers, default=None, help="as in 1,2; default: one for each core")
    parser.add_argument("--context", type=int, default=200, help="tokens before the first one that is decoded")
    parser.add_argument("--text", help="a UTF-8 text: its perplexity stands beside each speed")
    parser.add_argument("--chunks", type=int, default=8, help="chunks of 512 tokens of it that are scored")


def parse_peer_options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    add_options(parser)
    options = parser.parse_args()
    options.threads = options.threads or [1]
    return options


def random_tokens(count: int, vocabulary_size: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(vocabulary_size) for _ in range(count)]


def result(phase: str, batch: int, threads: int, tokens_per_second: float) -> dict:
    return {"phase": phase, "batch": batch, "threads": threads, "tokens_per_second": tokens_per_second}


def print_results(results: list[dict], perplexity: float | None = None):
    print(json.dumps({"results": results, "perplexity": perplexity}))
