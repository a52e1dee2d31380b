"""One visit with all that is known around it, and the words that findings about it share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import quote

from agentpg.db import Fragment, Statements, identifier, literal
from agentpg.desk.check import Check, amount
from agentpg.desk.doctor.connection.facts import (
    PRIVATE_START,
    Facts,
    LocalServer,
    Refusal,
    Surroundings,
    Visit,
    Wanted,
)
from agentpg.desk.finding import Contact, Remedy
from agentpg.language import N_

# Where PostgreSQL's own build and the distributions' put sockets: a stopped server tells no other.
_USUAL_FOLDERS = ("/tmp", "/run/postgresql", "/var/run/postgresql")  # noqa: S108

GETS_IN = N_("`agentpg doctor connection` gets in.")

_SQL = Statements("connection", "")

_NOBODY = Surroundings(account="?")


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: a visit, the connection string, and the surroundings."""

    facts: Facts
    wanted: Wanted
    visit: Visit

    @property
    def around(self) -> Surroundings:
        """What was seen around it; empty where nobody looked."""
        return self.facts.around or _NOBODY

    @property
    def server(self) -> LocalServer | None:
        """The server that was visited, where it is on this machine and may be looked at."""
        return self.around.server

    @property
    def refusal(self) -> Refusal:
        """What the server said; empty where it has not refused."""
        reply = self.visit.reply
        found = reply.refusal if reply else None
        return found or Refusal(sqlstate="", severity="", message="")

    @property
    def name(self) -> str:
        """The place as people call it."""
        return self.visit.place.name

    @property
    def host(self) -> str:
        """The host for a command."""
        return shlex.quote(self.visit.place.host or self.visit.address)

    def doctor(self, **instead: str | int) -> str:
        """The command that looks again, with another host, port, database or way."""
        return f"agentpg doctor connection {shlex.quote(self.dsn(**instead))}"

    def dsn(self, **instead: str | int) -> str:
        """The connection string without its secrets, with something else in it."""
        place = self.visit.place
        said: dict[str, str | int] = {
            "host": place.folder or place.host or place.hostaddr,
            "port": place.port,
            "dbname": self.wanted.database,
            "user": self.wanted.user,
            **({} if "host" in instead else self._address()),
            **self._tls(),
            **instead,
        }
        host, port = str(said.pop("host")), said.pop("port")
        user, database = quote(str(said.pop("user")), ""), quote(str(said.pop("dbname")), "")
        if host.startswith(("/", "@")):
            return f"postgresql://{user}@/{database}?host={quote(host, '/')}&port={port}"
        more = "&".join(f"{name}={quote(str(value), '/')}" for name, value in said.items())
        inside = f"[{host}]" if ":" in host else host
        return f"postgresql://{user}@{inside}:{port}/{database}" + (f"?{more}" if more else "")

    def _address(self) -> dict[str, str]:
        place = self.visit.place
        return {"hostaddr": place.hostaddr} if place.host and place.hostaddr else {}

    def _tls(self) -> dict[str, str]:
        """What is wanted of TLS, where that is more or less than usual."""
        wanted = self.wanted
        said = {} if wanted.sslmode == "prefer" else {"sslmode": wanted.sslmode}
        checked = wanted.sslmode.startswith("verify") and wanted.root_exists
        return {**said, "sslrootcert": wanted.root_file} if checked else said

    @property
    def role(self) -> str:
        """The role, as SQL takes it."""
        return identifier(self.wanted.user)

    def sql(self, name: str) -> str:
        """A statement that is proposed, with the role and the database in it."""
        statement = _SQL.compose(
            name,
            role=self.wanted.user,
            role_text=Fragment(literal(self.wanted.user)),
            database=self.wanted.database,
            database_text=Fragment(literal(self.wanted.database)),
        )
        text = statement.as_string(None).split("\n", 1)[1]
        # It is shown, and has no parameters.
        return text.replace("%%", "%")

    @property
    def reload(self) -> Remedy:
        """Have a running server read its files again."""
        return Remedy(sentence=N_("Let the server read it again."), sql=self.sql("reload"))

    @property
    def stopped(self) -> list[LocalServer]:
        """The servers of this machine that would listen there, if they ran, as far as is known."""
        place = self.visit.place
        return [
            one
            for one in self.around.servers
            if not one.running
            and one.port in (None, place.port)
            and (place.folder in ("", one.folder) or place.folder in _USUAL_FOLDERS)
        ]

    @property
    def start(self) -> str:
        """The command that starts the server at this place, as far as one is known."""
        known = (one.start for one in self.stopped if one.start)
        return next(known, "systemctl start postgresql")

    def psql(self, arguments: str) -> str:
        """The command that opens psql there as a superuser, with these arguments.

        The private server lets nobody in without the password in its home, which `agentpg server`
        knows.
        """
        if self.server is not None and self.server.start == PRIVATE_START:
            return f"agentpg server psql --role postgres --database postgres {arguments}"
        return f"psql {shlex.quote(self.dsn(user='postgres', dbname='postgres'))} {arguments}"

    @property
    def log_command(self) -> str:
        """The command that shows the server's log."""
        # Once something answers that is none of those here, no log here is about it.
        others = self.stopped if self.visit.error else ()
        known = [one for one in (self.server, *others) if one and one.log]
        return f"tail -n 30 {shlex.quote(known[0].log)}" if known else "journalctl -u postgresql"


def log_of(case: Case) -> Remedy:
    """Look into the server's log."""
    return Remedy(sentence=N_("Read the end of its log."), command=case.log_command)


def quickly(seconds: float) -> str:
    """A time as it is said: in milliseconds below a second."""
    if seconds >= 1:
        return amount(seconds)
    return f"{seconds * 1000:.0f} ms" if seconds > 0.01 else f"{seconds * 1000:.1f} ms"


def check(
    code: str,
    title: str,
    *,
    cause: str,
    proof: str = GETS_IN,
    idea: str = "",
    meaning: str = "",
    contact: Contact = "dba",
    info: bool = False,
) -> Check:
    """One cause why a connection fails."""
    return Check(
        code=code,
        title=title,
        levels=("info", "critical") if info else ("critical",),
        threshold="",
        contact=contact,
        cause=cause,
        proof=proof,
        idea=idea,
        meaning=meaning,
    )
