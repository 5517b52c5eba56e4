"""Makes the golden files of this folder: make_golden.py CORPUS.txt (any English text of some 60 KB)."""

import json, os, random, sys, tempfile
import transformers.utils.chat_template_utils as u
from tokenizers import Tokenizer, models, pre_tokenizers, trainers, decoders, normalizers, Regex, AddedToken, processors
import sentencepiece as spm

out = os.path.dirname(os.path.abspath(__file__))
corpus = open(sys.argv[1], encoding="utf8").read()[:60000].split("\n")
corpus += [
    "def f(x):\n\treturn x + 12345 # naïve café",
    "日本語 テスト 한국어 مرحبا",
    "👍🏽 émigré ß 12 123 1999",
    "  indented    text\n\n\n",
] * 20
L3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
Q2 = L3.replace(r"\p{N}{1,3}", r"\p{N}")
BL = lambda r: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=r)
SP = lambda r: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r), "isolated"), BL(False)])
F = {
    "gpt-2": (BL(True), None, False),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BL(True)]), None, False),
    "llama-bpe": (SP(L3), None, True),
    "qwen2": (SP(Q2), normalizers.NFC(), False),
}
T = [
    "",
    "Hello, world!",
    "It's we're I'LL don'T'S",
    "  two  spaces   three\t\ttabs \n\n lines\r\n",
    "123 1234567 12 ½ ४५",
    "naïve cafe\u0301 ﬁ",
    "日本語テスト 한국어 مرحبا",
    "👩‍👩‍👧 👍🏽",
    "<|im_start|>user\nhi<|im_end|>",
    "x <|im_end|> y<tool>z</tool>",
    "<|im_",
    "a" * 40,
    "\u00a0\u3000\u200b x",
    "\x00\x7f\u0085",
    "if(x<=3){return !y&&~z;}//--==",
    "   ",
    "\n\n\n",
    "1,234.56e-7 ",
    "ſt'ſ İi",
]
r = random.Random(3)
pool = list("abcXYZ 019'\"<>|_\n\t.,!?-") + ["é", "日", "👍", "\u0301", "'ll", "  ", "\u00a0", "<|im_end|>", "<tool>"]
T += ["".join(r.choice(pool) for _ in range(r.randrange(1, 40))) for _ in range(40)]
added = [
    AddedToken("<|im_start|>", special=True, normalized=False),
    AddedToken("<|im_end|>", special=True, normalized=False),
]


def plain_ids(j, t):  # specials as text: the same tokenizer without them
    j = json.loads(j)
    j["added_tokens"] = [a for a in j["added_tokens"] if not a["special"]]
    return Tokenizer.from_str(json.dumps(j))


for pre, (pt, nm, ign) in F.items():
    t = Tokenizer(models.BPE(ignore_merges=ign))
    t.pre_tokenizer = pt
    t.decoder = decoders.ByteLevel()
    if nm:
        t.normalizer = nm
    t.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=480,
            special_tokens=[a.content for a in added],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    t.add_special_tokens(added)
    t.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    js = t.to_str()
    j = json.loads(js)
    n = t.get_vocab_size()
    toks = [t.id_to_token(i) for i in range(n)]
    types = [1] * n
    for a in j["added_tokens"]:
        types[a["id"]] = 3 if a["special"] else 4
    g = {
        "model": "gpt2",
        "pre": pre,
        "tokens": toks,
        "token_types": types,
        "merges": [m if isinstance(m, str) else " ".join(m) for m in j["model"]["merges"]],
        "bos": 0,
        "eos": 1,
        "adds_bos": False,
    }
    p = plain_ids(js, t)
    cases = [
        {
            "text": x,
            "ids": t.encode(x).ids,
            "plain_ids": p.encode(x).ids,
            "decoded": t.decode(t.encode(x).ids, skip_special_tokens=False),
        }
        for x in T
    ]
    json.dump(
        {"tokenizer": j, "gguf": g, "cases": cases},
        open(f"{out}/{pre}.json", "w"),
        ensure_ascii=False,
        separators=(",", ":"),
    )
# SentencePiece
with tempfile.TemporaryDirectory() as d:
    open(d + "/c.txt", "w").write("\n".join(corpus))
    spm.SentencePieceTrainer.train(
        input=d + "/c.txt",
        model_prefix=d + "/m",
        vocab_size=700,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.999,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        minloglevel=2,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        user_defined_symbols=[],
    )
    s = spm.SentencePieceProcessor(model_file=d + "/m.model")
n = s.get_piece_size()
toks = [s.id_to_piece(i) for i in range(n)]
types = [
    2 if s.is_unknown(i) else 3 if s.is_control(i) else 6 if s.is_byte(i) else 5 if s.is_unused(i) else 1
    for i in range(n)
]
g = {
    "model": "llama",
    "pre": "",
    "tokens": toks,
    "token_types": types,
    "scores": [s.get_score(i) for i in range(n)],
    "bos": 1,
    "eos": 2,
    "unknown": 0,
    "adds_bos": True,
    "adds_eos": False,
}
cases = []
for x in T + ["a    b", " lead", "trail ", "▁x", "\n", "      x", "  " * 20]:
    if "\x00" in x:
        x = x.replace("\x00", "")
    cases.append({"text": x, "ids": ([1] + s.encode(x)), "decoded": s.decode(s.encode(x))})
