"""A model folder of 64 kB with a tokenizer of ASCII letters and a chat template, for tests that train or talk: random weights of
tests/golden/arch/llama."""

import json
import pathlib
import shutil

from conftest import GOLDEN

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<pad>", "<|im_start|>", "<|im_end|>"]


def letter_of_byte(byte: int) -> str:
    """GPT-2's visible stand-ins for space and newline."""
    return {10: "Ċ", 32: "Ġ"}.get(byte, chr(byte))


def write_tiny_chat_model(folder: pathlib.Path) -> pathlib.Path:
    shutil.copytree(GOLDEN / "arch/llama", folder, ignore=shutil.ignore_patterns("expected*"))
    tokens = SPECIAL + [letter_of_byte(byte) for byte in [10, *range(32, 127)]]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": text, **flags} for i, text in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = {"eos_token": "<|im_end|>", "pad_token": "<pad>", "chat_template": CHAT_TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
