"""An agent in one file: `agentpg worker --app greeter:app` runs it."""

from agentpg import App, Run

app = App()


@app.task("Greeter", "greet")
async def greet(run: Run, name: str) -> dict[str, str]:
    """Fails the first time, as things do, and succeeds the second."""
    if run.task.attempt == 1:
        raise ConnectionError("the network is away")
    return {"greeting": f"Hello, {name}"}
