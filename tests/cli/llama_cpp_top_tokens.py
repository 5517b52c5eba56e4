"""What llama.cpp says of the next token: run by a Python that has the package `xllamacpp`, as convert_peer_long.py does.

usage: llama_cpp_top_tokens.py MODEL.gguf < [[token id, …], …]      prints [[[token id, log-probability], …], …] as JSON
"""

import json
import sys

import xllamacpp

TOP = 20


def main() -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_ctx = 512
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    answers = []
    for prompt in json.load(sys.stdin):
        answer = server.handle_completions(
            {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": TOP, "cache_prompt": False}
        )
        answer = answer if isinstance(answer, dict) else json.loads(answer)
        first = answer["choices"][0]["logprobs"]["content"][0]
        answers.append([[token["id"], token["logprob"]] for token in first["top_logprobs"]])
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
