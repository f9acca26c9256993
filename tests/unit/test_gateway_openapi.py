"""Merging the services' documents into one."""

from typing import Any

from gateway.openapi import merge


def _document(path: str, schemas: dict[str, Any], *, of: str = "Thing") -> dict[str, Any]:
    answer = {"description": "ok", "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{of}"}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {
            path: {"get": {"operationId": "read", "responses": {"200": answer}, "security": [{"inner": []}]}},
            "/internal/clock": {"put": {"responses": {}}},
            "/health/live": {"get": {"responses": {}}},
        },
        "components": {"schemas": schemas, "securitySchemes": {"inner": {"type": "apiKey"}}},
    }


THING = {"type": "object", "properties": {"a": {"type": "string"}}}
OTHER_THING = {"type": "object", "properties": {"b": {"type": "integer"}}}


def _merged(customer: dict[str, Any], scoring: dict[str, Any]) -> dict[str, Any]:
    """Two services, one component each of the same name."""
    return merge(
        {
            "customer": _document("/v1/customers", {"Thing": customer}),
            "scoring": _document("/v1/alerts", {"Thing": scoring}),
        },
        version="1",
    )


def _schema_of(merged: dict[str, Any], path: str) -> str:
    content = merged["paths"][path]["get"]["responses"]["200"]["content"]
    return str(content["application/json"]["schema"]["$ref"])


def test_components_that_differ_are_renamed_in_each_service() -> None:
    merged = _merged(THING, OTHER_THING)
    assert _schema_of(merged, "/v1/customers") == "#/components/schemas/CustomerThing"
    assert merged["components"]["schemas"]["CustomerThing"] == THING
    assert merged["components"]["schemas"]["ScoringThing"] == OTHER_THING


def test_equal_components_are_shared() -> None:
    merged = _merged(THING, THING)
    assert _schema_of(merged, "/v1/customers") == _schema_of(merged, "/v1/alerts") == "#/components/schemas/Thing"


def test_equal_words_about_different_things_are_renamed_too() -> None:
    page = {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
    merged = merge(
        {
            "customer": _document("/v1/customers", {"Thing": THING, "Page": page}, of="Page"),
            "scoring": _document("/v1/alerts", {"Thing": OTHER_THING, "Page": page}, of="Page"),
        },
        version="1",
    )
    schemas = merged["components"]["schemas"]
    assert schemas["ScoringPage"]["items"] == {"$ref": "#/components/schemas/ScoringThing"}
    assert schemas["CustomerPage"]["items"] == {"$ref": "#/components/schemas/CustomerThing"}


def test_the_order_of_the_services_does_not_matter() -> None:
    documents = {
        "customer": _document("/v1/customers", {"Thing": THING}),
        "scoring": _document("/v1/alerts", {"Thing": OTHER_THING}),
    }
    assert merge(documents, version="1") == merge(dict(reversed(documents.items())), version="1")


def test_only_paths_that_lead_to_their_service_are_shown() -> None:
    merged = merge({"customer": _document("/v1/customers", {"Thing": THING})}, version="1")
    assert list(merged["paths"]) == ["/v1/customers"]


def test_the_key_is_the_only_security_scheme() -> None:
    merged = merge({"customer": _document("/v1/customers", {"Thing": THING})}, version="1")
    assert list(merged["components"]["securitySchemes"]) == ["key"]
    assert merged["security"] == [{"key": []}]
    assert "security" not in merged["paths"]["/v1/customers"]["get"]


def test_what_the_door_may_answer_is_documented_without_hiding_what_the_service_says() -> None:
    responses = merge({"customer": _document("/v1/customers", {"Thing": THING})}, version="1")["paths"][
        "/v1/customers"
    ]["get"]["responses"]
    assert responses["429"] == {"$ref": "#/components/responses/Door429"}
    assert responses["200"]["description"] == "ok"


def test_operation_ids_are_unique() -> None:
    merged = _merged(THING, THING)
    ids = [item["get"]["operationId"] for item in merged["paths"].values()]
    assert len(set(ids)) == 2
