"""Giving a server its certificate: files in its data folder, settings, and the proof.

What ALTER SYSTEM had said of each setting before is kept, and put back where the proof fails.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, Fragment, Statements, connect, driver_errors, literal
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.security.addresses.looking import find_folder
from agentpg.desk.security.tls.facts import Shown
from agentpg.desk.security.tls.reading import is_believed, read_certificate, shown_by
from agentpg.desk.security.tls.store import Store, read_whole, write_whole
from agentpg.errors import (
    AgentpgError,
    AuthorityMissing,
    FileNotRead,
    HbaNotHere,
    NothingToUndo,
    TlsNotBuilt,
    TlsNotProved,
)
from agentpg.language import N_
from agentpg.settings import Settings

# In the data folder, where the server's account reads and nobody else's.
_FILES = {
    "ssl_cert_file": "agentpg-server.crt",
    "ssl_key_file": "agentpg-server.key",
    "ssl_ca_file": "agentpg-authority.crt",
    "ssl_crl_file": "agentpg-revoked.crl",
}
_SETTINGS = {**_FILES, "ssl_min_protocol_version": "TLSv1.2", "ssl": "on"}

_PROOF_SECONDS = 10.0
_LOOK_SECONDS = 0.05

_STAYS = N_("it still shows another one")


@dataclass(frozen=True, slots=True)
class _Place:
    """The server, as a superuser, and its data folder."""

    database: Database
    folder: Path
    undo: Path

    def files(self) -> dict[Path, bytes | None]:
        """What our files have in them now; None where there is none that is the server's own."""
        return {path: _content(path) for path in (self.folder / name for name in _FILES.values())}


def install(database: Database, settings: Settings) -> Shown:
    """Give the server what `tls create` has made; the certificate that it then shows.

    Raises HbaNotHere, AuthorityMissing, TlsNotBuilt, TlsNotProved, PermissionDenied, FileNotRead or
    FileNotWritten.
    """
    store = _store(settings)
    if not store.server.exists():
        raise AuthorityMissing(folder=store.folder)
    place = _place(database, settings)
    wanted = read_certificate(store.server)
    with connect(place.database, "agentpg security") as connection:
        _refuse_without_tls(place, connection)
        before, files = _written(place, connection), place.files()
        if not place.undo.exists():
            write_whole(place.undo, json.dumps(before).encode(), 0o600)
        try:
            _copy(store, place)
            _set(place, connection, _SETTINGS)
            return _proved(place.database, store, wanted)
        except BaseException:
            _put_back(place, connection, before, files)
            raise


def renew(database: Database, settings: Settings, lasts: timedelta) -> Shown:
    """A new certificate for the same names, and the list signed anew, given to the server.

    Raises what `install` raises; the former certificate is then in the store again.
    """
    store = _store(settings)
    if not store.server.exists():
        raise AuthorityMissing(folder=store.folder)
    former = store.load(store.server)
    store.create_server(read_certificate(store.server).names, lasts)
    store.renew_revoked()
    try:
        return install(database, settings)
    except BaseException:
        store.restore_server(former)
        raise


def take_back(database: Database, settings: Settings) -> None:
    """Give the server the settings of TLS that it had. Raises NothingToUndo."""
    place = _place(database, settings)
    if not place.undo.exists():
        raise NothingToUndo
    before = json.loads(place.undo.read_bytes())
    with connect(place.database, "agentpg security") as connection:
        _set(place, connection, before)
    place.undo.unlink()


def _content(path: Path) -> bytes | None:
    try:
        return read_whole(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise FileNotRead(error.strerror or str(error), path=path) from None


def _store(settings: Settings) -> Store:
    return Store(settings.home.expanduser().absolute())


def _place(database: Database, settings: Settings) -> _Place:
    asked = as_monitor(database, settings)
    folder = find_folder(asked, settings)
    if isinstance(folder, Unlooked):
        raise HbaNotHere(folder.reason)
    return _Place(asked, folder, _store(settings).folder / "undo.json")


def _refuse_without_tls(place: _Place, connection: Connection[Any]) -> None:
    sql = Statements("addresses", place.database.schema)["is_built_with_tls"]
    with driver_errors(place.database.target(), connection):
        row = connection.execute(sql).fetchone()
    if row is None or not row[0]:
        raise TlsNotBuilt(target=place.database.target())


def _copy(store: Store, place: _Place) -> None:
    there = place.folder.stat()
    owner = (there.st_uid, there.st_gid)
    sources = (store.server, store.server.with_suffix(".key"), store.authority, store.revoked)
    for source, name in zip(sources, _FILES.values(), strict=True):
        write_whole(place.folder / name, source.read_bytes(), 0o600, owner)


def _written(place: _Place, connection: Connection[Any]) -> dict[str, str | None]:
    """What ALTER SYSTEM has said of the settings; None where nothing."""
    sql = Statements("addresses", place.database.schema)["read_own_settings"]
    with driver_errors(place.database.target(), connection):
        rows = connection.execute(sql, {"names": [*_SETTINGS]}).fetchall()
    return dict.fromkeys(_SETTINGS) | {str(name): str(value) for name, value in rows}


def _set(place: _Place, connection: Connection[Any], said: Mapping[str, str | None]) -> None:
    sql = Statements("addresses", place.database.schema)
    with driver_errors(place.database.target(), connection):
        for name, value in said.items():
            if value is None:
                connection.execute(sql.compose("reset_setting", setting=name))
            else:
                text = Fragment(literal(value))
                connection.execute(sql.compose("set_setting", setting=name, value=text))
        connection.execute(sql["reload"])


def _put_back(
    place: _Place,
    connection: Connection[Any],
    before: Mapping[str, str | None],
    files: Mapping[Path, bytes | None],
) -> None:
    there = place.folder.stat()
    for path, content in files.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_whole(path, content, 0o600, (there.st_uid, there.st_gid))
    _set(place, connection, before)


def _proved(database: Database, store: Store, wanted: Shown) -> Shown:
    """Wait until a client that believes our authority alone is shown this certificate."""
    deadline = time.monotonic() + _PROOF_SECONDS
    while True:
        reason = _why_not(database, store, wanted)
        if not reason:
            return wanted
        # Who is shown it and does not believe it never will.
        if time.monotonic() > deadline or _is_shown(database, wanted):
            raise TlsNotProved(reason)
        time.sleep(_LOOK_SECONDS)


def _is_shown(database: Database, wanted: Shown) -> bool:
    shown = looked(lambda: shown_by(database))
    return not isinstance(shown, Unlooked) and shown.serial == wanted.serial


def _why_not(database: Database, store: Store, wanted: Shown) -> str:
    try:
        if shown_by(database).serial != wanted.serial:
            return _STAYS
        return is_believed(database, store.authority, wanted.names[0])
    except AgentpgError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
