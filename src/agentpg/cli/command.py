"""Commands, groups and their help: in the reader's language, with examples.

A command's docstring and its options' `help` are the English texts of the catalogue; they
are translated where they are shown. `examples` is kept as it is written, except that its
lines beginning with `#` are translated.

    @task.command("cancel", examples='''
        # Cancel one task.
        agentpg task cancel 0198c1a2-…
    ''')
    @click.argument("task_id", type=click.UUID, help="The id of the task.")
    @click.pass_obj
    def cancel(session: Session, task_id: UUID) -> None:
        \"\"\"Cancel a task that has not ended.\"\"\"
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise, takewhile
from typing import Any

import click

from agentpg.cli.session import Session
from agentpg.cli.wrapping import cell_width, wrap
from agentpg.language import N_, Translate, untranslated

_SPACING = 2
_TERM_MAX = 30


def remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """The callback of every global option: kept in the session, wherever it stood."""
    session = context.ensure_object(Session)
    if value is None or value is False:
        return
    if option.name in ("debug", "no_color"):
        setattr(session, option.name, True)
    else:
        session.overrides[str(option.name)] = value


def translate_in(context: click.Context | None) -> Translate:
    """The reader's language in this call."""
    session = context.find_object(Session) if context else None
    return session.translate if session else untranslated


