"""`pelton data`: recipes from the command line, runs that are killed, and what damaged and odd inputs lead to."""

import gzip
import hashlib
import json
import math
import random
import shutil
import signal
import subprocess
import time

import pytest

from conftest import GOLDEN

SEED = 9
KILLS = 30


def write_lines(path, records) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def read_lines(path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def corpus(count: int) -> list:
    """Texts of which about every fourth was there before."""
    numbers = random.Random(SEED)
    texts = [" ".join(numbers.choice(["wheel", "jet", "né", "\n", '"']) for _ in range(numbers.randint(5, 600)))
             for _ in range(count)]
    return [{"id": f"r{i}", "text": numbers.choice(texts[: i + 1]) if i % 2 else texts[i]} for i in range(count)]


RECIPE = "input: in.jsonl\noutput: out.jsonl\nsteps:\n- exact\n- exact: {normalize: [case, whitespace], keep: longest}\n"
RESULTS = ["out.jsonl", "out.dropped.jsonl", "out.lineage.jsonl.zst", "out.manifest.json"]


def digests(folder, names=RESULTS) -> dict:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def digests_below(folder) -> dict:
    return digests(folder, sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))


def test_exact_duplicates_as_a_plain_loop_finds_them(pelton, tmp_path):
    records = corpus(2000)
    write_lines(tmp_path / "in.jsonl", records)
    (tmp_path / "recipe.yaml").write_text("input: in.jsonl\noutput: out.jsonl\nsteps: [exact]\n")
    report = pelton.json("data", "run", "recipe.yaml", "--threads", "2")

    first: dict = {}
    for record in records:
        first.setdefault(record["text"], record["id"])
    kept = [record for record in records if first[record["text"]] == record["id"]]
    dropped = {record["id"]: first[record["text"]] for record in records if first[record["text"]] != record["id"]}
    assert read_lines(tmp_path / "out.jsonl") == kept
    assert {row["id"]: row["duplicate_of"] for row in read_lines(tmp_path / "out.dropped.jsonl")} == dropped
    assert report["records"] == 2000 and report["kept"] == len(kept)
    assert report["steps"][0]["reasons"] == {"exact_duplicate": len(dropped)}

    some_id, its_first = next(iter(dropped.items()))
    story = pelton.json("data", "trace", some_id, "out.jsonl")["story"]
    assert story[0]["dropped"] == {
        "step": "exact", "reason": "exact_duplicate", "duplicate_of": its_first, "similarity": 1}
    assert story[0]["read"]["record"]["id"] == some_id
    assert f"duplicate_of\":\"{its_first}" in pelton("data", "trace", some_id, "out.jsonl").stdout


KILLED = {
    "lines": (RECIPE, RESULTS),
    # Published in a second pass over what was written, and with a folder that grows beside it.
    "parquet and an index": (
        "input: in.jsonl\noutput: out.parquet\nsteps:\n- exact\n- minhash: {index: seen, verify: 0.8}\n",
        ["out.parquet", *RESULTS[1:]]),
}


@pytest.mark.parametrize("recipe,results", KILLED.values(), ids=KILLED.keys())
def test_a_killed_run_goes_on_to_the_same_bytes(pelton, tmp_path, recipe, results):
    write_lines(tmp_path / "in.jsonl", corpus(6000))
    (tmp_path / "recipe.yaml").write_text(recipe)
    command = [pelton.program, "data", "run", "recipe.yaml", "--checkpoint-mb", "1"]
    start = time.monotonic()
    assert pelton("data", "run", "recipe.yaml", "--threads", "1").returncode == 0
    whole_s = time.monotonic() - start
    expected, expected_index = digests(tmp_path, results), digests_below(tmp_path / "seen")

    numbers = random.Random(SEED)
    was_killed = 0
    for kill in range(KILLS):
        for name in results:
            (tmp_path / name).unlink()
        shutil.rmtree(tmp_path / "seen", ignore_errors=True)
        run = subprocess.Popen([*command, "--threads", str(1 + kill % 2)], cwd=tmp_path, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, env=pelton.environment)
        time.sleep(numbers.uniform(0, whole_s))
        run.send_signal(signal.SIGKILL)
        was_killed += run.wait() == -signal.SIGKILL
        assert pelton(*command[1:]).returncode == 0
        assert digests(tmp_path, results) == expected, f"kill {kill}, seed {SEED}"
        assert digests_below(tmp_path / "seen") == expected_index, f"kill {kill}, seed {SEED}"
        assert not (tmp_path / "out.pelton-run").exists()
    assert was_killed > 0


