"""Trained models as signed bytes: plain arrays in the npz form, hashed and verified before they are parsed.

The same model gives the same bytes: entries are sorted and carry a fixed date.
"""

import hashlib
import hmac
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


class ArtefactRejected(ValueError):
    """The bytes are not what was signed, or not a model."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What training hands over: `arrays` serve, `report` (JSON values) tells how it was made and how good it is."""

    kind: str
    arrays: Arrays
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedArtefact:
    """A model at rest."""

    content: bytes
    sha256: str
    signature: str


def sign(model: TrainedModel, key: bytes) -> SignedArtefact:
    """Write a model to bytes and sign them (HMAC-SHA-256)."""
    header = json.dumps({"kind": model.kind, "report": model.report}, sort_keys=True, allow_nan=False).encode()
    arrays = dict(sorted(model.arrays.items()))
    if "header" in arrays:
        raise ValueError("'header' is a reserved name")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in [("header", np.frombuffer(header, np.uint8)), *arrays.items()]:
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(array).reshape(np.shape(array)), allow_pickle=False)
            described = zipfile.ZipInfo(f"{name}.npy", _FIXED_DATE)
            described.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(described, entry.getvalue())
    content = buffer.getvalue()
    return SignedArtefact(content, hashlib.sha256(content).hexdigest(), _signature(content, key))


def open_signed(content: bytes, signature: str, key: bytes) -> TrainedModel:
    """Verify, then parse; raises ArtefactRejected and parses nothing when the signature does not hold."""
    if not hmac.compare_digest(_signature(content, key), signature):
        raise ArtefactRejected("the signature does not belong to these bytes and this installation's key")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        return TrainedModel(header["kind"], arrays, header["report"])
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ArtefactRejected(f"the bytes are signed but hold no model: {error}") from error


def _signature(content: bytes, key: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()
