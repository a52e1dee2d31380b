"""`agentpg security key`: create, show, rotate, reseal, drop."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command, Group
from agentpg.cli.interruption import Interruption
from agentpg.cli.output import Column, json_option
from agentpg.cli.running import INTERRUPTED
from agentpg.cli.session import Session
from agentpg.cli.values import ANY_PATH, GIVEN
from agentpg.errors import SealingKeyInUse, SealingKeysUnusable, SealingKeyUnknown, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.resealing import Aim, Resealed, SealedCount
    from agentpg.sealing import Keyring, Sealer

_NO_FILE = N_("AGENTPG_SEAL_KEY_FILE is not set")
_FIRST = N_("it is the one that seals")
_STILL = N_("values are still sealed with it")


@click.group(
    "key",
    cls=Group,
    examples="""
        agentpg security key create /etc/agentpg/seal.keys
        agentpg security key show
        agentpg security key rotate
        agentpg security key reseal
    """,
)
def verb() -> None:
    """Keys of sealed payloads and results: make, rotate, count, seal anew."""


@verb.command("create", cls=Command, examples="agentpg security key create /etc/agentpg/seal.keys")
@click.argument("file", type=ANY_PATH, help="Where the keys go; nothing may be there yet.")
@json_option
@click.pass_obj
def create(session: Session, file: Path, as_json: bool) -> None:
    """Make a new FILE of keys, with one key, that only you can read.

    Keep a copy in another place, and none in the database or beside its backups: without the key,
    nobody can read what is sealed with it.
    """
    from agentpg.sealing import Keyring, create_key_file, new_key

    path = file.expanduser().absolute()
    key = new_key(datetime.now(UTC).date())
    create_key_file(path, Keyring((key,)))
    if as_json:
        session.out.json({"file": path, "key": key.name})
        return
    session.out.facts([(N_("file"), path), (N_("key"), key.name)])
    session.out.line()
    session.out.line(session.translate(N_("All that tasks carry is sealed with it from here on:")))
    session.out.line(f"  export AGENTPG_SEAL_KEY_FILE={shlex.quote(str(path))} AGENTPG_SEAL='*'")
    session.out.note(
        session.translate(N_("Keep a copy in another place: without it, nobody can read it."))
    )


@verb.command("show", cls=Command, examples="agentpg security key show --json")
@json_option
@click.pass_obj
def show(session: Session, as_json: bool) -> None:
    """List the keys by name, and how many values each has sealed, by column."""
    from agentpg.desk.resealing import count_sealed
    from agentpg.sealing import keyring_of

    names = keyring_of(session.settings).names
    counts = count_sealed(session.database)
    if as_json:
        session.out.json({"keys": names, "sealed": counts})
        return
    columns = (
        Column(N_("Key")),
        Column(N_("Here"), yields=1),
        Column(N_("Column")),
        Column(N_("Values"), show=figures.count, right=True),
    )
    rows = [
        (key or "–", session.translate(_place_of(key, names)), one.column, one.values)
        for key in (*names, *sorted({c.key for c in counts} - set(names), reverse=True))
        for one in _of(counts, key)
    ]
    session.out.table(columns, rows, empty=N_("There are no keys, and nothing is stored."))


@verb.command(
    "rotate",
    cls=Command,
    examples="""
        agentpg security key rotate
        # Where other machines have copies of the file: first the key, then its use.
        agentpg security key rotate --prepare
        agentpg security key rotate --use 2026-11-29.2
    """,
)
@click.option("--prepare", is_flag=True, help="Add the key at the end: it opens and does not seal.")
@click.option("--use", "wanted", type=GIVEN, help="Let this key, which is there, seal.")
@json_option
@click.pass_obj
def rotate(session: Session, prepare: bool, wanted: str | None, as_json: bool) -> None:
    """Add a new key to the file, and let it seal from now on; the former ones go on opening.

    Workers and clients read the file as they start. Where several machines have it, none may seal
    with a key that another cannot open with: prepare it, copy the file, restart all, then --use it.
    What is stored stays as it is until `agentpg security key reseal`.
    """
    from agentpg.sealing import Keyring, new_key, replace_key_file

    if prepare and wanted:
        raise UsageError(N_("--prepare adds a key, and --use names one that is there"))
    path, ring = _file(session)
    if wanted:
        key = ring.get(wanted)
        if key is None:
            raise SealingKeyUnknown(key=wanted, source=path)
    else:
        key = new_key(datetime.now(UTC).date(), ring.names)
    others = tuple(one for one in ring.keys if one.name != key.name)
    made = Keyring((*others, key) if prepare else (key, *others))
    with session.recorded(Action.SECURITY_KEY, key.name, did="prepare" if prepare else "use"):
        replace_key_file(path, made)
    if as_json:
        session.out.json({"file": path, "key": key.name, "seals": made.first.name})
        return
    session.out.facts([(N_("file"), path), (N_("key"), key.name), (N_("seals"), made.first.name)])
    note = (
        N_("Copy the file to all machines, restart their workers and clients, then --use the key.")
        if prepare
        else N_("Restart workers and clients; `agentpg security key reseal` seals what is stored.")
    )
    session.out.note(session.translate(note))


@verb.command(
    "reseal",
    cls=Command,
    examples="""
        agentpg security key reseal
        # Seal what was stored before sealing was on.
        agentpg security key reseal --plain
        # Take the seals off again.
        agentpg security key reseal --off --yes
    """,
)
@click.option(
    "--plain", is_flag=True, help="Seal what is stored plainly and would be sealed today, too."
)
@click.option("--off", is_flag=True, help="Store all of it plainly again.")
@click.option("--yes", is_flag=True, help="Do not ask before seals are taken off.")
@json_option
@click.pass_obj
def reseal(session: Session, plain: bool, off: bool, yes: bool, as_json: bool) -> int:
    """Seal all that another key has sealed with the first key, in paced batches.

    Workers and clients go on meanwhile; batches are shorter and further apart while they are
    busy. Ctrl-C ends after a batch, and the next call goes on. Former versions of rows stay in the
    files of the database until VACUUM, and in backups and WAL until these are removed.
    """
    from agentpg.desk.resealing import Aim

    if plain and off:
        raise UsageError(N_("--plain seals, and --off takes seals off"))
    if off and not yes:
        _ask(session)
    sealer = _sealer(session)
    if not sealer.keys.keys:
        raise SealingKeysUnusable(_NO_FILE, source="AGENTPG_SEAL_KEY_FILE")
    with session.recorded(Action.SECURITY_KEY, sealer.keys.first.name, did="reseal", off=off) as it:
        done, whole = _reseal(session, sealer, Aim(plain=off, plain_too=plain))
        it.details |= {"values": done.values, "unopened": done.unopened, "missed": done.missed}
    if as_json:
        session.out.json(done)
    else:
        facts = [(N_("written anew"), done.values), (N_("could not be opened"), done.unopened)]
        if done.missed:
            facts.append((N_("changed meanwhile; run it again"), done.missed))
        session.out.facts(facts)
    if not whole:
        return INTERRUPTED
    return 1 if done.unopened or done.missed else 0


@verb.command("drop", cls=Command, examples="agentpg security key drop 2026-05-04")
@click.argument("key", type=GIVEN, help="The name of the key.")
@json_option
@click.pass_obj
def drop(session: Session, key: str, as_json: bool) -> None:
    """Take a key out of the file, with which nothing in the database is sealed any more.

    Backups may still hold what it sealed: keep a copy of it as long as they are kept.
    """
    from agentpg.desk.resealing import count_sealed
    from agentpg.sealing import Keyring, replace_key_file

    path, ring = _file(session)
    if ring.get(key) is None:
        raise SealingKeyUnknown(key=key, source=path)
    if ring.first.name == key:
        raise SealingKeyInUse(_FIRST, key=key)
    if any(one.key == key for one in count_sealed(session.database)):
        raise SealingKeyInUse(_STILL, key=key)
    left = Keyring(tuple(one for one in ring.keys if one.name != key))
    with session.recorded(Action.SECURITY_KEY, key, did="drop"):
        replace_key_file(path, left)
    if as_json:
        session.out.json({"file": path, "keys": left.names})
        return
    session.out.facts([(N_("file"), path), (N_("keys"), ", ".join(left.names))])


def _file(session: Session) -> tuple[Path, Keyring]:
    from agentpg.sealing import read_key_file

    if not session.settings.seal_key_file:
        raise SealingKeysUnusable(_NO_FILE, source="AGENTPG_SEAL_KEY_FILE")
    path = Path(session.settings.seal_key_file).expanduser().absolute()
    return path, read_key_file(path)


def _sealer(session: Session) -> Sealer:
    from agentpg.sealing import Keyring, Sealer, SealRules, sealer_of

    return sealer_of(session.settings) or Sealer(SealRules(), Keyring())


def _reseal(session: Session, sealer: Sealer, aim: Aim) -> tuple[Resealed, bool]:
    """What was done, and whether all was, or Ctrl-C ended it before."""
    from agentpg.desk.resealing import Resealed, count_sealed, reseal as seal_anew

    kept = "" if aim.plain else sealer.keys.first.name
    total = sum(one.values for one in count_sealed(session.database) if one.key not in ("", kept))
    done = 0
    ending = session.translate(N_("Ending after this batch. Ctrl-C once more ends it at once."))
    title = session.translate(N_("Sealing"))
    with session.out.progress(title, total) as progress, Interruption(ending) as interruption:

        def tell(values: int) -> None:
            nonlocal done
            done += values
            progress.advance(values)

        def check() -> None:
            if interruption.happened:
                raise _Ended

        try:
            return seal_anew(session.database, sealer, aim, check=check, tell=tell), True
        except _Ended:
            return Resealed(values=done), False


class _Ended(Exception):
    """Ctrl-C, in order."""


def _ask(session: Session) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    question = N_("Store all that is sealed plainly again?")
    click.confirm(session.translate(question), abort=True, err=True)


def _place_of(key: str, names: tuple[str, ...]) -> str:
    if not key:
        return N_("not sealed")
    if key not in names:
        return N_("no: it cannot be opened")
    return N_("yes, it seals") if key == names[0] else N_("yes, it opens")


def _of(counts: list[SealedCount], key: str) -> list[SealedCount]:
    """The counts of a key; one of nothing where it has sealed nothing."""
    from agentpg.desk.resealing import SealedCount

    return [one for one in counts if one.key == key] or [SealedCount("–", key, 0)]
