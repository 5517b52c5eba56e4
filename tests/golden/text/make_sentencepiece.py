"""Makes sentencepiece_models.json: small tokenizer.model files, and what sentencepiece itself makes of texts.

    make_sentencepiece.py CORPUS.txt [NAME...]     any English text of some 60 KB; names: these alone are made anew
"""

import base64
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece as spm

FOLDER = pathlib.Path(__file__).parent
CORPUS = open(sys.argv[1], encoding="utf8").read()[:60000].split("\n")
CORPUS += ["naïve café 12345 x=1;", "日本語 テスト 한국어", "ＡＢＣ ﬁne", "a < b / c > d"] * 20
# Full-width capitals, a ligature, tabs and the ideographic space.
RULES = [(f"{0xFF21 + i:X}", f"{0x41 + i:X}") for i in range(26)] + [("FB01", "66 69"), ("9", "20"), ("3000", "20")]
MODELS = {
    "unigram": {"model_type": "unigram", "vocab_size": 400},
    "unigram-bytes": {"model_type": "unigram", "vocab_size": 650, "byte_fallback": True, "remove_extra_whitespaces": False},
    "unigram-rules": {"model_type": "unigram", "vocab_size": 400, "rules": True},
    "unigram-no-prefix": {"model_type": "unigram", "vocab_size": 400, "add_dummy_prefix": False},
    "bpe-rules": {"model_type": "bpe", "vocab_size": 700, "byte_fallback": True, "rules": True},
    # As Llama 2's.
    "bpe-plain": {"model_type": "bpe", "vocab_size": 450, "byte_fallback": True, "remove_extra_whitespaces": False},
}
TEXTS = [
    "", "Hello, world!", " lead", "trail ", "a    b", "  ", "\t tabs\tand\n\nlines\n", "naïve cafe\u0301 ﬁne ＡＢＣ",
    "日本語テスト 한국어 مرحبا", "👩‍👩‍👧 👍🏽", "a" * 60, "12 123 1234567", "x\u3000y\u00a0z", "▁x ▁", "<s> </s> <unk>",
]
random_ = random.Random(5)
POOL = list("abcXYZ 019'\"<>|_\n\t.,!?-") + ["é", "日", "👍", "Ａ", "ﬁ", "  ", "\u3000", "the", "ing "]
TEXTS += ["".join(random_.choice(POOL) for _ in range(random_.randrange(1, 40))) for _ in range(60)]


def train(folder: str, options: dict) -> bytes:
    options = dict(options)
    pathlib.Path(folder, "c.txt").write_text("\n".join(CORPUS))
    if options.pop("rules", False):
        rules = pathlib.Path(folder, "rules.tsv")
        rules.write_text("".join(f"{source}\t{target}\n" for source, target in RULES))
        options["normalization_rule_tsv"] = str(rules)
    else:
        options["normalization_rule_name"] = "identity"
    spm.SentencePieceTrainer.train(
        input=f"{folder}/c.txt", model_prefix=f"{folder}/m", character_coverage=0.999, minloglevel=2,
        hard_vocab_limit=False, **options,
    )
    return pathlib.Path(folder, "m.model").read_bytes()


golden = json.loads((FOLDER / "sentencepiece_models.json").read_text()) if sys.argv[2:] else {}
for name, options in MODELS.items():
    if sys.argv[2:] and name not in sys.argv[2:]:
        continue
    with tempfile.TemporaryDirectory() as folder:
        model = train(folder, options)
    processor = spm.SentencePieceProcessor(model_proto=model)
    cases = [{"text": text, "ids": processor.encode(text)} for text in TEXTS]
    golden[name] = {"model": base64.b64encode(model).decode(), "cases": cases}
(FOLDER / "sentencepiece_models.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
