"""`agentpg security audit`: what would let somebody in, with the evidence and the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentpg.cli.command import Command
from agentpg.cli.doctor_fix import Fixing, documents, fix_options
from agentpg.cli.doctor_view import document, exit_code, findings_options, show_counts, show_each
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.doctor.fixing import Fix, Outcome
    from agentpg.desk.finding import Finding, Level
    from agentpg.desk.security.baseline import Acceptance, Weighed
    from agentpg.errors import AgentpgError

_ROOM = "security"


@click.command(
    "audit",
    cls=Command,
    examples="""
        agentpg security audit
        # What was looked at and is well, too, as a page to print or to hand in.
        agentpg security audit --html audit.html
        # In CI: 0 well, 5 findings, 6 something could not be looked at.
        agentpg security audit --baseline accepted.toml --json > audit.json
        # Do what is safe, and take it back.
        agentpg security audit --fix
        agentpg security audit --undo undo/security-20261129T103000.sql
    """,
)
@click.option(
    "--baseline",
    type=FILE_PATH,
    metavar="FILE",
    help="The file of accepted risks; by default that of the setting audit_baseline.",
)
@click.option(
    "--html", type=FILE_PATH, metavar="FILE", help="Write a page for people to this file."
)
@click.option(
    "--sarif", type=FILE_PATH, metavar="FILE", help="Write the findings as SARIF to this file."
)
@click.option(
    "--undo", type=FILE_PATH, metavar="FILE", help="Take back what --fix has changed, by its file."
)
@fix_options
@findings_options
@click.pass_obj
def verb(
    session: Session,
    baseline: Path | None,
    html: Path | None,
    sarif: Path | None,
    undo: Path | None,
    fix: bool,
    yes: bool,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    """Look for what would let somebody in, or let something out.

    Roles, passwords, addresses, TLS, rights, functions, logs, releases: 56 checks with their
    sources, such as the CIS benchmark. Nothing is changed unless --fix is said, which does what is
    safe and writes a file that takes it back. Risks that a baseline accepts are left out until
    they end. Exits as `agentpg doctor` does.
    """
    if yes and not fix:
        raise UsageError(N_("--yes is for --fix"))
    if undo is not None:
        return _take_back(session, undo)
    if baseline is not None:
        session.override("audit_baseline", str(baseline))
    from agentpg.desk.security.auditing import audit

    weighed = audit(session.looked_at, session.settings)
    outcomes: Sequence[Outcome] = ()
    if fix:
        if not as_json:
            _show(session, weighed, show_all=show_all)
        outcomes = _Mending(session, as_json=as_json).mend(weighed, yes=yes)
        weighed = audit(session.looked_at, session.settings) if outcomes else weighed
    _write_files(session, weighed, html, sarif)
    if as_json:
        session.out.json({**_document(session, weighed), **_fixes(outcomes, fix=fix)})
    elif not fix:
        _show(session, weighed, show_all=show_all)
    elif outcomes:
        session.out.line()
        show_counts(session.out, weighed.counted)
    for path in filter(None, (html, sarif)):
        session.out.note(f"→ {path}")
    return exit_code(weighed.counted, fail_on)


class _Mending(Fixing):
    """`--fix` with a file, written first, that takes everything back."""

    def __init__(self, session: Session, *, as_json: bool) -> None:
        super().__init__(session, self._audited, as_json=as_json)

    def mend(self, weighed: Weighed, *, yes: bool) -> Sequence[Outcome]:
        """Do what is safe; what became of each."""
        return self.fix({_ROOM: list(weighed.counted)}, yes=yes)[1]

    def _audited(self, names: Sequence[str]) -> Mapping[str, Sequence[Finding]]:
        from agentpg.desk.security.auditing import audit

        del names
        return {_ROOM: audit(self._session.looked_at, self._session.settings).counted}

    def _do(self, fixes: Sequence[Fix], *, yes: bool) -> Iterator[tuple[Fix, AgentpgError | None]]:
        from agentpg.desk.security.undoing import write_undo
        from agentpg.desk.undo_file import place_of

        remedies = [fix.remedy for fix in fixes]
        place = place_of(self._session.looked_at)
        path = write_undo(self._session.home, remedies, datetime.now(UTC), place)
        yield from super()._do(fixes, yes=yes)
        if path is not None:
            text = self._session.translate(N_("To take it back: {command}"))
            self._note_line(text.format(command=f"agentpg security audit --undo {path}"))


def _take_back(session: Session, path: Path) -> int:
    from agentpg.cli.running import run
    from agentpg.desk.doctor.fixing import Fix, Fixer
    from agentpg.desk.security.undoing import read_undo, remedy_of
    from agentpg.desk.undo_file import place_of, require_here

    file, database = read_undo(path), session.looked_at
    require_here(file, path, place_of(database), database.target())
    fix = Fix(room=_ROOM, remedy=remedy_of(file), findings=())
    error = Fixer(session.looked_at, session.settings, lambda words: run([*words])).do(fix)
    if error is not None:
        raise error
    session.out.note(session.translate(N_("It was taken back.")))
    return 0


def _write_files(session: Session, weighed: Weighed, html: Path | None, sarif: Path | None) -> None:
    from agentpg.desk.files import replace_file
    from agentpg.desk.security.audit.findings import CHECKS
    from agentpg.desk.security.page import page
    from agentpg.desk.security.sarif import sarif as as_sarif

    target = session.looked_at.target()
    if html is not None:
        replace_file(html, page(weighed, target, datetime.now(UTC), session.language))
    if sarif is not None:
        replace_file(sarif, as_sarif(weighed, CHECKS, target))


def _show(session: Session, weighed: Weighed, *, show_all: bool) -> None:
    out = session.out
    if show_each(out, weighed.counted, show_all=show_all):
        out.line()
    for finding, acceptance in weighed.accepted:
        text = out.translate(N_("accepted: {code} {subject}: {reason} ({owner}, until {until})"))
        out.line(text.format(subject=finding.subject, **_words(acceptance)))
    for acceptance in weighed.expired:
        text = out.translate(N_("no longer accepted: {code}: {reason} ({owner}, until {until})"))
        out.line(text.format(**_words(acceptance)))
    for acceptance in weighed.unused:
        text = out.translate(N_("accepted, and not there any more: {code}: {reason} ({owner})"))
        out.line(text.format(**_words(acceptance)))
    show_counts(out, weighed.counted)


def _words(acceptance: Acceptance) -> dict[str, str]:
    return {
        "code": acceptance.code,
        "reason": acceptance.reason,
        "owner": acceptance.owner,
        "until": acceptance.until.isoformat(),
    }


def _document(session: Session, weighed: Weighed) -> dict[str, Any]:
    said = document(session.looked_at.target(), {_ROOM: list(weighed.counted)})
    return {
        **said,
        "accepted": [
            {**finding.document(), "accepted": acceptance.model_dump(mode="json")}
            for finding, acceptance in weighed.accepted
        ],
        "expired": [one.model_dump(mode="json") for one in weighed.expired],
        "unused": [one.model_dump(mode="json") for one in weighed.unused],
    }


def _fixes(outcomes: Sequence[Outcome], *, fix: bool) -> dict[str, object]:
    return {"fixes": documents(outcomes)} if fix else {}
