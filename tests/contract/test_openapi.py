"""What the services' documents promise to whoever generates a client from them."""

from importlib import import_module

import pytest

from gateway.routes import SERVICES
from tests.conftest import SettingsFor


@pytest.mark.parametrize("name", SERVICES)
async def test_an_operation_asks_for_if_match_exactly_when_it_can_miss_it(name: str, settings_for: SettingsFor) -> None:
    settings_class = getattr(import_module(f"{name}.settings"), f"{name.title()}Settings")
    service = import_module(f"{name}.app").build(await settings_for(settings_class))
    try:
        operations = [one for path in service.app.openapi()["paths"].values() for one in path.values()]
    finally:
        await service.stop()
    missed = {one["operationId"] for one in operations if "428" in one["responses"]}
    asked = {
        one["operationId"]
        for one in operations
        for parameter in one.get("parameters", ())
        if (parameter["name"], parameter["in"], parameter["required"]) == ("If-Match", "header", True)
    }
    assert asked == missed
    assert missed or name == "interaction"
