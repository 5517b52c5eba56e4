"""The perplexity of a whole text, as the peers measured it. Takes minutes: not collected with the rest of this folder."""

import pytest

import conftest

TEXT = conftest.GOLDEN / "eval/perplexity.txt"
PEER_F32 = 27.08  # ik_llama.cpp on the demo model's weights in F32, 46 chunks of 512
PEER_Q4_1 = 27.15  # llama.cpp, which quantises activations to 8 bits, too


@pytest.mark.timeout(1800)
def test_perplexity_is_the_peers(pelton, model, monkeypatch):
    monkeypatch.setattr(conftest, "TIMEOUT_S", 1700)
    result = pelton.json("eval", "perplexity", "-m", model, TEXT, "--reference", "f32")
    assert result["chunks"] == 46 and result["tokens"] == 46 * 255
    assert result["reference"]["perplexity"] == pytest.approx(PEER_F32, abs=0.1)
    # The quality that speed must not cost: within noise of exact arithmetic and of the peer's fast one.
    assert result["perplexity"] == pytest.approx(PEER_F32, abs=0.25)
    assert result["perplexity"] == pytest.approx(PEER_Q4_1, abs=0.25)
    assert result["kl"]["mean"] < 0.006
    assert result["top1_agreement"] > 0.95
