"""/v1/rerank: Jina's, Cohere's and vLLM's form."""

import json
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, SERVED_NAME, Server

DOCUMENTS = ["the cat ran", "a red bird", "hello world", "the dog ran in the fire"]


@pytest.fixture(scope="module")
def reranker():
    running = Server("--activations", "f32", model=ROOT / "tests/golden/encoder/bert-reranker")
    yield running
    running.kill()


def post(server, path="/v1/rerank", **body) -> tuple[int, dict]:
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def results_of(server, path="/v1/rerank", **body) -> list:
    status, answer = post(server, path, **body)
    assert status == 200, answer
    return answer["results"]


def test_documents_come_in_order_of_relevance(reranker):
    status, answer = post(reranker, model=SERVED_NAME, query="the cat", documents=DOCUMENTS)
    assert status == 200 and answer["model"] == SERVED_NAME and answer["id"].startswith("rerank-")
    results = answer["results"]
    scores = [item["relevance_score"] for item in results]
    assert scores == sorted(scores, reverse=True) and all(0 < score < 1 for score in scores)
    assert sorted(item["index"] for item in results) == [0, 1, 2, 3]
    assert all(item["document"] == {"text": DOCUMENTS[item["index"]]} for item in results)
    # [CLS] the cat [SEP] … [SEP]
    assert answer["usage"] == {"prompt_tokens": 4 * 5 + 3 + 3 + 2 + 6, "total_tokens": 4 * 5 + 3 + 3 + 2 + 6}

    as_objects = [{"text": text} for text in DOCUMENTS]
    assert results_of(reranker, "/v2/rerank", query="the cat", documents=as_objects, top_n=2) == results[:2]
    bare = results_of(reranker, query="the cat", documents=DOCUMENTS, return_documents=False)
    assert bare == [{"index": item["index"], "relevance_score": item["relevance_score"]} for item in results]
    # What a document is worth does not depend on those beside it.
    for item in results:
        (alone,) = results_of(reranker, query="the cat", documents=[DOCUMENTS[item["index"]]])
        assert alone["relevance_score"] == item["relevance_score"]


def test_what_is_refused(reranker, encoder_server):
    def refused(server, status, parameter, **body):
        got, answer = post(server, **{"query": "the cat", "documents": DOCUMENTS, **body})
        assert got == status and answer["error"]["param"] == parameter, answer
        return answer["error"]

    refused(reranker, 400, "query", query=None)
    refused(reranker, 400, "documents", documents=[])
    refused(reranker, 400, "documents", documents=["a", 3])
    refused(reranker, 400, "documents", documents=["a"] * 2049)
    refused(reranker, 400, "top_n", top_n=0)
    refused(reranker, 400, "max_tokens_per_doc", max_tokens_per_doc=10)
    refused(reranker, 404, "model", model="other")
    assert refused(reranker, 400, "documents", documents=["cat " * 70])["code"] == "context_length_exceeded"
    assert "classifier" in refused(encoder_server, 400, "model")["message"]
    status, embedding = post(reranker, "/v1/embeddings", input="cat")
    assert status == 400 and "scores" in embedding["error"]["message"]
