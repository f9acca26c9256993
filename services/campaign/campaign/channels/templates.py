"""Subjects and bodies of messages, written by marketers, rendered where a template can reach nothing but its words."""

from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MOST_CHARACTERS = 100_000
_DEFAULT_SUBJECT = "{{ offer.name or 'A word from us' }}"
_DEFAULT_BODY = "Hello{% if customer.name %} {{ customer.name }}{% endif %},\n\n{{ offer.name or 'how are you?' }}\n"


class TemplateFails(ValueError):
    """A template that cannot be rendered."""


# What a message needs and no more: no assignment, multiplication or call, by which a short text could grow to fill all
# memory, and no loop inside a loop inside a loop.
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.If,
    nodes.For, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.Concat, nodes.Keyword,
)  # fmt: skip
_FILTERS = frozenset(
    {
        "capitalize", "count", "d", "default", "first", "int", "join", "last", "length", "lower", "round", "sort",
        "title", "trim", "truncate", "unique", "upper",
    }
)  # fmt: skip
_MOST_LOOPS = 2

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters = {name: one for name, one in _ENVIRONMENT.filters.items() if name in _FILTERS}

_EXAMPLE = {
    "customer": {"name": "Ada"},
    "offer": {"key": "save-10", "name": "10 % off", "kind": "discount"},
    "reasons": [{"code": "silence", "text": "73 days since the last purchase; usual gap 21"}],
}


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template in. Raises TemplateFails."""
    try:
        tree = _ENVIRONMENT.parse(template)
        _refuse_what_can_grow(tree, loops=0)
        pieces, length = [], 0
        for piece in _ENVIRONMENT.from_string(tree).generate(**values):
            length += len(piece)
            if length > _MOST_CHARACTERS:
                raise TemplateFails(f"the text grows beyond {_MOST_CHARACTERS} characters")
            pieces.append(piece)
    except TemplateFails:
        raise
    except (
        TemplateError,
        RecursionError,
        ArithmeticError,
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
    ) as error:
        raise TemplateFails(str(error) or type(error).__name__) from error
    return "".join(pieces)


def _refuse_what_can_grow(node: nodes.Node, *, loops: int) -> None:
    if not isinstance(node, _ALLOWED):
        raise TemplateFails(f"line {node.lineno}: {type(node).__name__} is not available")
    inside = loops + isinstance(node, nodes.For)
    if inside > _MOST_LOOPS:
        raise TemplateFails(f"line {node.lineno}: at most {_MOST_LOOPS} loops inside each other")
    for child in node.iter_child_nodes():
        _refuse_what_can_grow(child, loops=inside)


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
