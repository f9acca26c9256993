"""Models: training, the registry, promotion."""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from chassis.jobs import enqueue_job
from chassis.routing import Router
from scoring.domain.artefact import ArtefactRejected, SignedArtefact, open_signed
from scoring.errors import ModelDoesNotExist, ModelFileRefused, ModelIsNotTrainedHere
from scoring.models import ModelRow
from scoring.parts import PartsDep
from scoring.repository import model_versions
from scoring.schemas import JobAccepted, Model, ModelKind, Train, UploadModel
from scoring.service import learning
from scoring.serving import loaded

router = Router(tags=["scoring"])
_TRAINED_HERE = ("churn", "value")


@router.post("/v1/models/{kind}/train", status_code=202, dependencies=[requires("models:write")])
async def train_model(kind: ModelKind, session: WriteSession, body: Train | None = None) -> JobAccepted:
    """Train a model on what is known of all customers; the job's result names the version."""
    if kind not in _TRAINED_HERE:
        raise ModelIsNotTrainedHere(f"Models of kind {kind} are not trained by this version; churn and value are.")
    job = f"train_{kind}"
    return JobAccepted(id=await enqueue_job(session, job, (body or Train()).model_dump(mode="json")), kind=job)


@router.post("/v1/models", status_code=201, dependencies=[requires("models:write")], max_body_size=17_000_000)
async def upload_model(body: UploadModel, session: WriteSession, parts: PartsDep) -> Model:
    """Register a model that was trained elsewhere and signed with this installation's key."""
    try:
        content = base64.b64decode(body.content, validate=True)
        model = open_signed(content, body.signature, parts.settings.key)
        loaded(model)
    except (binascii.Error, ArtefactRejected, ValueError, KeyError) as error:
        raise ModelFileRefused("Nothing of it was read; sign it with this installation's key.") from error
    artefact = SignedArtefact(content, hashlib.sha256(content).hexdigest(), body.signature)
    row = await learning.register(session, parts, model, artefact, parameters={"uploaded": True})
    if body.promote:
        row = await learning.promote(session, parts, row.id)
    return _body(row)


@router.get("/v1/models", dependencies=[requires("models:read")])
async def list_models(session: ReadSession, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Model]:
    """List model versions, the newest first."""
    before: Any = tuple(decode_cursor(cursor, datetime, UUID)) if cursor else None
    rows = await model_versions.list_page(await raw_connection(session), before=before, limit=limit + 1)
    following = encode_cursor([rows[limit - 1].created_at, rows[limit - 1].id]) if len(rows) > limit else None
    return Page(items=[_body(row) for row in rows[:limit]], next_cursor=following)


@router.get("/v1/models/{id}", dependencies=[requires("models:read")])
async def get_model(id: UUID, session: ReadSession) -> Model:  # noqa: A002
    """Show how a model was made, how good it is, and whether it serves."""
    row = await model_versions.find(await raw_connection(session), id)
    if row is None:
        raise ModelDoesNotExist(f"There is no model {id}.")
    return _body(row)


@router.post("/v1/models/{id}/promote", dependencies=[requires("models:write")])
async def promote_model(id: UUID, session: WriteSession, parts: PartsDep) -> Model:  # noqa: A002
    """Let a model serve in place of the one before; everybody is scored by it."""
    return _body(await learning.promote(session, parts, id))


def _body(row: ModelRow) -> Model:
    shown = {name: getattr(row, name) for name in Model.model_fields if hasattr(row, name)}
    from_report = {name: row.report.get(name) for name in ("calibration", "drift", "window")}
    return Model(**shown, **from_report, metrics=learning.figures_of(row))
