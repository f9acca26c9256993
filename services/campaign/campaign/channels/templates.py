"""Subjects and bodies of messages, written by marketers, rendered where a template can reach nothing but its words."""

from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MOST_CHARACTERS = 100_000
_DEFAULT_SUBJECT = "{{ offer.name or 'A word from us' }}"
_DEFAULT_BODY = "Hello{% if customer.name %} {{ customer.name }}{% endif %},\n\n{{ offer.name or 'how are you?' }}\n"


class TemplateFails(ValueError):
    """A template that cannot be rendered."""


class _Sandbox(ImmutableSandboxedEnvironment):
    # `'x' * 10**9` would take all memory.
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply small numbers only."""
        small = all(isinstance(side, (int, float)) and abs(side) < 10**6 for side in (left, right))
        if operator != "*" or not small:
            raise TemplateFails(f"{operator} is only for small numbers")
        return super().call_binop(context, operator, left, right)


_ENVIRONMENT = _Sandbox(undefined=StrictUndefined, autoescape=False)
# Filters and functions whose output can be far larger than what goes in.
for _name in ("range", "lipsum", "cycler", "joiner"):
    _ENVIRONMENT.globals.pop(_name, None)
for _name in ("center", "indent", "format", "wordwrap", "batch", "tojson", "pprint", "xmlattr"):
    _ENVIRONMENT.filters.pop(_name, None)

_EXAMPLE = {
    "customer": {"name": "Ada"},
    "offer": {"key": "save-10", "name": "10 % off", "kind": "discount"},
    "reasons": [{"code": "silence", "text": "73 days since the last purchase; usual gap 21"}],
}


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template in. Raises TemplateFails."""
    try:
        pieces, length = [], 0
        for piece in _ENVIRONMENT.from_string(template).generate(**values):
            length += len(piece)
            if length > _MOST_CHARACTERS:
                raise TemplateFails(f"the text grows beyond {_MOST_CHARACTERS} characters")
            pieces.append(piece)
    except TemplateFails:
        raise
    except (TemplateError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise TemplateFails(str(error) or type(error).__name__) from error
    return "".join(pieces)


def fault_of(template: str) -> str | None:
    """Why a template cannot be used, tried with an example; None where it can."""
    try:
        render(template, _EXAMPLE)
    except TemplateFails as error:
        return f"the template fails: {error}"
    return None


def subject_and_body(action: dict[str, Any], values: dict[str, Any]) -> tuple[str, str]:
    """An action's texts; a subject is one line."""
    subject = render(action["subject"] or _DEFAULT_SUBJECT, values)
    return " ".join(subject.split())[:200], render(action["body"] or _DEFAULT_BODY, values)