class Taught(click.Command):
    """What commands and groups share: translated help that ends with examples."""

    def __init__(self, *args: Any, examples: str = "", **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.examples = inspect.cleandoc(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, and the global options, which may stand anywhere."""
        own = super().get_params(ctx)
        taken = {name for param in own for name in param.opts}
        return own + [o for o in _global_options(ctx) if not taken & set(o.opts)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's own; each complaint knows which command it is about."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The whole page."""
        formatter.write(help_page(self, ctx, formatter.width))

    def invoke(self, ctx: click.Context) -> Any:
        """Click's own; the session knows which command runs."""
        ctx.ensure_object(Session).command = own_path(ctx)
        return super().invoke(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of the help, as completion shows it."""
        del limit
        context = click.get_current_context(silent=True)
        return first_sentence(translate_in(context)(summary(self)))


class Command(Taught):
    """A verb, or a noun without verbs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's own, which takes whatever follows for the value of an option: here another option
        of the command is none, unless it stands behind an equals sign."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        names = {name for one in options for name in one.opts if name.startswith("--")}
        valued = {name for one in options if _wants_value(one) for name in one.opts}
        for name, following in pairwise(takewhile(lambda arg: arg != "--", args)):
            if name in valued and following in names:
                raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)
        return super().parse_args(ctx, args)


def _wants_value(option: click.Option) -> bool:
    # Click has no other word for an option whose value may be left out.
    may_lack = option._flag_needs_value  # noqa: SLF001
    return not (option.is_flag or option.count or may_lack)


class Group(Taught, click.Group):
    """A noun with its verbs."""

    command_class = Command

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Each visible command with the first paragraph of its help, in English."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [(name, summary(c)) for name, c in found if c and not c.hidden]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are written."""
        del ctx
        return list(self.commands)


def help_page(command: click.Command, ctx: click.Context, width: int) -> str:
    """The help of a command: usage, meaning, commands, arguments, options, examples."""
    translate = translate_in(ctx)
    parts = [
        _usage(command, ctx, translate, width),
        _meaning(command, translate, width),
        _role(ctx, translate, width),
        _commands(command, ctx, translate, width),
        _section(N_("Arguments"), _argument_rows(command, ctx, translate), translate, width),
        _section(N_("Options"), _option_rows(command, ctx, translate), translate, width),
        _examples(command, translate),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(command: click.Command) -> str:
    """The first paragraph of a command's help, as the catalogue has it."""
    return next(iter(paragraphs(command.help)), "")


def first_sentence(text: str) -> str:
    """The first sentence of a paragraph in any language, without its full stop."""
    return text.partition(". ")[0].removesuffix(".")


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a docstring, each in one line: these are what is translated."""
    return [" ".join(part.split()) for part in inspect.cleandoc(text or "").split("\n\n") if part]


def _global_options(ctx: click.Context) -> list[click.Option]:
    root = ctx.find_root()
    if root is ctx:
        return []
    found = (p for p in root.command.params if isinstance(p, click.Option))
    return [_hidden(option) for option in found if option.callback is remember]


@cache
def _hidden(option: click.Option) -> click.Option:
    """Its twin below the root; one for all, since click orders options by identity."""
    return click.Option(
        [*option.opts, str(option.name)],
        type=option.type,
        is_flag=option.is_flag,
        is_eager=True,
        expose_value=False,
        callback=remember,
        hidden=True,
    )


def _usage(command: click.Command, ctx: click.Context, translate: Translate, width: int) -> str:
    prefix = f"{translate(N_('Usage'))}: {ctx.command_path} "
    return "\n".join(
        wrap(
            " ".join(command.collect_usage_pieces(ctx)),
            width,
            first=prefix,
            rest=" " * min(cell_width(prefix), width // 2),
        )
    )


def _meaning(command: click.Command, translate: Translate, width: int) -> str:
    texts = (translate(text) for text in paragraphs(command.help))
    return "\n\n".join("\n".join(wrap(t, width, first="  ", rest="  ")) for t in texts)


def own_path(ctx: click.Context) -> str:
    """The words of a command behind the program's name."""
    return ctx.command_path.partition(" ")[2]


def _role(ctx: click.Context, translate: Translate, width: int) -> str:
    from agentpg.cli.needed_roles import role_line

    line = role_line(own_path(ctx), translate)
    return "\n".join(wrap(line, width, first="  ", rest="  ")) if line else ""


def _commands(command: click.Command, ctx: click.Context, translate: Translate, width: int) -> str:
    if not isinstance(command, Group):
        return ""
    rows = [(name, first_sentence(translate(text))) for name, text in command.summaries(ctx)]
    return _section(N_("Commands"), rows, translate, width)


def _argument_rows(
    command: click.Command, ctx: click.Context, translate: Translate
) -> list[tuple[str, str]]:
    arguments = (p for p in command.get_params(ctx) if isinstance(p, click.Argument))
    return [(a.make_metavar(ctx), translate(a.help or "")) for a in arguments]


def _option_rows(
    command: click.Command, ctx: click.Context, translate: Translate
) -> list[tuple[str, str]]:
    options = (p for p in command.get_params(ctx) if isinstance(p, click.Option))
    return [
        (option.get_help_spec(ctx), " ".join(_option_text(option, ctx, translate)))
        for option in options
        if not option.hidden
    ]


def _option_text(option: click.Option, ctx: click.Context, translate: Translate) -> Iterator[str]:
    yield translate(option.help or "")
    extra = option.get_help_extra(ctx)
    notes = []
    if "default" in extra:
        notes.append(translate(N_("default: {value}")).format(value=extra["default"]))
    if "range" in extra:
        notes.append(extra["range"])
    if "required" in extra:
        notes.append(translate(N_("required")))
    if notes:
        yield f"[{'; '.join(notes)}]"


def _section(
    heading: str, rows: Iterable[tuple[str, str]], translate: Translate, width: int
) -> str:
    listed = list(rows)
    if not listed:
        return ""
    column = 2 + min(max(cell_width(term) for term, _ in listed), _TERM_MAX) + _SPACING
    lines = [line for term, text in listed for line in _definition(term, text, column, width)]
    return "\n".join([f"{translate(heading)}:", *lines])


def _definition(term: str, text: str, column: int, width: int) -> list[str]:
    indent = " " * column
    lines = wrap(text, width, first=indent, rest=indent) or [""]
    head = f"  {term}"
    if cell_width(head) + _SPACING > column:
        return [head, *lines]
    padding = " " * (column - cell_width(head))
    return [f"{head}{padding}{lines[0][column:]}".rstrip(), *lines[1:]]


def _examples(command: click.Command, translate: Translate) -> str:
    text = command.examples if isinstance(command, Taught) else ""
    if not text:
        return ""
    lines = [_example_line(line, translate) for line in text.splitlines()]
    return "\n".join([f"{translate(N_('Examples'))}:", *lines])


def _example_line(line: str, translate: Translate) -> str:
    if line.startswith("# "):
        line = f"# {translate(line.removeprefix('# '))}"
    return f"  {line}".rstrip()
