"""Files of customers sent to a real customer service, and the command line's own refusals."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from chassis.service import Service
from customer.app import build
from customer.settings import CustomerSettings
from standalone.cli import execute
from standalone.importing import CustomerImport, import_customers
from tests.conftest import ClientFor, SettingsFor

ROWS = """customerID,Name,Email,Contract,tenure,zip
7590-VHVEG,Ada,ada@example.com,Two year,12,01234
5575-GNVDE,Bo,not an address,One year,3,99999
,Cy,,One year,3,99999
"""


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(CustomerSettings))
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


async def test_customers_are_imported_with_attributes_and_bad_rows_are_told(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    path = tmp_path / "crm.csv"
    path.write_text(ROWS)
    summary = await import_customers(path, CustomerImport("crm", columns={"attributes.*": "*"}), client)
    assert (summary.read, summary.accepted, summary.rejected) == (3, 1, 2)
    assert summary.rejects is not None
    assert summary.rejects.read_text().count("\n") == 3
    ada = (await client.get("/v1/customers/by-external-id/crm/7590-VHVEG")).json()
    assert (ada["name"], ada["emails"]) == ("Ada", ["ada@example.com"])
    assert ada["attributes"] == {"Contract": "Two year", "tenure": 12, "zip": "01234"}


def test_the_command_refuses_what_it_cannot_use_with_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nothing.csv"
    path.write_text("")
    assert execute(["import", "customers", str(path), "--source", "crm", "--key", "x"]) == 2
    assert "is empty" in capsys.readouterr().err
    assert execute(["import", "interactions", str(path), "--source", "crm", "--time-zone", "Mars", "--key", "x"]) == 2
    assert "Mars is no time zone" in capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err
