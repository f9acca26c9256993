"""Offers over HTTP."""

from typing import Annotated, Any

from fastapi import Body, Path

from campaign.endpoints.versions import Versions
from campaign.merge_patch import patched
from campaign.parts import PartsDep
from campaign.repository import offers as offer_rows
from campaign.schemas.money import Price
from campaign.schemas.offers import NewOffer, OfferKey, OfferTerms, OfferView, offer_view
from campaign.service.offers import add_offer, change_offer
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import ReadSession, WriteSession, requires

router = Router(prefix="/v1/offers")
Key = Annotated[OfferKey, Path()]


@router.post("", status_code=201, dependencies=[requires("campaigns:write")])
async def create_offer(body: NewOffer, session: WriteSession, parts: PartsDep, versions: Versions) -> OfferView:
    """Make an offer that playbooks can give."""
    row = await add_offer(session, body.model_dump(), parts)
    versions.tell(row["version"])
    return offer_view(row)


@router.get("", dependencies=[requires("campaigns:read")])
async def list_offers(session: ReadSession, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[OfferView]:
    """List offers by key."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    rows = await offer_rows.list_offers(session, after_key=after, limit=limit + 1)
    following = encode_cursor([rows[limit - 1]["key"]]) if len(rows) > limit else None
    return Page(items=[offer_view(row) for row in rows[:limit]], next_cursor=following)


@router.get("/{key}", dependencies=[requires("campaigns:read")])
async def get_offer(key: Key, session: ReadSession, versions: Versions) -> OfferView:
    """Read an offer."""
    row = await offer_rows.get_offer(session, key)
    versions.tell(row["version"])
    return offer_view(row)


@router.patch("/{key}", dependencies=[requires("campaigns:write")])
async def update_offer(
    key: Key, body: Annotated[dict[str, Any], Body()], versions: Versions, session: WriteSession, parts: PartsDep
) -> OfferView:
    """Change an offer (JSON Merge Patch); decisions already taken keep the terms they were taken on."""
    row = await offer_rows.get_offer(session, key, lock=True)
    versions.require(row["version"])
    fields = {name: row[name] for name in OfferTerms.model_fields if name != "cost"}
    terms = patched(OfferTerms(**fields, cost=Price(amount=row["cost"], currency=row["currency"])), body)
    saved = await change_offer(session, terms.model_dump() | {"key": key}, parts)
    versions.tell(saved["version"])
    return offer_view(saved)