def test_ctrl_c_ends_cleanly_and_the_next_run_goes_on(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", corpus(6000))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    assert pelton("data", "run", "recipe.yaml").returncode == 0
    expected = digests(tmp_path)
    for name in RESULTS:
        (tmp_path / name).unlink()
    run = subprocess.Popen([pelton.program, "data", "run", "recipe.yaml", "--threads", "1"], cwd=tmp_path,
                           stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=pelton.environment)
    while not (tmp_path / "out.pelton-run/output").exists() and run.poll() is None:
        time.sleep(0.001)
    run.send_signal(signal.SIGINT)
    note = run.communicate()[1].decode()
    assert run.returncode in (130, 0)  # 0: it was done before the signal came
    assert run.returncode == 0 or "run it again to go on" in note
    assert pelton("data", "run", "recipe.yaml").returncode == 0
    assert digests(tmp_path) == expected


def test_hostile_input_is_reported_and_the_rest_goes_through(pelton, tmp_path):
    long_text = "x" * 100_000_000
    lines = [
        b'{"id": "good", "text": "a"}',
        b'{"id": "bad", "text": "a}',
        b'{"id": "bytes", "text": "\xff\xfe"}',
        b"[1, 2]",
        b"[" * 100_000,
        b'{"id": "long", "text": "' + long_text.encode() + b'"}',
        b'{"id": "other", "messages": [{"role": "user", "content": "q"}]}',
        b'{"id": "good", "text": "the same id"}',
        b'{"id": "last", "text": "no newline"}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "cut"}\n' * 100_000)[:-200])
    (tmp_path / "recipe.yaml").write_text("input: [in.jsonl, cut.jsonl.gz]\noutput: out.jsonl\n")
    report = pelton.json("data", "run", "recipe.yaml")
    kept = [line for line in (tmp_path / "out.jsonl").read_bytes().split(b"\n") if line]
    assert kept[:5] == [lines[i] for i in (0, 5, 6, 7, 8)]
    assert report["kept"] == len(kept) and len(kept) > 50_000
    bad = read_lines(tmp_path / "out.quarantine.jsonl")
    assert [row["line"] for row in bad[:4]] == [2, 3, 4, 5]
    assert "UTF-8" in bad[1]["reason"] and "ends in the middle" in " ".join(row["reason"] for row in bad[4:])
    assert report["bad_lines"] == len(bad)
    assert report["formats"]["messages"] == 1


def test_validate_says_what_is_wrong_and_where(pelton, tmp_path):
    write_lines(tmp_path / "chats.jsonl", [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"messages": [{"role": "user", "content": "q"}]},
        {"nothing": 1},
    ])
    report = pelton.json("data", "validate", "chats.jsonl", code=1)
    assert report["rules"] == {"no_answer": 1, "no_record": 1} and report["records"] == 2
    assert [(row["line"], row["rule"]) for row in report["findings"]] == [(2, "no_answer"), (3, "no_record")]
    assert "chats.jsonl:2: no_answer" in pelton("data", "validate", "chats.jsonl").stdout


