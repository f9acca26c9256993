"""Asking all services the same question, and making one answer of theirs."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from chassis.errors import Problem
from chassis.identity import HEADER
from chassis.trace import current_trace
from gateway.errors import ServiceUnreachable
from gateway.headers import Headers
from gateway.upstreams import Answer, Upstream, ask


def headers_of(request: Request) -> Headers:
    """Who asks, in which trace."""
    return [
        (HEADER.encode(), request.headers.get(HEADER, "").encode("latin-1")),
        (b"traceparent", current_trace().traceparent.encode()),
        (b"content-type", b"application/json"),
    ]


async def ask_each(
    services: Mapping[str, Upstream], method: str, path: str, *, headers: Headers, query: str = "", body: bytes = b""
) -> dict[str, Answer]:
    """Every service's answer. Raises ServiceUnreachable naming those that gave none, or failed to."""
    found = await asyncio.gather(
        *(ask(upstream, method, path, query=query, headers=headers, body=body) for upstream in services.values()),
        return_exceptions=True,
    )
    answers, silent = dict[str, Answer](), list[str]()
    for name, answer in zip(services, found, strict=True):
        if isinstance(answer, Answer) and answer.status < 500:
            answers[name] = answer
        elif isinstance(answer, (Answer, Exception)):
            silent.append(name)
        else:
            raise answer
    if silent:
        raise ServiceUnreachable(f"No answer from: {', '.join(silent)}.", headers={"Retry-After": "1"})
    return answers


def require_success(answers: Mapping[str, Answer]) -> None:
    """Raises the first answer that is a problem."""
    for answer in answers.values():
        if answer.status >= 400:
            raise problem_in(answer)


def problem_in(answer: Answer) -> Problem:
    """A service's own problem, to be told again."""
    told: dict[str, Any] = answer.json()
    members = {"status": answer.status, "code": told["code"], "title": told["title"]}
    problem: Problem = type("ServiceProblem", (Problem,), members)(told.get("detail", ""))
    return problem
