"""What plans put on disk for want of memory, and what they read more than they need."""

from __future__ import annotations

import shlex

from agentpg.desk.check import Say, size
from agentpg.desk.finding import Remedy
from agentpg.desk.tune.plans.saying import PlanCheck, Said, percent, table_of
from agentpg.desk.tune.plans.tree import Node, Plan
from agentpg.language import N_

_PAGE_BYTES = 8192
_KB = 1024

# Less is written and read at memory's speed.
_SPILLED_BYTES = 64 * 1024**2
_RECHECKED = 1000
_FETCHED_SHARE = 0.2
_FETCHED = 1000


def _memory_remedies(kilobytes: float) -> tuple[Remedy, ...]:
    # What lies on disk is denser than in memory: a sort takes about three times as much there.
    megabytes = max(round(kilobytes * 3 / 1024), 8)
    return (
        Remedy(
            sentence=N_(
                "Give this statement more memory; each sort and hash of a process may take as much."
            ),
            sql=f"SET LOCAL work_mem = '{megabytes}MB'",
            risk="careful",
        ),
        Remedy(sentence=N_("Or have it sort fewer and narrower rows: filter first.")),
    )


def _sorts(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        if node.said.get("Sort Space Type") != "Disk":
            continue
        used = float(node.said.get("Sort Space Used") or 0)
        yield say(
            "warning",
            N_("{subject} sorts on disk: {size}"),
            node.label,
            _memory_remedies(used),
            node=node.number,
            size=size(used * _KB),
            size_bytes=round(used * _KB),
        )


def _hashes(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        batches = int(node.said.get("Hash Batches") or node.said.get("HashAgg Batches") or 0)
        if batches <= 1:
            continue
        used = float(node.said.get("Peak Memory Usage") or 0)
        disk = float(node.said.get("Disk Usage") or 0) or used * (batches - 1)
        yield say(
            "warning",
            N_("{subject} does not fit into memory: it works in {batches} batches"),
            node.label,
            _memory_remedies(used + disk),
            node=node.number,
            batches=batches,
            memory_bytes=round(used * _KB),
        )


def _rechecks(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        removed = node.total("Rows Removed by Index Recheck")
        lossy = float(node.said.get("Lossy Heap Blocks") or 0)
        if removed < _RECHECKED or not lossy:
            continue
        yield say(
            "warning",
            N_("{subject} reads {blocks:,} pages whole, and discards {rows:,} rows of them"),
            node.label,
            _memory_remedies(1024),
            node=node.number,
            blocks=round(lossy),
            rows=round(removed),
        )


def _fetches(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        fetched = node.total("Heap Fetches")
        rows = max(node.total_rows, 1)
        if node.kind != "Index Only Scan" or fetched < _FETCHED or fetched < _FETCHED_SHARE * rows:
            continue
        table = table_of(plan, node)
        yield say(
            "warning",
            N_("{subject} looks up {fetched:,} of {rows:,} rows in the table all the same"),
            node.label,
            (
                Remedy(
                    sentence=N_("Vacuum the table: only that says which pages all may see."),
                    command=f"agentpg tune vacuum {shlex.quote(table)}" if table else "",
                ),
            ),
            node=node.number,
            fetched=round(fetched),
            rows=round(rows),
        )


def _spilled(node: Node) -> float:
    return float(node.said.get("Temp Written Blocks") or 0) * _PAGE_BYTES


def _spills(say: Say, plan: Plan) -> Said:
    """What is written in all, where no sort or hash tells of it."""
    written = _spilled(plan.root)
    told = any(
        one.said.get("Sort Space Type") == "Disk"
        or int(one.said.get("Hash Batches") or one.said.get("HashAgg Batches") or 0) > 1
        for one in plan.root
    )
    if written < _SPILLED_BYTES or told:
        return
    writers = [one for one in plan.root if _spilled(one) > 0]
    deepest = writers[-1]
    yield say(
        "warning",
        N_("{subject} writes temporary files: {size}"),
        deepest.label,
        _memory_remedies(written / _KB),
        node=deepest.number,
        size=size(written),
        size_bytes=round(written),
    )


def _reading(say: Say, plan: Plan) -> Said:
    root = plan.root.said
    # PostgreSQL 17 tells shared and local apart.
    waited = float(root.get("I/O Read Time") or root.get("Shared I/O Read Time") or 0)
    # Each worker waits for itself.
    share = min(waited / plan.whole_ms, 1.0) if plan.whole_ms else 0.0
    if share <= 0.5 or waited < 10:
        return
    blocks = float(root.get("Shared Read Blocks") or 0)
    yield say(
        "info",
        N_("{share} % of the time it waits for reading {size} from disk"),
        plan.root.label,
        (
            Remedy(sentence=N_("Run it again: what it has read may be in memory now.")),
            Remedy(
                sentence=N_("If it still reads as much, an index or more shared_buffers may help."),
                command="agentpg tune settings",
            ),
        ),
        node=plan.root.number,
        share=percent(share),
        size=size(blocks * _PAGE_BYTES),
        size_bytes=round(blocks * _PAGE_BYTES),
    )


MEMORY_CHECKS = (
    PlanCheck(
        code="P04",
        title=N_("Pages of a bitmap that are read whole"),
        levels=("warning",),
        threshold=N_(">= 1,000 rows removed by recheck of lossy pages"),
        contact="dba",
        cause=N_("work_mem is too small for the bitmap of the rows"),
        proof=N_("explained anew, all Heap Blocks are exact."),
        idea="more `work_mem` for the statement.",
        decide=_rechecks,
    ),
    PlanCheck(
        code="P05",
        title=N_("Sorts on disk"),
        levels=("warning",),
        threshold=N_("any"),
        contact="dba",
        cause=N_("work_mem is too small for the rows that are sorted"),
        proof=N_("explained anew, the sort is in memory."),
        idea="more `work_mem` for the statement, or an index in that order.",
        decide=_sorts,
    ),
    PlanCheck(
        code="P06",
        title=N_("Hashes that do not fit into memory"),
        levels=("warning",),
        threshold=N_("> 1 batch"),
        contact="dba",
        cause=N_("work_mem times hash_mem_multiplier is too small for the hashed rows"),
        proof=N_("explained anew, there is one batch."),
        idea="more `work_mem` for the statement.",
        decide=_hashes,
    ),
    PlanCheck(
        code="P12",
        title=N_("Index-only scans that look into the table"),
        levels=("warning",),
        threshold=N_(">= 1,000 heap fetches, and 20 % of the rows"),
        contact="dba",
        cause=N_("the table was written since its last vacuum"),
        proof=N_("explained anew, there are hardly any heap fetches."),
        idea="vacuum the table, and let autovacuum come sooner.",
        decide=_fetches,
    ),
    PlanCheck(
        code="P13",
        title=N_("Temporary files"),
        levels=("warning",),
        threshold=N_(">= 64 MB written, where P05 and P06 do not tell of it"),
        contact="dba",
        cause=N_("what the statement keeps between its steps does not fit into work_mem"),
        proof=N_("explained anew, no temporary blocks are written."),
        idea="more `work_mem` for the statement, or fewer rows kept.",
        decide=_spills,
    ),
    PlanCheck(
        code="P16",
        title=N_("Waiting for the disk"),
        levels=("info",),
        threshold=N_("> 50 % of the time, with track_io_timing"),
        contact="dba",
        cause=N_("what it reads is not in memory"),
        proof=N_("explained twice, the second run hardly reads."),
        idea="an index, so that less is read; or more memory.",
        decide=_reading,
    ),
)
