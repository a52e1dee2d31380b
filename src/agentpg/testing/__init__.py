"""For tests of your own handlers: the real engine on a PostgreSQL that is thrown away.

    with PrivateServer() as server, server.installation() as shop:
        story = shop.run_one(app, "Shop", "price", {"amount": 2})
        assert story.task.result == {"total": 238}

Nothing here needs a test framework; `agentpg.testing.pytest_plugin` has fixtures for pytest.
"""

from agentpg.tasks.following import TaskStory
from agentpg.testing.installation import Drained, Installation
from agentpg.testing.server import PrivateServer

__all__ = ["Drained", "Installation", "PrivateServer", "TaskStory"]
