"""Sending one e-mail over SMTP. The message id is the delivery's, so that a repeated one can be told from a new one."""

import time
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from campaign.channels.templates import TemplateFails, subject_and_body
from campaign.channels.webhook import redacted
from campaign.domain.retries import Attempt
from campaign.repository.customers import list_contacts, resolve
from campaign.repository.decisions import get_decision
from campaign.settings import CampaignSettings
from chassis.clock import Clock
from chassis.database import Database


class EmailSender:
    """Renders and sends; address and name are looked up for each attempt and stored nowhere else."""

    def __init__(self, settings: CampaignSettings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def send(self, *, delivery_id: UUID, decision_id: UUID) -> Attempt:
        """Try once; whatever goes wrong becomes part of the attempt."""
        at = self._clock.system_now()
        began = time.perf_counter()
        status: int | None = None
        error, permanent = None, False
        try:
            message = await self._message(delivery_id, decision_id)
            await self._send(message)
            status = 250
        except aiosmtplib.SMTPResponseException as failure:
            status, error, permanent = failure.code, _shown(failure), 500 <= failure.code < 600
        except aiosmtplib.SMTPRecipientsRefused as failure:
            status = failure.recipients[0].code if failure.recipients else None
            error, permanent = _shown(failure), status is not None and 500 <= status < 600
        except (TemplateFails, NoAddress) as failure:
            error, permanent = _shown(failure), True
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as failure:
            error = _shown(failure)
        duration_ms = round((time.perf_counter() - began) * 1000)
        return Attempt(at, duration_ms, status=status, error=error, permanent=permanent)

    async def _message(self, delivery_id: UUID, decision_id: UUID) -> EmailMessage:
        async with self._database.read() as session:
            decision = await get_decision(session, decision_id)
            customer_id = (await resolve(session, [decision["customer_id"]]))[decision["customer_id"]]
            contact = (await list_contacts(session, [customer_id])).get(customer_id)
        if contact is None or not contact["email"]:
            raise NoAddress("the customer has no e-mail address any more")
        subject, body = subject_and_body(decision["action"], template_values(decision, contact["name"]))
        message = EmailMessage()
        message["From"] = self._settings.smtp_from
        message["To"] = contact["email"]
        message["Subject"] = subject
        message["Date"] = format_datetime(self._clock.system_now())
        domain = parseaddr(self._settings.smtp_from)[1].rpartition("@")[2] or "localhost"
        message["Message-ID"] = f"<{delivery_id}@{domain}>"
        message.set_content(body)
        return message

    async def _send(self, message: EmailMessage) -> None:
        server = urlsplit(self._settings.smtp_url.get_secret_value())
        if not server.hostname:
            raise OSError("STAVE_SMTP_URL is not set")
        tls = server.scheme == "smtps"
        await aiosmtplib.send(
            message, hostname=server.hostname, port=server.port or (465 if tls else 25), use_tls=tls,
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            timeout=self._settings.smtp_timeout.total_seconds(),
        )  # fmt: skip


class NoAddress(Exception):
    """There is nowhere to write to."""


def template_values(decision: dict[str, Any], name: str | None) -> dict[str, Any]:
    """What a template may speak of."""
    action, reasons = decision["action"], decision["alert"]["reasons"]
    return {
        "customer": {"name": name},
        "offer": {"key": action["offer"], "name": action["offer_name"], "kind": action["offer_kind"]},
        "reasons": [{"code": reason["code"], "text": reason["text"]} for reason in reasons],
    }


def _shown(failure: Exception) -> str:
    return redacted(f"{type(failure).__name__}: {failure}".encode())[:500]
