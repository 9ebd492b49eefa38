from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from java_here import needs_java
from uat_lightning.metrics.captioning import (
    FenseErrorDetector,
    FluencyError,
    NotComputable,
    SentenceSimilarity,
    SentenceTransformer,
    Spice,
    Treebank,
    caption_scores,
    every_scorer,
)
from uat_lightning.metrics.captioning.scoring import caption_corpus
from uat_lightning.metrics.captioning.sentences import sentence_similarity

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "barks", "rain", "falls", "and", "loud", "."]
SAID, TRUE = ["A dog barks.", "rain"], [["a loud dog barks.", "rain falls"], ["rain"]]


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    """Write a tiny network with random weights in the layout of a sentence-transformers folder."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=len(WORDS), initializer_range=0.5, **shape)).save_pretrained(folder)
    modules = ["sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"]
    (folder / "modules.json").write_text(json.dumps([{"type": kind} for kind in modules]))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        '{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}'
    )
    return folder


def hidden(bert: Path, sentence: str) -> torch.Tensor:
    """Return the last layer of one sentence, without padding, (tokens, width)."""
    tokens = BertTokenizerFast.from_pretrained(bert)(sentence, return_tensors="pt")
    with torch.no_grad():
        return BertModel.from_pretrained(bert).eval()(**tokens).last_hidden_state[0]


def test_similarity_is_the_mean_cosine_of_the_tokens_mean_whatever_the_batch(bert):
    def cosine(a: str, b: str) -> float:
        return float(torch.cosine_similarity(hidden(bert, a).mean(0), hidden(bert, b).mean(0), dim=0))

    by_hand = [(cosine(SAID[0], TRUE[0][0]) + cosine(SAID[0], TRUE[0][1])) / 2, 1.0]
    for size in (1, 128):
        found = sentence_similarity(SAID, TRUE, SentenceTransformer(bert, batch_size=size))
        assert found == pytest.approx(by_hand, abs=1e-5)
    assert by_hand[0] < 0.99


def test_another_pooling_or_an_absent_folder_is_a_reason(bert, tmp_path):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(NotComputable, match="does not take the mean over tokens"):
        SentenceTransformer(tmp_path).embed(["a"])
    with pytest.raises(NotComputable, match=r"modules.json is absent: give the folder"):
        SentenceTransformer(tmp_path / "nowhere").embed(["a"])
    for name in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / name).write_bytes((bert / name).read_bytes())
    with pytest.raises(NotComputable, match="not a folder of a Hugging Face model"):
        SentenceTransformer(tmp_path).embed(["a"])


@pytest.fixture(scope="module")
def checkpoint(bert, tmp_path_factory) -> Path:
    """Write a checkpoint with FENSE's names, the numbers of the positions that old transformers kept included."""
    state = {f"encoder.{name}": weight for name, weight in BertModel.from_pretrained(bert).state_dict().items()}
    state["encoder.embeddings.position_ids"] = torch.arange(512)[None]
    generator = torch.Generator().manual_seed(1)
    state |= {"clf.weight": 0.3 * torch.randn(6, 16, generator=generator), "clf.bias": torch.zeros(6)}
    path = tmp_path_factory.mktemp("fense") / "echecker.ckpt"
    torch.save({"model_type": "bert", "num_classes": 6, "state_dict": state}, path)
    return path


def test_an_error_is_the_last_output_of_the_first_token(bert, checkpoint):
    sentences = ["a dog", "rain falls and", "a loud loud dog barks and barks", "rain"]
    head = torch.load(checkpoint, weights_only=True)["state_dict"]
    by_hand = [float((hidden(bert, text)[0] @ head["clf.weight"][5]).sigmoid()) for text in sentences]
    for size in (1, 3, 128):
        found = FenseErrorDetector(checkpoint, bert, batch_size=size).probabilities(sentences)
        assert found == pytest.approx(by_hand, abs=1e-5)
    assert max(by_hand) - min(by_hand) > 0.05


def test_fense_takes_nine_tenths_for_an_error(bert, checkpoint):
    detector = FenseErrorDetector(checkpoint, bert)
    first, second = detector.probabilities(SAID)
    middle = (first + second) / 2
    found = caption_scores(SAID, TRUE, [SentenceSimilarity(SentenceTransformer(bert)), FluencyError(detector, middle)])
    errors = [float(value > middle) for value in (first, second)]
    assert found.per_clip["fluency_error"] == errors
    assert sum(errors) == 1
    alike = found.per_clip["sentence_similarity"]
    assert found.per_clip["fense"] == pytest.approx([a * (1 - 0.9 * e) for a, e in zip(alike, errors, strict=True)])


def test_a_checkpoint_that_is_none_or_of_another_shape_is_a_reason(bert, tmp_path):
    (tmp_path / "no.ckpt").write_bytes(b"nothing")
    with pytest.raises(NotComputable, match="not a checkpoint of FENSE"):
        FenseErrorDetector(tmp_path / "no.ckpt", bert).probabilities(["a"])
    torch.save({"num_classes": 6, "state_dict": {"clf.weight": torch.zeros(6, 4)}}, tmp_path / "other.ckpt")
    with pytest.raises(NotComputable, match="does not fit"):
        FenseErrorDetector(tmp_path / "other.ckpt", bert).probabilities(["a"])


def test_a_checkpoint_with_code_in_it_is_not_run(bert, tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"num_classes": 6, "state_dict": Code()}, tmp_path / "bad.ckpt")
    with pytest.raises(NotComputable, match="not a checkpoint of FENSE"):
        FenseErrorDetector(tmp_path / "bad.ckpt", bert).probabilities(["a"])
    assert not (tmp_path / "ran").exists()


def test_published_similarities_come_out(shared):
    folder = os.environ.get("UAT_MINILM")
    if not folder:
        pytest.skip("no sentence embedder: name a folder of all-MiniLM-L6-v2 with UAT_MINILM")
    embedder = SentenceTransformer(Path(folder))
    for case in json.loads((shared / "cases" / "sbert_minilm" / "cases.json").read_text()):
        cosines = embedder.embed(case["a"]) @ embedder.embed(case["b"]).T
        expected = torch.tensor(case["cosine"])
        torch.testing.assert_close(cosines, expected, rtol=0, atol=case["tolerance_abs"])


def test_what_has_no_weights_leaves_its_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = caption_scores(SAID, TRUE, every_scorer())
    absent = {"meteor", "spice", "spider", "spider_fl", "sentence_similarity", "fluency_error", "fense"}
    assert found.not_computed.keys() == absent
    assert not absent & found.scores.keys()
    assert "stanford-corenlp-3.6.0.jar" in found.not_computed["spider"]
    with pytest.raises(NotComputable, match=r"needs stanford-corenlp-3.6.0.jar and .*-models.jar in"):
        Spice(tmp_path).score(caption_corpus(SAID, TRUE, Treebank()))


@needs_java
def test_spice_with_archives_that_hold_no_parser_says_what_java_said(tmp_path):
    for name in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        (tmp_path / name).write_bytes(b"")
    found = caption_scores(SAID, TRUE, [Spice(tmp_path)])
    assert found.not_computed["spice"].startswith("SPICE ended early: ")
    assert "edu/stanford/nlp" in found.not_computed["spice"]
