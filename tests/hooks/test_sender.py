"""The sender delivers each message at least once, in order, and not forever; a failing hook is reported once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.hooks import sender as sending
from autoloop.hooks.calling import Reply
from autoloop.hooks.health import failing, healths
from autoloop.hooks.hook import Hook
from autoloop.hooks.messages import MOST_WAITING, tell
from autoloop.hooks.sender import Sender
from autoloop.hooks.service import Service, Target
from autoloop.model import DeliveryState, HookEvent
from autoloop.model.transitions import delivery_tried
from autoloop.store import Holder, Store

from tests.store.rows import a_loop
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE, eventually


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(sending, "PAUSE", 0.01)
    monkeypatch.setattr(sending, "LOOK", 0.02)
    with Store.open(tmp_path, create=True) as store:
        store.put_loop(a_loop())
        yield store


def put(store: Store, hooks: dict[str, Hook], *keys: str, now: float | None = None) -> None:
    for key in keys:
        tell(store, hooks, store.loop(1), HookEvent.LOOP_ENDED, key, f"it is {key}", now or time.time())


def send(store: Store, hooks: dict[str, Hook], service: Service | None = None) -> None:
    """Send until nothing is left."""
    targets = {name: Target(hook=hook, service=service) for name, hook in hooks.items()}

    def run() -> None:
        with Store.open(store.places.project) as own:
            Sender(own, 1, targets, os.getpid(), os.environ).run()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def web(receiver: Receiver, path: str, **more: Any) -> Hook:
    return Hook(url=f"{receiver.url}/{path}", **more)


def story(store: Store) -> list[str]:
    return [event.text for event in store.events(1)]


def texts(receiver: Receiver) -> list[str]:
    return [each.json["text"] for each in receiver.posted]


def states(store: Store) -> list[DeliveryState]:
    return [each.state for each in reversed(store.deliveries(1))]


def test_messages_arrive_once_and_in_order(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "ok")}
    put(store, hooks, "first", "second", "first")
    send(store, hooks)
    put(store, hooks, "second", "third")  # as from an engine that was killed and judges again
    send(store, hooks)
    assert texts(receiver) == ["it is first", "it is second", "it is third"]
    assert len({each.headers["x-autoloop-id"] for each in receiver.posted}) == 3
    assert story(store) == []
    assert failing(store.deliveries(1)) == []


def test_a_failure_is_tried_again_and_told_once(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "later", tries=10)}
    put(store, hooks, "first", "second")

    def mend() -> None:
        eventually(lambda: len(receiver.posted) >= 3)
        receiver.well.set()

    mending = threading.Thread(target=mend)
    mending.start()
    send(store, hooks)
    mending.join()
    assert texts(receiver)[0] == texts(receiver)[1] == texts(receiver)[2] == "it is first"
    assert texts(receiver)[-1] == "it is second"
    assert [each.headers["x-autoloop-id"] for each in receiver.posted[:3]] == [
        receiver.posted[0].headers["x-autoloop-id"]
    ] * 3
    assert story(store) == ["hook a fails: HTTP 500; it will be retried", "hook a works again"]
    assert set(states(store)) == {DeliveryState.DELIVERED}


def test_a_message_is_given_up_after_its_last_try_or_a_final_no(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "500", tries=3), "b": web(receiver, "404"), "c": Hook(url="${NOT_SET_HERE}")}
    put(store, hooks, "first")
    send(store, hooks)
    assert len([each for each in receiver.posted if each.path == "/500"]) == 3
    assert len([each for each in receiver.posted if each.path == "/404"]) == 1
    assert states(store) == [DeliveryState.GIVEN_UP] * 3
    assert sorted(story(store)) == [
        "hook a fails: HTTP 500: as asked; it will be retried",
        "hook b fails: HTTP 404: as asked; this message is given up",
        "hook c fails: NOT_SET_HERE is not set in the environment of the engine; this message is given up",
    ]
    words = [each.words for each in failing(store.deliveries(1))]
    assert words[0] == "hook a fails: HTTP 500: as asked; 1 message given up"
    put(store, hooks, "second")
    send(store, hooks)
    assert len(story(store)) == 3  # not one line per lost message


def test_a_hook_that_hangs_holds_up_no_other(store: Store, receiver: Receiver, tmp_path: Path) -> None:
    hooks = {"hangs": web(receiver, "hang", timeout=1, tries=1), "a": web(receiver, "ok")}
    hooks["c"] = Hook(command="sh -c 'cat > got'")
    put(store, hooks, "first", "second")
    send(store, hooks)
    health = healths(store.deliveries(1))
    assert (health["a"].delivered, health["c"].delivered, health["hangs"].given_up) == (2, 2, 2)
    assert "it is second" in (tmp_path / "got").read_text()


def test_what_is_old_or_of_no_hook_is_dropped_with_a_line(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "ok")}
    put(store, {**hooks, "gone": web(receiver, "ok")}, "yesterday", "before", now=time.time() - sending.OLD - 60)
    put(store, hooks, "now")
    send(store, hooks)
    assert texts(receiver) == ["it is now"]
    assert story(store) == [
        "2 messages for hook gone were dropped: autoloop.toml no longer defines this hook",
        "2 messages for hook a were dropped: older than 6 hours",
    ]


def test_a_flood_is_bounded(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "ok")}
    put(store, hooks, *map(str, range(MOST_WAITING + 5)))
    assert states(store).count(DeliveryState.PENDING) == MOST_WAITING
    assert healths(store.deliveries(1))["a"].dropped == 5


def test_a_sender_that_dies_is_followed_by_one_that_waits_for_its_try(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "ok", tries=2)}
    put(store, hooks, "first")
    began = store.open_deliveries(1)[0]
    now = time.time()
    store.put_delivery(delivery_tried(began, now, now + 0.3))  # as recorded before it was killed
    send(store, hooks)
    assert texts(receiver) == ["it is first"]
    assert time.time() >= now + 0.3
    assert store.delivery(began.id).tries == 2
    put(store, hooks, "second")
    second = delivery_tried(delivery_tried(store.open_deliveries(1)[0], now, now), now, now)
    store.put_delivery(second)
    send(store, hooks)  # both tries are used up, whatever their result
    assert store.delivery(second.id).state is DeliveryState.GIVEN_UP
    assert texts(receiver) == ["it is first"]


def test_one_sender_after_another_keeps_the_pause_of_a_service_and_repeats_no_line(store: Store, receiver: Receiver) -> None:
    hooks, service = {"a": web(receiver, "500", tries=1)}, Service(body="{text}", every=0.5)
    put(store, hooks, "first")
    send(store, hooks, service)
    put(store, hooks, "second")
    send(store, hooks, service)
    second, first = (each.tried_at or 0.0 for each in store.deliveries(1))
    assert second - first >= 0.5
    put(store, hooks, "third")
    now = time.time()
    store.put_delivery(delivery_tried(store.open_deliveries(1)[0], now, now))  # being sent by another process
    assert healths(store.deliveries(1))["a"].error == "HTTP 500: as asked"
    send(store, {"a": web(receiver, "500", tries=2)}, service)
    assert story(store) == ["hook a fails: HTTP 500: as asked; this message is given up"]


def test_a_sender_leaves_to_that_of_another_engine(store: Store, receiver: Receiver) -> None:
    hooks = {"a": web(receiver, "ok")}
    put(store, hooks, "first")
    lock = store.places.lock("loop_1700000001")
    other = msgspec.structs.replace(Holder.me(0.0), pid=1, at_work=True)
    lock.write_bytes(msgspec.json.encode(other))
    send(store, hooks)
    assert states(store) == [DeliveryState.PENDING]
    assert receiver.posted == []
    lock.write_bytes(msgspec.json.encode(msgspec.structs.replace(other, at_work=False)))  # as after `stop` without an engine
    send(store, hooks)
    assert texts(receiver) == ["it is first"]


def test_few_hooks_are_called_at_one_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calling, most, lock, all_in = 0, 0, threading.Lock(), threading.Event()

    def call(*_: object) -> Reply:
        nonlocal calling, most
        with lock:
            calling += 1
            most = max(most, calling)
            if calling == sending.AT_ONCE:
                all_in.set()
        assert all_in.wait(PATIENCE)  # the calls of the first batch wait for each other
        time.sleep(0.05)
        with lock:
            calling -= 1
        return Reply(True, "ok")

    monkeypatch.setattr(sending, "call", call)
    hooks = {f"h{number}": Hook(command="true") for number in range(3 * sending.AT_ONCE)}
    put(store, hooks, "first", "second")
    send(store, hooks)
    assert set(states(store)) == {DeliveryState.DELIVERED}
    assert most == sending.AT_ONCE
