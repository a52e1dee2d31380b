"""`agentpg completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click

from agentpg.cli.command import Command


@click.command(
    "completion",
    cls=Command,
    examples="""
        # bash, for you, from the next shell on.
        agentpg completion bash > ~/.local/share/bash-completion/completions/agentpg
        # zsh, in a folder of $fpath.
        agentpg completion zsh > ~/.zfunc/_agentpg
        # fish.
        agentpg completion fish > ~/.config/fish/completions/agentpg.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    Write it to the file where the shell looks for it, as the examples show.
    """
    from click.shell_completion import get_completion_class

    from agentpg.cli.root import root

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(root, {}, "agentpg", "_AGENTPG_COMPLETE").source())
