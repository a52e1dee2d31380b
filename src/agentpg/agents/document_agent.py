"""DocumentAgent summarises documents through an OpenAI-compatible endpoint.

`summarise_folder` submits one task a document; `summarise` reads one document, a long one
in parts whose summaries are then summarised.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentpg.agents.documents import find_documents, folder_within, read_document, split
from agentpg.desk.catalogue import FOLDER as SCHEMA_PAGES
from agentpg.errors import (
    DocumentUnusable,
    EndpointFailed,
    EndpointMissing,
    EndpointRefused,
)
from agentpg.language import N_
from agentpg.settings import hide_password
from agentpg.tasks.client_async import AsyncClient
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.model import NewTask
from agentpg.tasks.redaction import without_secrets
from agentpg.tasks.run import Run

if TYPE_CHECKING:
    from openai import AsyncOpenAI

AGENT = "DocumentAgent"

_TIMEOUT = timedelta(minutes=10)
_SECONDS_FOR_AN_ANSWER = 120.0

# Answers that may be others a moment later; all else in 4xx stays as it is.
_PASSING = (408, 409, 425, 429)

_WHOLE = (
    "Summarise the document that follows in at most five sentences, in its own language. "
    "Say what it is for and what a reader must know. Answer with the summary alone."
)
_PART = (
    "What follows is one part of a longer document. Summarise it in at most five sentences, "
    "in its own language. Answer with the summary alone."
)
_TOGETHER = (
    "What follows are summaries of the parts of one document, in their order. Make one "
    "summary of at most five sentences of them, in their own language. Answer with it alone."
)

Ask = Callable[[str, str], Awaitable[str]]


def document_app() -> App:
    """The handlers DocumentAgent/summarise_folder and DocumentAgent/summarise."""
    app = App()
    app.add(summarise_folder, agent_name=AGENT, task_type="summarise_folder", timeout=_TIMEOUT)
    app.add(summarise, agent_name=AGENT, task_type="summarise", timeout=_TIMEOUT)
    return app


async def summarise_folder(run: Run, folder: str | None = None) -> dict[str, Any]:
    """Submit one task for each document of `folder`, by default the setting `documents`.

    Only folders within that one, and the schema pages in `home`, can be read. The result
    names the tasks; another attempt submits none twice.
    """
    with _unusable_for_good():
        _require_text("folder", folder)
        place = await asyncio.to_thread(folder_within, folder, _roots(run))
        paths = await asyncio.to_thread(find_documents, place)
        if not paths:
            raise DocumentUnusable(N_("there is no Markdown or text file in it"), path=place)
    async with AsyncClient(run.database, settings=run.settings) as client:
        tasks = await client.submit_many([_task_for(run, place, path) for path in paths])
    run.log.info("submitted %s documents of %s", len(tasks), place)
    return {"folder": str(place), "documents": len(tasks), "tasks": [str(task) for task in tasks]}


async def summarise(run: Run, path: str, root: str | None = None) -> dict[str, Any]:
    """Summarise the document `path` of the folder `root`, by default the setting `documents`.

    The result has path, title, summary, parts (how many the document was read in), model
    and characters.
    """
    with _unusable_for_good():
        _require_text("root", root)
        _require_text("path", path)
        folder = await asyncio.to_thread(folder_within, root, _roots(run))
        document = await asyncio.to_thread(read_document, folder, path)
    parts = split(document.text) if document.text.strip() else []
    async with _model(run) as ask:
        summary = await _summary(ask, parts)
    return {
        "path": document.path,
        "title": document.title,
        "summary": summary,
        "parts": len(parts),
        "model": run.settings.openai_model,
        "characters": len(document.text),
    }


async def _summary(ask: Ask, parts: list[str]) -> str:
    """Each part by itself, then the summaries together until there is one."""
    if not parts:
        return ""
    instructions = _WHOLE if len(parts) == 1 else _PART
    summaries = [await ask(instructions, part) for part in parts]
    while len(summaries) > 1:
        groups = split("\n\n".join(summaries))
        if len(groups) >= len(summaries):
            # Summaries as long as what they are of: two at a time still come to an end.
            pairs = range(0, len(summaries), 2)
            groups = ["\n\n".join(summaries[start : start + 2]) for start in pairs]
        summaries = [await ask(_TOGETHER, group) for group in groups]
    return summaries[0]


@asynccontextmanager
async def _model(run: Run) -> AsyncIterator[Ask]:
    """Within it, a function that asks the model; its calls are recorded.

    Raises EndpointFailed, or Permanent for what another attempt cannot mend.
    """
    plain = await _client(run)
    async with plain:
        client = run.wrap(plain)

        async def ask(instructions: str, text: str) -> str:
            with _endpoint_errors(run, str(plain.base_url)):
                answer = await _answer(client, run.settings.openai_model, instructions, text)
            if not answer:
                raise EndpointFailed(N_("it gave an empty answer"), url=_shown(plain.base_url))
            return answer

        yield ask


async def _client(run: Run) -> AsyncOpenAI:
    settings = run.settings
    if not settings.openai_base_url and not settings.openai_api_key:
        raise _permanent(EndpointMissing(N_("no endpoint is configured")))
    try:
        # The package takes long to load, and nothing else would run meanwhile.
        openai = await asyncio.to_thread(import_module, "openai")
    except ImportError:
        raise _permanent(EndpointMissing(N_("the package openai is not installed"))) from None
    client: AsyncOpenAI = openai.AsyncOpenAI(
        base_url=settings.openai_base_url or None,
        # Servers of one's own often ask for no key, but the client does.
        api_key=settings.openai_api_key or "none",
        timeout=_SECONDS_FOR_AN_ANSWER,
    )
    return client


async def _answer(client: AsyncOpenAI, model: str, instructions: str, text: str) -> str:
    """Stream one answer: a long one then shows at once when the endpoint hangs."""
    stream = await client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": instructions},
            {"role": "user", "content": text},
        ],
        stream=True,
    )
    async with stream:
        said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    return "".join(said).strip()


@contextmanager
def _endpoint_errors(run: Run, url: str) -> Iterator[None]:
    """Within it, errors of the client become one sentence each."""
    import openai  # noqa: PLC0415 - loaded by now; not needed until then

    try:
        yield
    except openai.APIStatusError as error:
        reason = f"{error.status_code}: {_reason(run, error)}"
        if error.status_code in _PASSING or error.status_code >= 500:
            raise EndpointFailed(reason, url=_shown(url)) from None
        raise _permanent(EndpointRefused(reason, url=_shown(url))) from None
    except openai.APIError as error:
        raise EndpointFailed(_reason(run, error), url=_shown(url)) from None


def _reason(run: Run, error: BaseException) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = str(said or error.__cause__ or error)
    return without_secrets(text, run.settings.openai_api_key)


def _shown(url: object) -> str:
    return hide_password(str(url))


@contextmanager
def _unusable_for_good() -> Iterator[None]:
    """Within it, a document that cannot be used ends the task."""
    try:
        yield
    except DocumentUnusable as error:
        raise _permanent(error) from None


def _permanent(error: DocumentUnusable | EndpointMissing | EndpointRefused) -> Permanent:
    """The error as one that another attempt cannot mend, with its hint for who reads it later."""
    return Permanent(f"{error}. {error.advice()}")


def _require_text(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise Permanent(f"{name} is the name of a file or folder, not {value!r}")


def _roots(run: Run) -> list[Path]:
    home = run.settings.home.expanduser().absolute()
    return [run.settings.documents.expanduser().absolute(), home / SCHEMA_PAGES]


def _task_for(run: Run, folder: Path, path: str) -> NewTask:
    mark = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:32]
    return NewTask(
        agent_name=AGENT,
        task_type="summarise",
        payload={"path": path, "root": str(folder)},
        idempotency_key=f"{run.task.id}/{mark}",
        tenant=run.task.tenant,
        parent_id=run.task.id,
    )
