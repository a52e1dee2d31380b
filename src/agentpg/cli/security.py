"""`agentpg security`: who gets in, and what could get out. Each verb has a file of its own."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from agentpg.cli.command import Group
from agentpg.language import N_

# Each verb with its module, loaded when it is used, and what it does.
_VERBS = {
    "audit": (
        "agentpg.cli.security_audit",
        N_("Look for what would let somebody in, or let something out."),
    ),
    "env": (
        "agentpg.cli.security_env",
        N_("Look for secrets where others could read them: files, git, processes, logs."),
    ),
    "hba": (
        "agentpg.cli.security_hba",
        N_("Say who gets in from where by pg_hba.conf, and better it."),
    ),
    "password": (
        "agentpg.cli.security_password",
        N_("Make, judge, set and rotate passwords of roles; say how old they are."),
    ),
    "key": (
        "agentpg.cli.security_key",
        N_("Keys of sealed payloads and results: make, rotate, count, seal anew."),
    ),
    "log": (
        "agentpg.cli.security_log",
        N_("Show what operators did, and prove that it is all there."),
    ),
    "roles": (
        "agentpg.cli.security_roles",
        N_("Give each program a role of its own that may do what it must, and nothing else."),
    ),
    "tenants": (
        "agentpg.cli.security_tenants",
        N_("Keep the tasks of tenants apart, by the login that a program comes with."),
    ),
    "tls": (
        "agentpg.cli.security_tls",
        N_("Make certificates, give them to the server, watch them."),
    ),
}


class Verbs(Group):
    """The group `agentpg security`; a verb's module is loaded when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        del ctx
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one verb."""
        del ctx
        if cmd_name not in _VERBS:
            return None
        return cast(click.Command, import_module(_VERBS[cmd_name][0]).verb)

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """From the table, so that the help loads no verb."""
        return [(name, _VERBS[name][1]) for name in self.list_commands(ctx)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with the verbs as what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(
                error.command_name, possibilities=list(_VERBS), ctx=ctx
            ) from None


@click.group(
    "security",
    cls=Verbs,
    examples="""
        agentpg security audit
        agentpg security env
        agentpg security hba show
        agentpg security password age
        agentpg security key show
        agentpg security roles diff
        agentpg security tls check
    """,
)
def security() -> None:
    """Keep out who has no business here, and see that nothing leaks."""
