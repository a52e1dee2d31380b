"""The load: tasks of every kind, submitted in every way, some of them cancelled."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from agentpg.db import Database
from agentpg.errors import AgentpgError, WrongState
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.model import NewTask
from tests.chaos.book import Book

# How often each kind is drawn, and the longest that its handler takes, in seconds.
_KINDS = {
    "nap": (50, 0.3),
    "sync_nap": (10, 0.1),
    "call": (20, 0.3),
    "flaky": (10, 0.1),
    "doomed": (3, 0.1),
    "once": (7, 0.3),
}
_BULK = 20
_INSERT = (
    "INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, payload)"
    " VALUES (%s, %s, %s, 'pending', now(), %s)"
)


class Load:
    """Four threads that submit, each in a way of its own, and one that cancels."""

    def __init__(self, ways: tuple[Database, Database], book: Book, rate: float, seed: int) -> None:
        self._direct = ways[0]
        self._book = book
        self._ending = threading.Event()
        self._clients = [Client(way, settings=load_settings(pool_size=2)) for way in ways]
        works: list[tuple[Callable[[random.Random], None], float]] = [
            (self._one, rate * 0.25),
            (self._many, rate * 0.4 / _BULK),
            (self._in_a_transaction, rate * 0.15),
            (self._by_plain_sql, rate * 0.2),
            (self._cancel, rate * 0.03),
        ]
        self._threads = [
            threading.Thread(target=self._go_on, args=(work, rate, seed + number), daemon=True)
            for number, (work, rate) in enumerate(works)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Submit no more, and wait until nobody is submitting."""
        self._ending.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a submission hangs"
        for client in self._clients:
            client.close()

    def _go_on(self, work: Callable[[random.Random], None], rate: float, seed: int) -> None:
        chance = random.Random(seed)
        while not self._ending.wait(chance.expovariate(rate)):
            try:
                work(chance)
            except (AgentpgError, psycopg.Error):
                self._book.refuse()
                self._ending.wait(0.2)

    def _one(self, chance: random.Random) -> None:
        task = _drawn(chance)
        client = chance.choice(self._clients)
        self._book.acknowledge(client.submit_many([task]))

    def _many(self, chance: random.Random) -> None:
        tasks = [_drawn(chance) for _ in range(_BULK)]
        self._book.acknowledge(self._clients[0].submit_many(tasks))

    def _in_a_transaction(self, chance: random.Random) -> None:
        task, keep = _drawn(chance), chance.random() < 0.8
        with psycopg.connect(self._direct.conninfo("chaos load")) as connection:
            [task_id] = self._clients[0].submit_many([task], connection=connection)
            if keep:
                connection.commit()
                self._book.acknowledge([task_id])
            else:
                connection.rollback()
                self._book.withdraw(task_id)

    def _by_plain_sql(self, chance: random.Random) -> None:
        task, task_id = _drawn(chance), uuid7()
        payload = psycopg.types.json.Jsonb(task.payload)
        with psycopg.connect(self._direct.conninfo("chaos load"), autocommit=True) as connection:
            connection.execute(_INSERT, (task_id, task.agent_name, task.task_type, payload))
        self._book.acknowledge([task_id])

    def _cancel(self, chance: random.Random) -> None:
        recent: list[UUID] = self._book.acknowledged()[-50:]
        if not recent:
            return
        task_id = chance.choice(recent)
        self._book.ask_to_cancel(task_id)
        try:
            self._clients[0].cancel(task_id)
        except WrongState:
            return  # it had ended


def _drawn(chance: random.Random) -> NewTask:
    [kind] = chance.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])
    seconds = round(chance.random() * _KINDS[kind][1], 3)
    return NewTask(agent_name="Stormy", task_type=kind, payload={"seconds": seconds})
