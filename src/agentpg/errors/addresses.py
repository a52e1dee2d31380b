"""Addresses, certificates, and who gets in."""

from __future__ import annotations

from agentpg.errors.base import AgentpgError
from agentpg.errors.refused import Refused
from agentpg.errors.usage import UsageError
from agentpg.language import N_


class CertificateNameWrong(UsageError):
    """A name that no certificate can be for."""

    sentence = N_("{name!r} cannot stand in a certificate: {reason}")
    hint = N_("Give names of hosts, addresses, or the name of a role.")


class AuthorityMissing(UsageError):
    """There is no authority that could sign."""

    sentence = N_("there is no authority in {folder}")
    hint = N_("`agentpg security tls create` makes one.")


class NothingPending(UsageError):
    """No change of pg_hba.conf waits for anything."""

    sentence = N_("no change of {path} can be confirmed or undone")
    hint = N_("It was undone already, or nothing was applied from this AGENTPG_HOME.")


class HbaNotHere(Refused):
    """The server's pg_hba.conf can't be changed from here."""

    sentence = N_("the server's pg_hba.conf cannot be changed from here: {reason}")
    hint = N_(
        "Run it on the server's machine, as root or as the server's account, and as a superuser "
        "of the database."
    )


class HbaWrong(Refused):
    """The server would refuse these lines."""

    sentence = N_("the server does not understand line {line} of {path}: {reason}")
    hint = N_("Mend the line. The former file is back, and was in force all the time.")


class LockedOut(Refused):
    """With the new lines, who applies them would get in no more."""

    sentence = N_("with these lines, {target} lets {role} in no more: {reason}")
    hint = N_("The former file is back and in force. Add a line for where you come from.")


class ChangePending(Refused):
    """An earlier change of pg_hba.conf is neither confirmed nor undone."""

    sentence = N_("a change of {path} waits to be confirmed")
    hint = N_("`agentpg security hba confirm` keeps it, `agentpg security hba undo` takes it back.")


class ChangedSince(Refused):
    """pg_hba.conf is not what was confirmed: somebody has changed it since."""

    sentence = N_("{path} was changed by somebody since it was confirmed")
    hint = N_("The former file is {former}; `agentpg security hba apply --file` puts it in force.")


class TlsNotProved(Refused):
    """The server does not show what it was given."""

    sentence = N_("the server does not show the new certificate: {reason}")
    hint = N_("The former settings are back. The server's log says what it could not use.")


class TlsNotBuilt(Refused):
    """The server's program has no TLS in it, whatever is set."""

    sentence = N_("the PostgreSQL of {target} was built without TLS")
    hint = N_(
        "Use the PostgreSQL of your system: for the private server, AGENTPG_PG_BIN names the "
        "folder of its programs."
    )


class CertificateUnusable(AgentpgError):
    """A file or a server has no certificate that can be used."""

    sentence = N_("{path} cannot be used: {reason}")
    hint = N_("Look at it with `openssl x509 -text -noout -in …`, or make it anew.")


class CertificateNotFound(AgentpgError, LookupError):
    """No certificate of this name was issued here."""

    sentence = N_("there is no certificate {path}")
    hint = N_("`agentpg security tls check` lists what was issued.")


class TlsNotOffered(AgentpgError):
    """A server that is asked for TLS says no."""

    sentence = N_("the server at {target} offers no TLS")
    hint = N_("`agentpg security tls install` turns it on.")


class RolesNotThere(Refused):
    """The groups of roles were not made."""

    sentence = N_("there is no role {roles}")
    hint = N_("`agentpg security roles apply` makes the roles, and shows the SQL first.")


class TenantNameWrong(UsageError):
    """A name that no tenant can have."""

    sentence = N_("{name!r} cannot be the name of a tenant")
    hint = N_("A tenant's name has 1 to 100 printable characters.")


class LoginNotForTenants(Refused):
    """A login that would get past its tenant, or that submits nothing."""

    sentence = N_("{login} cannot be kept to one tenant: {reason}")
    hint = N_("Make a login for it that is a member of {client} alone.")
