import numpy as np
import pytest

from scoring.domain.artefact import ArtefactRejected, TrainedModel, open_signed, sign

KEY = b"a key of this installation"
MODEL = TrainedModel("churn", {"b": np.arange(3.0), "a": np.array(["x", "y"])}, {"metrics": {"auc": 0.8}})


def test_a_model_comes_back_as_it_was_signed():
    signed = sign(MODEL, KEY)
    opened = open_signed(signed.content, signed.signature, KEY)
    assert (opened.kind, opened.report) == ("churn", MODEL.report)
    assert opened.arrays["a"].tolist() == ["x", "y"]
    np.testing.assert_array_equal(opened.arrays["b"], MODEL.arrays["b"])


def test_the_same_model_gives_the_same_bytes():
    other_order = TrainedModel("churn", dict(reversed(MODEL.arrays.items())), dict(MODEL.report))
    assert sign(MODEL, KEY) == sign(other_order, KEY)


def test_changed_bytes_are_refused_before_they_are_read():
    signed = sign(MODEL, KEY)
    changed = bytes([signed.content[0] ^ 1]) + signed.content[1:]
    with pytest.raises(ArtefactRejected, match="signature"):
        open_signed(changed, signed.signature, KEY)


def test_another_installations_signature_is_refused():
    signed = sign(MODEL, b"another key")
    with pytest.raises(ArtefactRejected, match="signature"):
        open_signed(signed.content, signed.signature, KEY)


def test_a_pickle_is_never_loaded():
    with pytest.raises(ValueError, match="pickle"):
        sign(TrainedModel("churn", {"objects": np.array([object()])}, {}), KEY)