json.dump(
    {"gguf": g, "cases": cases}, open(f"{out}/sentencepiece.json", "w"), ensure_ascii=False, separators=(",", ":")
)
# chat templates of our own making, each with what is special in the field's templates
C = {}
C["chatml"] = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
C["headers"] = """{{- bos_token }}
{%- for m in messages %}
    {%- if m.role not in ['system', 'user', 'assistant', 'tool'] %}
        {{- raise_exception('Unknown role: ' + m.role) }}
    {%- endif %}
    {%- set text = m.content if m.content is string else m.content | map(attribute='text') | join('') %}
    {{- '<|head|>' ~ m.role ~ '<|/head|>\\n\\n' ~ text.strip() ~ '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|head|>assistant<|/head|>\\n\\n' }}{%- endif %}
"""
C["tools"] = """{%- set ns = namespace(last=-1, calls=0) %}
{%- if tools %}
# Tools
{% for tool in tools %}
{{ tool | tojson }}
{{ tool.function.parameters | tojson(indent=2) }}
{% endfor %}
{%- endif %}
{%- for m in messages[::-1] %}
    {%- if m.role == 'user' and ns.last < 0 %}{% set ns.last = (messages | length) - 1 - loop.index0 %}{% endif %}
{%- endfor %}
last={{ ns.last }}
{% for m in messages %}
    {%- if m.content is defined and m.content is string and '</think>' in m.content %}
        {%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}
    {%- else %}
        {%- set content = m.content %}
    {%- endif %}
    {%- if m.tool_calls %}
        {%- for call in m.tool_calls %}
            {%- set ns.calls = ns.calls + 1 %}
            {%- for key, value in call.function.arguments.items() %}
{{ key }}={{ value if value is string else value | tojson }};
            {%- endfor %}
        {%- endfor %}
    {%- endif %}
[{{ m.role.upper() }}|{{ m.get('name', 'nobody') }}] {{ content }}
    {%- if not loop.last %}

--
{% endif %}
{%- endfor %}
calls={{ ns.calls }} {{ none }} {{ true }} {{ tools is none }} {{ missing }}|{{ [1, 'a', none, true] }} {{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ "%s-%d" | format("x", 3) }}
"""
C[
    "loops"
] = """{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }},{% endfor %}
{% generation %}said{% endgeneration %}
{%- generation -%}
  x
{%- endgeneration %}

{% macro greet(name, loud=false) %}{{ name | title }}{{ '!' if loud }}{% endmacro %}
{{ greet('ada lovelace', loud=true) }} {{ greet('bob') }}
{{ strftime_now('%Y-%m-%d') }} {{ {'a': 1, 'b': [2, 3]} }} {{ 'a' ~ 1 ~ none }} {{ "it's" }} {{ ["it's", 'q"q'] }}
"""
U = [{"role": "user", "content": "Hi <there> & 'you' \"x\""}]
M = [
    {"role": "system", "content": " Be terse. "},
    {"role": "user", "content": "a\n"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nIt's é日👍"},
    {"role": "user", "content": "again"},
]
P = [{"role": "user", "content": [{"type": "text", "text": "part one"}, {"type": "text", "text": " two "}]}]
K = [
    {"role": "user", "content": "weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {
                    "name": "get",
                    "arguments": {"city": "Köln </x>", "n": 1.5, "deep": {"a": [1, None, True, {}], "b": []}},
                },
            }
        ],
    },
    {"role": "tool", "name": "get", "content": '{"t": 3}'},
]
TL = [
    {
        "type": "function",
        "function": {
            "name": "get",
            "description": "Gets <it> & 'more'",
            "parameters": {
                "type": "object",
                "properties": {
                    "n": {"type": ["number", "null"], "default": 1e-7, "max": 1e22, "x": 100.0, "i": 12345678901}
                },
                "empty": {},
                "none": [],
            },
        },
    }
]
import datetime as D


class FD(D.datetime):
    @classmethod
    def now(cls, tz=None):
        return D.datetime.fromtimestamp(1700000000, D.timezone.utc)


u.datetime = FD
cases = []
for name, src in C.items():
    for ms in (U, M, P, K):
        for tl in ([], TL):
            for gp in (True, False):
                if tl and name != "tools":
                    continue
                c = {"template": name, "messages": ms, "tools": tl, "add_generation_prompt": gp}
                try:
                    msgs = [{k: v for k, v in m.items() if v is not None} for m in ms]
                    c["rendered"] = u.render_jinja_template(
                        [msgs],
                        tools=tl or None,
                        chat_template=src,
                        add_generation_prompt=gp,
                        bos_token="<s>",
                        eos_token="</s>",
                    )[0][0]
                except Exception as e:
                    print(name, type(e).__name__, e)
                    continue
                cases.append(c)
json.dump(
    {"templates": C, "bos_token": "<s>", "eos_token": "</s>", "now_unix_s": 1700000000, "cases": cases},
    open(f"{out}/chat_templates.json", "w"),
    ensure_ascii=False,
    indent=0,
)
