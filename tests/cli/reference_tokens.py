"""Ids and texts by Hugging Face's tokenizers, for tokenizers_long.py: reference_tokens.py TOKENIZER.JSON < TEXTS.JSONL"""

import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
tokenizer.no_padding()
for line in sys.stdin:
    print(json.dumps({"ids": tokenizer.encode(json.loads(line)).ids}))
