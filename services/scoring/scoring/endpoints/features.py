"""The training set."""

from datetime import date

from fastapi.responses import StreamingResponse

from chassis.dependencies import requires
from chassis.routing import Router
from scoring.parts import PartsDep
from scoring.service.reading import feature_lines

router = Router(tags=["scoring"])


@router.get(
    "/v1/features", dependencies=[requires("scores:read")], response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def list_features(parts: PartsDep, as_of: date | None = None) -> StreamingResponse:
    """Stream every customer's features as they were known at the end of a day (default: today), as NDJSON."""
    day = as_of or parts.clock.business_now().date()
    return StreamingResponse(feature_lines(parts, day), media_type="application/x-ndjson")
