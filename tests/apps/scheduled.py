"""An app that declares schedules: one a minute, and one that never comes in a test's time."""

from __future__ import annotations

from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run

app = App()


@app.task("Scheduled", "note")
async def note(run: Run, text: str) -> str:
    return text


app.schedule(
    "every minute", cron="* * * * *", agent_name="Scheduled", task_type="note",
    payload={"text": "a minute"}, catch_up="all",
)  # fmt: skip
app.schedule(
    "아침 보고", cron="0 7 * * mon", time_zone="Asia/Seoul", agent_name="Scheduled",
    task_type="note", payload={"text": "보고서"},
)  # fmt: skip
