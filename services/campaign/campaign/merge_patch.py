"""JSON Merge Patch (RFC 7396): what is given changes, null removes, the rest stays; the result must be valid again."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chassis.errors import FieldError, Invalid

M = TypeVar("M", bound=BaseModel)


def patched(current: M, patch: dict[str, Any]) -> M:
    """The model after the patch. Raises Invalid with a pointer for each field that is not acceptable."""
    try:
        merged = _merge(current.model_dump(mode="json", by_alias=True), patch)
        return type(current).model_validate(merged)
    except ValidationError as error:
        faults = [
            FieldError("".join(f"/{part}" for part in fault["loc"]), str(fault["msg"]))
            for fault in error.errors()[:100]
        ]
        raise Invalid("The change leads to something that cannot be accepted.", errors=faults) from None
    except RecursionError:
        raise Invalid("The change is nested too deeply.") from None


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