def test_convert_and_back(pelton, tmp_path):
    write_lines(tmp_path / "chats.jsonl", [
        {"id": "1", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "source": "s"},
    ])
    assert pelton("data", "convert", "chats.jsonl", "-o", "m.jsonl", "--to", "messages").returncode == 0
    assert read_lines(tmp_path / "m.jsonl") == [
        {"id": "1", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "source": "s"}]
    assert pelton("data", "convert", "m.jsonl", "-o", "back.jsonl", "--to", "sharegpt").returncode == 0
    assert read_lines(tmp_path / "back.jsonl") == read_lines(tmp_path / "chats.jsonl")


def test_a_dry_run_leaves_nothing(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", corpus(500))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    before = sorted(path.name for path in tmp_path.iterdir())
    report = pelton.json("data", "run", "recipe.yaml", "--dry-run", "100")
    assert report["records"] == 500 and report["steps"][0]["dropped"] > 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == before


def test_bad_recipes_are_refused_by_name(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", corpus(2))
    (tmp_path / "recipe.yaml").write_text("input: in.jsonl\noutput: out.jsonl\nsteps:\n- exact: {keap: best}\n")
    done = pelton("data", "run", "recipe.yaml")
    assert done.returncode != 0 and "steps[0].exact.keap: unknown option" in done.stderr
    done = pelton("data", "run", "recipe.yaml", "--set", "input=none.jsonl", "--set", "steps=[]")
    assert done.returncode == 1 and "none.jsonl: no such file" in done.stderr
    assert "exact" in pelton("data", "steps").stdout


def test_a_trained_filter_drops_what_is_like_the_bad(pelton, tmp_path):
    numbers = random.Random(SEED)

    def records(words, count):
        return [{"text": " ".join(numbers.choice(words + ["the", "of", "and", "a"]) for _ in range(25))} for _ in range(count)]

    kinds = {"good": ["wheel", "jet", "bucket", "nozzle", "shaft"], "bad": ["casino", "pills", "winner", "click", "free"]}
    for name, words in kinds.items():
        write_lines(tmp_path / f"{name}.jsonl", records(words, 200))
    report = pelton.json("data", "train-filter", "--good", "good.jsonl", "--bad", "bad.jsonl", "-o", "f.safetensors")
    assert report["area_under_curve"] > 0.99 and report["trained_good"] + report["held_good"] == 200
    again = pelton.json("data", "train-filter", "--good", "good.jsonl", "--bad", "bad.jsonl", "-o", "g.safetensors")
    assert (tmp_path / "f.safetensors").read_bytes() == (tmp_path / "g.safetensors").read_bytes()
    assert {**again, "output": ""} == {**report, "output": ""}

    mixed = [{**record, "id": f"{name}{i}"} for name, words in kinds.items() for i, record in enumerate(records(words, 50))]
    write_lines(tmp_path / "mixed.jsonl", mixed)
    (tmp_path / "recipe.yaml").write_text(
        "input: mixed.jsonl\noutput: out.jsonl\nsteps: [classifier: {model: f.safetensors, field: quality}]\n")
    assert pelton("data", "run", "recipe.yaml").returncode == 0
    kept = read_lines(tmp_path / "out.jsonl")
    assert {row["id"] for row in kept} == {f"good{i}" for i in range(50)}
    assert all(0.5 <= row["quality"] <= 1 for row in kept)
    dropped = read_lines(tmp_path / "out.dropped.jsonl")
    assert {row["reason"] for row in dropped} == {"low_score"} and len(dropped) == 50


# Of the demo model's weights, by transformers 5.24 in float32: exp of the mean negative log-likelihood of all tokens but
# the first.
PERPLEXITIES = {
    "The quick brown fox jumps over the lazy dog.": 55.2385,
    "Paris is the capital of France, and Berlin is the capital of Germany.": 6.09614,
    "zxq vlorp 77 gnarl tib tib oog frant": 1312.09,
}
# Of the answer behind the question and a line end, divided by that behind a line end alone.
DIFFICULTIES = {
    ("What is the capital of France?", "The capital of France is Paris."): 0.131528,
    ("How many legs has a spider?", "The capital of France is Paris."): 0.465796,
}


def test_texts_are_scored_by_a_model(pelton, tmp_path, model):
    write_lines(tmp_path / "in.jsonl", [{"text": text} for text in PERPLEXITIES])
    step = "{model: %s, max: 1000, field: perplexity, activations: f32}" % model
    (tmp_path / "recipe.yaml").write_text(f"input: in.jsonl\noutput: out.jsonl\nsteps:\n- perplexity: {step}\n")
    done = pelton("data", "run", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    kept = read_lines(tmp_path / "out.jsonl")
    assert [row["text"] for row in kept] == list(PERPLEXITIES)[:2]
    for row in kept:
        assert row["perplexity"] == pytest.approx(PERPLEXITIES[row["text"]], rel=2e-3)
    dropped = read_lines(tmp_path / "out.dropped.jsonl")
    assert [row["reason"] for row in dropped] == ["high_perplexity"]

    fast = tmp_path / "fast.yaml"
    fast.write_text((tmp_path / "recipe.yaml").read_text().replace(", activations: f32", ""))
    for threads in (1, 2):
        done = pelton("data", "run", fast, "--threads", threads, "--set", f"output=fast{threads}.jsonl")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "fast1.jsonl").read_bytes() == (tmp_path / "fast2.jsonl").read_bytes()
    for row in read_lines(tmp_path / "fast1.jsonl"):  # 8-bit activations: short texts are 8 to 15 % off, by processor
        assert row["perplexity"] == pytest.approx(PERPLEXITIES[row["text"]], rel=0.25)


def test_how_much_a_question_helps(pelton, tmp_path, model):
    records = [{"prompt": question, "completion": answer} for question, answer in DIFFICULTIES]
    records.append({"prompt": "Say nothing.", "completion": ""})
    write_lines(tmp_path / "in.jsonl", records)
    recipe = "input: in.jsonl\noutput: out.jsonl\nsteps:\n- instruction_difficulty: {model: %s, max: 0.4, field: ifd, activations: f32}\n"
    (tmp_path / "recipe.yaml").write_text(recipe % model)
    done = pelton("data", "run", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    kept = read_lines(tmp_path / "out.jsonl")
    assert len(kept) == 2 and kept[0]["ifd"] == pytest.approx(0.131528, rel=2e-3) and "ifd" not in kept[1]
    dropped = read_lines(tmp_path / "out.dropped.jsonl")
    assert [row["reason"] for row in dropped] == ["unrelated"]

    for wrong in ("model: none.gguf", "min: 2", f"model: {model}, min: 2"):
        (tmp_path / "recipe.yaml").write_text(f"input: in.jsonl\noutput: o.jsonl\nsteps:\n- instruction_difficulty: {{{wrong}}}\n")
        refused = pelton("data", "run", "recipe.yaml")
        assert refused.returncode != 0 and ("none.gguf" if "none" in wrong else "instruction_difficulty") in refused.stderr


ENCODER = GOLDEN / "encoder/bert"


def texts_of_few_words(count: int) -> list[str]:
    """Texts of the tiny encoder's words; some again in capitals, or with a word more."""
    numbers = random.Random(SEED)
    words = "cat dog bird fish red blue green cafe water fire play eat sleep hello world".split()
    texts = []
    while len(texts) < count:
        texts.append(" ".join(numbers.choice(words) for _ in range(numbers.randint(4, 12))))
        if numbers.random() < 0.4:
            texts.append(texts[-1].upper() if numbers.random() < 0.5 else texts[-1] + " " + numbers.choice(words))
    return texts[:count]


def embeddings_of(pelton, texts, model=ENCODER, *arguments) -> list[list[float]]:
    done = pelton("embed", "-m", model, *arguments, input="\n".join(texts) + "\n")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def cosine(a, b) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def run_step(pelton, tmp_path, step: str, *arguments, code=0):
    (tmp_path / "recipe.yaml").write_text(f"input: in.jsonl\noutput: out.jsonl\nsteps:\n- {step}\n")
    done = pelton("data", "run", "recipe.yaml", *arguments)
    assert done.returncode == code, done.stderr
    return done


def test_records_that_mean_the_same_as_a_plain_loop_finds_them(pelton, tmp_path):
    similar = 0.97
    texts = texts_of_few_words(120)
    write_lines(tmp_path / "in.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    vectors = embeddings_of(pelton, texts, ENCODER, "--activations", "f32")
    cluster = list(range(len(texts)))  # of each text the first one that a chain of similar pairs leads to
    for i in range(len(texts)):
        for j in range(i):
            if cosine(vectors[i], vectors[j]) >= similar:
                gone, root = max(cluster[i], cluster[j]), min(cluster[i], cluster[j])
                cluster = [root if number == gone else number for number in cluster]
    expected = {str(i) for i, root in enumerate(cluster) if i != root}
    assert 20 < len(expected) < 110

    step = f"semantic_duplicates: {{model: {ENCODER}, similarity: {similar}, activations: f32}}"
    run_step(pelton, tmp_path, step, "--threads", 1)
    dropped = read_lines(tmp_path / "out.dropped.jsonl")
    assert {row["id"] for row in dropped} == expected
    for row in dropped:
        assert row["reason"] == "semantic_duplicate" and cluster[int(row["duplicate_of"])] == cluster[int(row["id"])]
        assert row["similarity"] >= similar
        both = vectors[int(row["id"])], vectors[int(row["duplicate_of"])]
        assert row["similarity"] == pytest.approx(cosine(*both), abs=2e-4)  # four digits are written
    expected_bytes = digests(tmp_path)
    run_step(pelton, tmp_path, step, "--threads", 3)
    assert digests(tmp_path) == expected_bytes
    run_step(pelton, tmp_path, step.replace("similarity", "clusters: 5, probes: 5, similarity"))
    assert {row["id"] for row in read_lines(tmp_path / "out.dropped.jsonl")} == expected


def test_topics_a_choice_of_each_and_an_order(pelton, tmp_path):
    texts = texts_of_few_words(90)
    write_lines(tmp_path / "in.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    (tmp_path / "recipe.yaml").write_text(
        "input: in.jsonl\noutput: out.jsonl\nsteps:\n"
        f"- cluster: {{model: {ENCODER}, clusters: 4, similarity_field: near}}\n"
        "- sample: {by: topic, temperature: 1000000, size: 40}\n"
        f"- diverse: {{model: {ENCODER}, count: 12, method: facility_location}}\n"
        "- curriculum: {by: near, order: descending}\n"
    )
    report = pelton.json("data", "run", "recipe.yaml", "--threads", 2)
    assert [step["step"] for step in report["steps"]] == ["cluster", "sample", "diverse", "curriculum"]
    assert report["steps"][0]["reasons"] == {"cluster_noted": 90}
    kept = read_lines(tmp_path / "out.jsonl")
    assert len(kept) == 12 and {row["topic"] for row in kept} <= {0, 1, 2, 3}
    assert [row["near"] for row in kept] == sorted((row["near"] for row in kept), reverse=True)
    dropped = [row for row in read_lines(tmp_path / "out.dropped.jsonl") if row["step"] == "diverse"]
    ids = {row["id"] for row in kept}
    assert dropped and all(row["reason"] == "represented" and row["duplicate_of"] in ids for row in dropped)
    story = pelton.json("data", "trace", kept[0]["id"], "out.jsonl")["story"][0]
    assert story["changes"][0]["changed"] == "cluster_noted" and story["kept"]["line"] == 1
    expected = digests(tmp_path)
    assert pelton("data", "run", "recipe.yaml", "--threads", 1).returncode == 0
    assert digests(tmp_path) == expected


def test_a_split_by_meaning_counts_groups_and_tells_each_record(pelton, tmp_path):
    texts = texts_of_few_words(60)
    write_lines(tmp_path / "in.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    step = f"split: {{group: meaning, model: {ENCODER}, similarity: 0.999, activations: f32, test: 0.3}}"
    run_step(pelton, tmp_path, step, "--threads", 1)
    expected = digests(tmp_path)
    report = json.loads(run_step(pelton, tmp_path, step, "--threads", 3, "--json").stdout)
    assert digests(tmp_path) == expected
    splits = [row["split"] for row in read_lines(tmp_path / "out.jsonl")]
    again = [i for i in range(1, 60) if texts[i] == texts[i - 1].upper()]
    assert len(again) > 5 and all(splits[i] == splits[i - 1] for i in again)
    reasons = report["steps"][0]["reasons"]
    assert reasons["split_as_its_group"] >= len(again) and sum(reasons.values()) == 60
    (change,) = pelton.json("data", "trace", str(again[0]), "out.jsonl")["story"][0]["changes"]
    assert change["changed"] == "split_as_its_group" and change["detail"].startswith(splits[again[0]] + ", a group of ")


def test_bad_steps_by_meaning_are_refused_by_step_and_option(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", [{"text": "the cat"}, {"text": ""}, {"text": "a dog"}])
    for step, words in {
        "cluster: {clusters: 2}": "steps[0].cluster.model",
        "cluster: {model: none.gguf}": "steps[0].cluster.model: ",
        f"diverse: {{model: {ENCODER}-reranker, count: 1}}": "gives scores",
        f"diverse: {{model: {ENCODER}, count: 3}}": "diverse: count is 3, and there are 2 records with text",
        f"cluster: {{model: {ENCODER}, clusters: 3}}": "cluster: clusters is 3, and there are 2 records with text",
        f"semantic_duplicates: {{model: {ENCODER}, similarity: 2}}": "steps[0].semantic_duplicates.similarity",
        f"semantic_duplicates: {{model: {ENCODER}, keep: all}}": "one of first, longest, best",
        f"split: {{model: {ENCODER}}}": "steps[0].split.model: expected nothing unless records are grouped by that too (group: meaning",
        "split: {group: both}": "steps[0].split.model",
        "curriculum: {by: level}": "curriculum: 3 of 3 records have no number 'level'",
    }.items():
        (tmp_path / "recipe.yaml").write_text(f"input: in.jsonl\noutput: out.jsonl\nsteps:\n- {step}\n")
        refused = pelton("data", "run", "recipe.yaml")
        assert refused.returncode != 0 and words in refused.stderr, (step, refused.stderr)
        assert not (tmp_path / "out.jsonl").exists()
    # A hundredth of the input may be fewer records than the recipe asks for.
    (tmp_path / "recipe.yaml").write_text(
        f"input: in.jsonl\noutput: out.jsonl\nsteps:\n- diverse: {{model: {ENCODER}, count: 3}}\n")
    assert pelton("data", "run", "recipe.yaml", "--dry-run", 100).returncode == 0


def test_a_model_that_generates_makes_vectors_too(pelton, tmp_path, model):
    texts = ["The wheel turns in the jet of water.", "Paris is the capital of France.",
             "THE WHEEL TURNS IN THE JET OF WATER.", "The wheel turns in the jet of the water."]
    write_lines(tmp_path / "in.jsonl", [{"id": str(i), "text": text} for i, text in enumerate([*texts, texts[1]])])
    vectors = embeddings_of(pelton, texts, model, "--pooling", "mean", "--activations", "f32")
    pairs = {(i, j): cosine(vectors[i], vectors[j]) for i in range(4) for j in range(i)}
    assert pairs[3, 0] == max(pairs.values())
    similar = (sorted(pairs.values())[-1] + sorted(pairs.values())[-2]) / 2
    step = f"semantic_duplicates: {{model: {model}, pooling: mean, activations: f32, similarity: {similar}, tokens_max: 64}}"
    run_step(pelton, tmp_path, step)
    dropped = {row["id"]: row for row in read_lines(tmp_path / "out.dropped.jsonl")}
    assert {id: row["duplicate_of"] for id, row in dropped.items()} == {"3": "0", "4": "1"}
    assert dropped["3"]["similarity"] == pytest.approx(pairs[3, 0], abs=2e-4) and dropped["4"]["similarity"] == 1


def test_stats_say_what_is_covered(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", [
        {"prompt": "Please write a poem.", "completion": "The sea.", "topic": 1},
        {"prompt": "write <b>code</b>", "completion": "```c\nint x;\n```", "topic": 2},
        {"prompt": "What is she?", "completion": "She is a brilliant woman.", "topic": 2},
        {"text": "He was lazy."},
    ])
    stats = pelton.json("data", "stats", "in.jsonl", "--html", "page.html")
    assert stats["openings"] == {"what": 1, "write": 2} and stats["question_kinds"] == {"instruction": 2, "question": 1}
    assert stats["answer_forms"] == {"code": 1, "prose": 2} and stats["single_turn"] == 3
    assert stats["coverage"] == {"text": {"text": 1}, "what": {"prose": 1}, "write": {"code": 1, "prose": 1}}
    assert stats["groups"]["gender: female"] == {
        "mentions": 3, "texts": 0, "questions": 1, "answers": 2, "others": 0, "positive": 2, "negative": 0}
    assert stats["groups"]["gender: male"]["negative"] == 1
    page = (tmp_path / "page.html").read_text()
    assert "<title>write, code: 1</title>" in page and 'class="gap"' in page and "gender: female" in page
    assert "<script" not in page
    shown = pelton("data", "stats", "in.jsonl").stdout
    assert "Openings    write (2), what (1)" in shown and "gender: female" in shown
    by_topic = pelton.json("data", "stats", "in.jsonl", "--by", "topic")
    assert by_topic["coverage"] == {"1": {"prose": 1}, "2": {"code": 1, "prose": 1}, "none": {"text": 1}}


def test_stats_of_an_output_show_what_its_run_did(pelton, tmp_path):
    write_lines(tmp_path / "in.jsonl", [
        {"id": "a", "text": "He thanked his mother for the <b>book</b> that she had sent him."},
        {"id": "b", "text": "He thanked his mother for the <b>book</b> that she had sent him."},
        {"id": "c", "text": "Nobody is spoken of in this one."},
    ])
    (tmp_path / "recipe.yaml").write_text(
        "input: in.jsonl\noutput: twins.jsonl\ndropped: dropped.jsonl\nsteps:\n- exact\n- counterfactual\n")
    pelton("data", "run", "recipe.yaml")
    assert read_lines(tmp_path / "twins.jsonl") == [{
        "id": "a", "counterfactual_of": "a",
        "text": "She thanked her father for the <b>book</b> that he had sent her."}]
    run = pelton.json("data", "stats", "twins.jsonl", "--html", "page.html")["run"]
    assert run["records"] == 3 and run["kept"] == 1
    exact, twins = run["steps"]
    assert exact["dropped_samples"][0]["id"] == "b" and exact["dropped_samples"][0]["duplicate_of"] == "a"
    assert twins["reasons"] == {"counterfactual": 1, "no_counterfactual": 1}
    assert twins["dropped_samples"][0]["text"] == "Nobody is spoken of in this one."
    assert twins["changed_samples"][0]["text"].startswith("He thanked")
    assert twins["changed_samples"][0]["written"].startswith("She thanked")
    page = (tmp_path / "page.html").read_text()
    assert "counterfactual: changed" in page and "&lt;b&gt;book" in page and "<b>book" not in page
    assert "no_counterfactual (1)" in pelton("data", "stats", "twins.jsonl").stdout
    assert "run" not in pelton.json("data", "stats", "in.jsonl")
