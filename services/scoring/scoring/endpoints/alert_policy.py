"""When an alert is worth raising."""

from decimal import Decimal

from fastapi import Request, Response

from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from chassis.errors import FieldError, Invalid, PreconditionFailed
from chassis.etag import require_match, set_etag
from chassis.openapi import match_responses
from chassis.routing import Router
from contracts.event import Money
from scoring.domain.alerts import AlertPolicy
from scoring.parts import PartsDep
from scoring.schemas import ChangePolicy, Policy
from scoring.service.alert_policy import change_policy, policy_of

router = Router(tags=["scoring"])


@router.get("/v1/alert-policy", dependencies=[requires("scores:read")])
async def get_alert_policy(session: ReadSession, parts: PartsDep, response: Response) -> Policy:
    """Show when an alert is raised and cleared, and what its expected profit assumes."""
    policy, version = await policy_of(await raw_connection(session))
    set_etag(response, version)
    return _body(policy, version, parts.settings.currency)


@router.put("/v1/alert-policy", dependencies=[requires("scores:write")], responses=match_responses())
async def put_alert_policy(
    request: Request, body: ChangePolicy, session: WriteSession, parts: PartsDep, response: Response
) -> Policy:
    """Replace the policy; everybody is judged by the new one at once."""
    _, version = await policy_of(await raw_connection(session), lock=True)
    require_match(request, version)
    policy = _policy(body, parts.settings.currency)
    if not await change_policy(session, parts, policy, version=version + 1):
        raise PreconditionFailed("Somebody else changed the policy at the same moment; read it again.")
    set_etag(response, version + 1)
    return _body(policy, version + 1, parts.settings.currency)


def _policy(body: ChangePolicy, currency: str) -> AlertPolicy:
    if body.clear_at >= body.raise_at:
        fault = FieldError("/clear_at", "must be below raise_at")
        raise Invalid("An alert must clear below the probability that raises it.", errors=[fault])
    amounts = {name: _amount(getattr(body, name), name, currency) for name in ("action_cost", "min_expected_profit")}
    if amounts["action_cost"] < 0:
        raise Invalid("A cost cannot be negative.", errors=[FieldError("/action_cost", "must not be negative")])
    return AlertPolicy(
        save_rate=body.save_rate, raise_at=body.raise_at, clear_at=body.clear_at, cool_down_days=body.cool_down_days,
        **amounts,
    )  # fmt: skip


def _amount(given: Money | Decimal, name: str, currency: str) -> float:
    if isinstance(given, Decimal):
        return float(given)
    if given.currency != currency:
        fault = FieldError(f"/{name}/currency", f"must be {currency}")
        raise Invalid(f"The policy is in the reporting currency {currency}.", errors=[fault])
    return float(given.amount)


def _body(policy: AlertPolicy, version: int, currency: str) -> Policy:
    def money(value: float) -> Money:
        return Money(amount=Decimal(value).quantize(Decimal("0.01")), currency=currency)

    return Policy(
        save_rate=policy.save_rate, action_cost=money(policy.action_cost),
        min_expected_profit=money(policy.min_expected_profit), raise_at=policy.raise_at, clear_at=policy.clear_at,
        cool_down_days=policy.cool_down_days, version=version,
    )  # fmt: skip
