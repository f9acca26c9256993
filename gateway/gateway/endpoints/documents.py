"""The API document of the whole platform, and a page to read it and try it, without anything from another host."""

import time
from pathlib import Path

import msgspec
from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

from chassis.errors import NotFound
from gateway import __version__
from gateway.fan_out import ask_each
from gateway.openapi import merge
from gateway.parts import PartsDep
from gateway.routes import OWN

# A service may be replaced by a newer version behind a running gateway.
_KEPT_SECONDS = 60.0
# What the page needs, out of the package that ships Swagger UI; FastAPI's own page would fetch it from a CDN.
_ASSETS = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"})

documents_router = APIRouter(include_in_schema=False)


@documents_router.get("/openapi.json")
async def openapi(request: Request, parts: PartsDep) -> Response:
    """Every path of the platform in one OpenAPI 3.1 document."""
    kept: tuple[float, bytes] | None = getattr(request.app.state, "merged_document", None)
    if kept is None or time.monotonic() - kept[0] > _KEPT_SECONDS:
        answers = await ask_each(parts.services, "GET", "/openapi.json", headers=[])
        documents = {name: answer.json() for name, answer in answers.items()} | {OWN: request.app.openapi()}
        kept = request.app.state.merged_document = (
            time.monotonic(), msgspec.json.encode(merge(documents, version=__version__)),
        )  # fmt: skip
    return Response(kept[1], media_type="application/json")


@documents_router.get("/docs")
async def docs() -> HTMLResponse:
    """The document as a page."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json", title="Stave API", swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css", swagger_favicon_url="/docs/assets/favicon.png",
        swagger_ui_parameters={"docExpansion": "none", "filter": True, "persistAuthorization": False},
    )  # fmt: skip


@documents_router.get("/docs/assets/{name}")
async def docs_asset(name: str) -> FileResponse:
    """A file of the page."""
    if name not in _ASSETS:
        raise NotFound("The page has no such file.")
    # Only its files are used; it is imported when first asked for, as it costs a start some time.
    import fastapi_offline

    return FileResponse(Path(str(fastapi_offline.__file__)).parent / "static" / name)
