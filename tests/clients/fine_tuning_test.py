"""Finetuning over HTTP by the real client: files, jobs, their models, and what a stop or a kill leaves."""

import json
import pathlib
import signal
import sys
import time

import openai
import pytest
from conftest import ROOT, SERVED_NAME, TIMEOUT_S, Server

sys.path.append(str(ROOT / "tests/cli"))
from tiny_chat_model import write_tiny_chat_model  # noqa: E402

CHATS = [
    {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"number {n}"}]} for n in range(6)
]
PREFERENCES = [
    {
        "input": {"messages": [{"role": "user", "content": f"say {n}"}]},
        "preferred_output": [{"role": "assistant", "content": f"number {n}"}],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
    }
    for n in range(4)
]
SHORT = {"recipe": {"rank": 4, "steps": 6, "learning_rate": 0.01}}
ENDLESS = {"recipe": {"rank": 4, "steps": 1_000_000, "checkpoint_steps": 20}}


class Tuned:
    """A server of a tiny model that finetunes in a folder of its own; it may be ended and started again."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.model = write_tiny_chat_model(folder / "model")
        self.start()

    def start(self) -> None:
        self.server = Server("--fine-tuning", str(self.folder / "tuning"), "--activations", "f32", model=self.model)
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="-", max_retries=0, timeout=TIMEOUT_S)

    def kill(self) -> None:
        self.server.kill()

    def upload(self, records: list, name="chats.jsonl") -> openai.types.FileObject:
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        return self.client.files.create(file=(name, data), purpose="fine-tune")

    def create(self, file: openai.types.FileObject, extra=SHORT, **options):
        return self.client.fine_tuning.jobs.create(model=SERVED_NAME, training_file=file.id, extra_body=extra, **options)

    def wait(self, job, *statuses: str):
        end = time.monotonic() + TIMEOUT_S
        while True:
            job = self.client.fine_tuning.jobs.retrieve(job.id)
            if job.status in statuses or job.finished_at is not None:
                return job
            assert time.monotonic() < end, f"still {job.status}"
            time.sleep(0.02)

    def events(self, job) -> list:
        """All of them, page by page, the oldest first."""
        return list(self.client.fine_tuning.jobs.list_events(job.id, limit=50))[::-1]

    def say(self, model: str) -> str:
        answer = self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "say 3"}], max_tokens=12, temperature=0
        )
        assert answer.model == model
        return answer.choices[0].message.content


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    tuned = Tuned(tmp_path_factory.mktemp("fine-tuning"))
    yield tuned
    tuned.kill()


def test_a_file_comes_and_goes(tuned):
    file = tuned.upload(CHATS)
    assert (file.object, file.filename, file.purpose, file.status) == ("file", "chats.jsonl", "fine-tune", "processed")
    assert tuned.client.files.retrieve(file.id) == file
    assert file in list(tuned.client.files.list())
    content = tuned.client.files.content(file.id).read()
    assert [json.loads(line) for line in content.splitlines()] == CHATS and len(content) == file.bytes
    assert tuned.client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError, match="there is no file"):
        tuned.client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        tuned.client.files.create(file=("a.jsonl", b"{}"), purpose="assistants")


def test_a_large_file_is_taken_and_a_larger_one_refused(tuned):
    record = json.dumps({"text": "a" * 1000}).encode() + b"\n"
    file = tuned.client.files.create(file=("large.jsonl", record * 20_000), purpose="fine-tune")
    assert file.bytes == len(record) * 20_000
    tuned.client.files.delete(file.id)
    with pytest.raises(openai.APIStatusError) as refusal:
        tuned.client.files.create(file=("huge.jsonl", record * 70_000), purpose="fine-tune")
    assert refusal.value.status_code == 413
    status, _, _ = tuned.server.post("/v1/completions", b" " * (20 << 20))
    assert status == 413, "other bodies are as small as ever"


def test_a_job_from_its_file_to_its_answers(tuned):
    before = tuned.say(SERVED_NAME)
    held_out = tuned.upload(CHATS[:2], "held-out.jsonl")
    job = tuned.create(
        tuned.upload(CHATS), suffix="numbers", seed=7, validation_file=held_out.id, metadata={"for": "tests"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 3}}},
    )
    assert job.object == "fine_tuning.job" and job.status in ("validating_files", "queued", "running")
    assert job.seed == 7 and job.metadata == {"for": "tests"} and job.fine_tuned_model is None
    assert job.method.supervised.hyperparameters.n_epochs == 2 and job.hyperparameters.batch_size == 3
    done = tuned.wait(job)
    assert done.status == "succeeded", done.error
    model = done.fine_tuned_model
    assert model.startswith(f"ft:{SERVED_NAME}:numbers:") and done.trained_tokens > 0 and done.error is None
    assert tuned.say(model) != before == tuned.say(SERVED_NAME)
    models = {one.id: one for one in tuned.client.models.list()}
    assert models[model].parent == SERVED_NAME

    events = tuned.events(done)
    assert events[0].message == f"Created fine-tuning job: {job.id}"
    assert events[-1].message == "The job has successfully completed"
    steps = [event.data for event in events if event.type == "metrics" and "train_loss" in event.data]
    assert [data["step"] for data in steps] == [1, 2, 3, 4, 5, 6] and steps[0]["total_steps"] == 6
    assert any("valid_loss" in event.data for event in events)
    checkpoint, = tuned.client.fine_tuning.jobs.checkpoints.list(job.id)
    assert checkpoint.fine_tuned_model_checkpoint == model and checkpoint.step_number == 6
    assert checkpoint.metrics.train_loss == pytest.approx(steps[-1]["train_loss"])

    assert tuned.client.models.delete(model).deleted
    with pytest.raises(openai.NotFoundError):
        tuned.say(model)
    assert tuned.client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_preferences_in_openais_form(tuned):
    job = tuned.create(
        tuned.upload(PREFERENCES, "pairs.jsonl"),
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 1}}},
    )
    done = tuned.wait(job)
    assert done.status == "succeeded", done.error
    assert done.method.dpo.hyperparameters.beta == 0.2


def test_a_bad_file_says_where_and_why(tuned):
    job = tuned.wait(tuned.create(tuned.upload(CHATS[:2] + [{"messages": [{"role": "user", "content": "hm"}]}], "bad.jsonl")))
    assert job.status == "failed" and job.fine_tuned_model is None
    assert job.error.code == "invalid_argument"
    assert job.error.message.startswith("bad.jsonl:3: there is no message of the assistant"), job.error.message
    assert tuned.events(job)[-1].level == "error"


def test_a_job_that_cannot_fit_says_the_sums(tuned):
    job = tuned.wait(tuned.create(tuned.upload(CHATS), {"recipe": {"rank": 4096, "targets": "all-linear"}}))
    assert job.status in ("failed", "succeeded")  # by the memory of the machine
    if job.status == "failed":
        assert job.error.code == "resource_exhausted" and "would need" in job.error.message


def test_cancelling(tuned):
    file = tuned.upload(CHATS)
    running, waiting = tuned.create(file, ENDLESS), tuned.create(file, ENDLESS)
    assert tuned.wait(running, "running").status == "running"
    assert tuned.wait(waiting, "queued").status == "queued"
    with pytest.raises(openai.BadRequestError, match="still reads"):
        tuned.client.files.delete(file.id)
    assert tuned.client.fine_tuning.jobs.cancel(waiting.id).status == "cancelled"
    assert tuned.client.fine_tuning.jobs.cancel(running.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="has ended"):
        tuned.client.fine_tuning.jobs.cancel(running.id)
    with pytest.raises(openai.BadRequestError, match="give way"):
        tuned.client.fine_tuning.jobs.pause(running.id)
    assert tuned.wait(tuned.create(file)).status == "succeeded", "the next one has its turn"
    listed = [job.id for job in tuned.client.fine_tuning.jobs.list(limit=2)]
    assert {running.id, waiting.id} <= set(listed)


def test_what_cannot_be_is_refused_by_name(tuned):
    file = tuned.upload(CHATS)
    with pytest.raises(openai.NotFoundError, match="not served here"):
        tuned.client.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id)
    with pytest.raises(openai.NotFoundError, match="training_file"):
        tuned.client.fine_tuning.jobs.create(model=SERVED_NAME, training_file="file-none")
    with pytest.raises(openai.BadRequestError, match="integrations"):
        tuned.create(file, integrations=[{"type": "wandb", "wandb": {"project": "x"}}])
    with pytest.raises(openai.BadRequestError, match="recipe.output"):
        tuned.create(file, {"recipe": {"output": "/tmp/x"}})
    with pytest.raises(openai.BadRequestError, match="reinforcement"):
        tuned.create(file, method={"type": "reinforcement"})


def test_answers_come_while_a_job_trains(tuned):
    job = tuned.create(tuned.upload(CHATS), ENDLESS)
    assert tuned.wait(job, "running").status == "running"
    first = len(tuned.events(job))
    said = {tuned.say(SERVED_NAME) for _ in range(5)}
    assert len(said) == 1
    deadline = time.monotonic() + TIMEOUT_S
    while len(tuned.events(job)) <= first:
        assert time.monotonic() < deadline, "the job stands still"
        time.sleep(0.02)
    tuned.client.fine_tuning.jobs.cancel(job.id)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_goes_on_with_jobs_and_finds_models(tmp_path, how):
    tuned = Tuned(tmp_path)
    try:
        file = tuned.upload(CHATS)
        finished = tuned.wait(tuned.create(file))
        text = tuned.say(finished.fine_tuned_model)
        job = tuned.create(file, {"recipe": {"rank": 4, "steps": 800, "checkpoint_steps": 10}})
        assert tuned.wait(job, "running").status == "running"
        end = time.monotonic() + TIMEOUT_S
        while not any("Step 2" in event.message for event in tuned.events(job)):
            assert time.monotonic() < end
            time.sleep(0.01)
        tuned.server.process.send_signal(how)
        tuned.server.process.wait(TIMEOUT_S)
        tuned.start()
        assert tuned.say(finished.fine_tuned_model) == text
        done = tuned.wait(job)
        assert done.status == "succeeded", done.error
        assert tuned.say(done.fine_tuned_model)
        events = tuned.events(done)
        assert any("goes on" in event.message for event in events), "it was interrupted"
        steps = [event.data["step"] for event in events if "train_loss" in event.data]
        assert steps == list(range(1, 801)), "each step once, in order"
    finally:
        tuned.kill()


def test_without_a_folder_there_is_none(client):
    with pytest.raises(openai.PermissionDeniedError, match="--fine-tuning"):
        client.files.list()
    with pytest.raises(openai.PermissionDeniedError, match="--fine-tuning"):
        client.fine_tuning.jobs.create(model=SERVED_NAME, training_file="file-1")
