"""An agent that asks a language model, with every call recorded."""

from openai import AsyncOpenAI

from agentpg import App, Run

app = App()


@app.task("Summarist", "summarise", max_attempts=5)
async def summarise(run: Run, text: str) -> str | None:
    """A summary in one sentence."""
    async with run.wrap(AsyncOpenAI()) as client:
        answer = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": f"Summarise in one sentence: {text}"}],
        )
    return answer.choices[0].message.content
