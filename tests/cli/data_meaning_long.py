"""Steps by meaning with a real encoder, all-MiniLM-L6-v2: planted paraphrases are found, topics told apart, nothing leaks."""

import collections
import json

import pytest

SIMILAR = 0.75

# Of each topic: texts and what says the same in other words.
TOPICS = {
    "cooking": [
        ("Boil the pasta for ten minutes in salted water.", "Cook the pasta in salted water for about ten minutes."),
        ("Whisk three eggs with sugar until the mixture turns pale.",
         "Beat three eggs and sugar together until the mix becomes pale."),
        ("Let the bread dough rise in a warm place for an hour.", "Leave the bread dough to rise for one hour somewhere warm."),
        ("Chop the onions and fry them gently in butter.", None),
    ],
    "astronomy": [
        ("Jupiter is the largest planet in the solar system.", "The biggest planet of our solar system is Jupiter."),
        ("The Moon takes about twenty-seven days to travel around the Earth.",
         "It takes the Moon roughly twenty-seven days to orbit the Earth."),
        ("The planet Saturn has rings that are made of ice.", "Saturn is a planet with rings made of ice."),
        ("Comets are made of ice and dust from the edge of the planets' orbits.", None),
    ],
    "football": [
        ("The striker scored twice in the final minutes of the match.",
         "In the last minutes of the match the striker scored two goals."),
        ("The referee showed the goalkeeper a red card.", "The goalkeeper was shown a red card by the referee."),
        ("The football team lost its first home game of the season.",
         "In its first home game of the season the football team was beaten."),
        ("Fans of both football clubs sang in the stadium until midnight.", None),
    ],
    "banking": [
        ("The central bank raised interest rates by half a percent.",
         "Interest rates were increased by half a percent by the central bank."),
        ("The bank pays two percent interest on a savings account.", "A savings account at the bank earns two percent interest."),
        ("The bank refused a loan for the new house.", "The loan for the new house was turned down by the bank."),
        ("The shares of the bank fell after it reported a loss.", None),
    ],
}
# (id, topic, text): a text's paraphrase has its id and "b", and comes long after it.
RECORDS = [(f"{topic}{i}", topic, pair[0]) for topic, pairs in TOPICS.items() for i, pair in enumerate(pairs)]
PARAPHRASES = [(f"{topic}{i}b", topic, pair[1]) for topic, pairs in TOPICS.items() for i, pair in enumerate(pairs) if pair[1]]


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def run(pelton, tmp_path):
    """Runs one step on all of them; gives its report."""
    lines = [json.dumps({"id": id, "text": text}) for id, _, text in RECORDS + PARAPHRASES]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")

    def run_step(step: str) -> dict:
        (tmp_path / "recipe.yaml").write_text(f"input: in.jsonl\noutput: out.jsonl\nsteps:\n- {step}\n")
        return pelton.json("data", "run", "recipe.yaml")["steps"][0]

    return run_step


def test_paraphrases_are_duplicates(run, minilm, tmp_path):
    run(f"semantic_duplicates: {{model: {minilm}, similarity: {SIMILAR}}}")
    dropped = read_lines(tmp_path / "out.dropped.jsonl")
    assert {row["id"]: row["duplicate_of"] for row in dropped} == {id: id[:-1] for id, _, _ in PARAPHRASES}
    assert all(SIMILAR <= row["similarity"] < 1 for row in dropped)
    # By their words none is.
    assert run("minhash")["dropped"] == 0


def test_clusters_are_topics(run, minilm, tmp_path):
    count = 2 * len(TOPICS)
    run(f"cluster: {{model: {minilm}, clusters: {count}}}")
    clusters = {row["id"]: row["topic"] for row in read_lines(tmp_path / "out.jsonl")}
    assert set(clusters.values()) == set(range(count))
    assert all(clusters[id] == clusters[id[:-1]] for id, _, _ in PARAPHRASES)
    # Those of a cluster are of one topic, but for a few.
    of_cluster = {number: collections.Counter() for number in clusters.values()}
    for id, topic, _ in RECORDS + PARAPHRASES:
        of_cluster[clusters[id]][topic] += 1
    typical = sum(topics.most_common(1)[0][1] for topics in of_cluster.values())
    assert typical >= 0.9 * len(clusters), of_cluster


def test_a_diverse_choice_holds_no_paraphrases(run, minilm, tmp_path):
    run(f"diverse: {{model: {minilm}, count: {len(RECORDS)}}}")
    assert {row["id"].removesuffix("b") for row in read_lines(tmp_path / "out.jsonl")} == {id for id, _, _ in RECORDS}


def test_no_paraphrase_leaks_between_splits(run, minilm, tmp_path):
    def parted_by(options: str) -> tuple[int, dict]:
        """How many pairs have their halves in two splits, over some seeds; what the last report counts."""
        parted = 0
        for seed in range(5):
            report = run(f"split: {{test: 0.3, validation: 0.3, seed: {seed}, {options}}}")
            splits = {row["id"]: row["split"] for row in read_lines(tmp_path / "out.jsonl")}
            assert set(splits.values()) == {"train", "validation", "test"}
            parted += sum(splits[id] != splits[id[:-1]] for id, _, _ in PARAPHRASES)
        return parted, report["reasons"]

    alone = len(RECORDS) - len(PARAPHRASES)
    grouped = {"split_noted": alone, "split_of_group": len(PARAPHRASES), "split_as_its_group": len(PARAPHRASES)}
    meaning = f"model: {minilm}, similarity: {SIMILAR}"
    assert parted_by(f"group: meaning, {meaning}") == (0, grouped)
    assert parted_by(f"group: both, {meaning}") == (0, grouped)
    parted, reasons = parted_by("group: words")
    assert parted > 10 and reasons == {"split_noted": len(RECORDS) + len(PARAPHRASES)}
