"""One OpenAPI document out of the services' own: what the gateway passes on, as the gateway passes it on."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.routes import is_open, service_for

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_COMPONENT = "#/components/"
_TAGS = {
    "customer": "Who the customer is: profiles, identities, merges, consent, and the view of everything known.",
    "interaction": "What happened: interactions of every channel, one by one or in bulk, and what partners send.",
    "scoring": "What we believe: models, scores with reasons, features, and the alerts that are worth acting on.",
    "campaign": "What we do: offers, playbooks, decisions with every gate, deliveries, and partner webhooks.",
    "gateway": "Operations: keys, jobs, dead letters, health, and the virtual clock.",
}
_DESCRIPTION = (
    "Stave knows every customer, sees who is about to leave, why, and what that is worth, acts in time, and proves "
    "with a control group that acting paid.\n\nErrors are problem details (RFC 9457) with a stable `code` and a "
    "`trace_id`. Lists are paged by opaque cursors. A POST may carry an `Idempotency-Key`; a PATCH needs `If-Match`."
)
# What the door itself may answer to any request that needs a key.
_DOOR_ANSWERS = {
    "401": "No key, or one that is not accepted.",
    "403": "The key lacks the scope that this needs.",
    "413": "The body is over the cap.",
    "429": "The key's rate limit is used up; `Retry-After` says when to come again.",
    "502": "The service broke off before it answered.",
    "503": "The platform is busy, or a part of it cannot be reached.",
    "504": "The service took too long.",
}
_PROBLEM_SCHEMA: Document = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "code", "trace_id"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string"}, "code": {"type": "string", "description": "Stable; build on this."},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}  # fmt: skip


def merge(documents: Mapping[str, Document], *, version: str) -> Document:
    """One OpenAPI 3.1 document of every path that leads to the service that describes it.

    A component that two services define differently is renamed in each, to the service's name and its own: the result
    does not depend on the order of the services. The services' own security schemes end at the gateway.
    """
    conflicts = _conflicting(documents)
    paths: Document = {}
    components: Document = {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `stv_…`."}},
        "responses": {_door_name(status): _problem_response(text) for status, text in _DOOR_ANSWERS.items()},
        "schemas": {"DoorProblem": _PROBLEM_SCHEMA},
    }
    for service in sorted(documents):
        renamed = _renamed(documents[service], _new_names(service, conflicts))
        for path, item in renamed.get("paths", {}).items():
            if service_for(path) == service:
                paths[path] = _finished(item, path=path, service=service)
        for section, name, definition in _components(renamed):
            components.setdefault(section, {})[name] = definition
    _make_operation_ids_unique(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stave", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def _door_name(status: str) -> str:
    return f"Door{status}"


def _problem_response(description: str) -> Document:
    schema = {"$ref": "#/components/schemas/DoorProblem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _components(document: Document) -> Iterator[tuple[str, str, Any]]:
    for section, entries in document.get("components", {}).items():
        if section != "securitySchemes":
            for name, definition in entries.items():
                yield section, name, definition


def _references(node: Any) -> Iterator[str]:
    """Every component a definition refers to, discriminator mappings included."""
    if isinstance(node, str):
        if node.startswith(_COMPONENT):
            yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _conflicting(documents: Mapping[str, Document]) -> set[str]:
    """The components, as `#/components/section/name`, that do not mean the same in every service that has them."""
    definitions: dict[str, list[Any]] = {}
    for document in documents.values():
        for section, name, definition in _components(document):
            definitions.setdefault(f"{_COMPONENT}{section}/{name}", []).append(definition)
    shared = {reference: found for reference, found in definitions.items() if len(found) > 1}
    conflicts = {reference for reference, found in shared.items() if any(one != found[0] for one in found)}
    # Equal words that refer to something different do not mean the same.
    while more := {r for r in shared.keys() - conflicts if not conflicts.isdisjoint(_references(shared[r][0]))}:
        conflicts |= more
    return conflicts


def _new_names(service: str, conflicts: set[str]) -> dict[str, str]:
    return {
        reference: f"{section}/{service.capitalize()}{name}"
        for reference in conflicts
        for section, name in [reference.rsplit("/", 1)]
    }


def _renamed(document: Document, names: Mapping[str, str]) -> Document:
    def rename(node: Any) -> Any:
        if isinstance(node, str):
            return names.get(node, node)
        if isinstance(node, Mapping):
            return {key: rename(value) for key, value in node.items()}
        return [rename(value) for value in node] if isinstance(node, list) else node

    renamed: Document = rename(document)
    sections: Document = {}
    for section, name, definition in _components(renamed):
        new_name = names.get(f"{_COMPONENT}{section}/{name}", name).rsplit("/", 1)[-1]
        sections.setdefault(section, {})[new_name] = definition
    return renamed | {"components": sections}


def _finished(item: Document, *, path: str, service: str) -> Document:
    """A path as the gateway shows it: tagged by service, behind the key, with what the door itself may answer."""
    finished = dict(item)
    for method in _METHODS:
        if method in item:
            operation = {key: value for key, value in item[method].items() if key != "security"}
            operation["tags"] = [service]
            if is_open(path):
                operation["security"] = []
            else:
                operation["responses"] = _with_door_answers(operation.get("responses", {}))
            finished[method] = operation
    return finished


def _with_door_answers(responses: Document) -> Document:
    added = {status: {"$ref": f"{_COMPONENT}responses/{_door_name(status)}"} for status in _DOOR_ANSWERS}
    return dict(sorted((added | responses).items()))


def _make_operation_ids_unique(paths: Document) -> None:
    seen: set[str] = set()
    for path in sorted(paths):
        for method in _METHODS:
            operation = paths[path].get(method)
            if operation is None:
                continue
            name = operation.get("operationId") or f"{method}_{path.strip('/').replace('/', '_')}"
            if name in seen:
                name = f"{operation['tags'][0]}_{name}"
            seen.add(name)
            operation["operationId"] = name
