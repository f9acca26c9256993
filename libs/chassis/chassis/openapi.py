"""The OpenAPI 3.1 document of a service: each route with its problems, its scopes and the bearer scheme."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from chassis.errors import MEDIA_TYPE, ProblemDetails

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_EVERYWHERE = {
    400: "The request cannot be read",
    401: "The caller is not known",
    403: "The caller lacks a scope",
    422: "The request is not valid",
    429: "Too many requests",
    503: "Not available at the moment",
}
_WITHOUT_MATCH = {412: "It was changed in between", 428: "If-Match is required"}
_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "The ETag of the version that was read.",
}  # fmt: skip


def problem_responses(path: str, methods: frozenset[str]) -> dict[int | str, dict[str, Any]]:
    """The problems a route of this form can answer with."""
    told = dict(_EVERYWHERE)
    if "{" in path:
        told[404] = "There is no such thing"
    if methods & _WRITES:
        told |= {409: "The present state does not allow it", 413: "The body is too large"}
    if "PATCH" in methods:
        told |= _WITHOUT_MATCH
    return _as_responses(told)


def _as_responses(told: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {status: {"description": told[status], "content": content} for status in sorted(told)}


def match_responses() -> dict[int | str, dict[str, Any]]:
    """The problems of a PUT that names the version it changes; every PATCH has them anyway."""
    return _as_responses(_WITHOUT_MATCH)


def document(app: FastAPI, scopes: dict[str, frozenset[str]]) -> dict[str, Any]:
    """The document; `scopes` are those required, by operation id. Made once, when first asked for."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = made.setdefault("components", {})
        schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        components.setdefault("schemas", {}).update({**schema.pop("$defs", {}), "ProblemDetails": schema})
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a JWT"}
        }
        made["security"] = [{"bearer": []}]
        for path in made["paths"].values():
            for operation in path.values():
                if "428" in operation["responses"]:
                    operation.setdefault("parameters", []).append(_IF_MATCH)
                operation["x-required-scopes"] = sorted(scopes.get(operation["operationId"], ()))
        app.openapi_schema = made
    return app.openapi_schema


def name_operation(route: APIRoute, service: str) -> str:
    """A stable operation id: the service and the endpoint's function."""
    route.operation_id = route.unique_id = f"{service}_{route.endpoint.__name__}"
    route.tags = [service]
    return route.operation_id
