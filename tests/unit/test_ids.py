"""Ids sort by time, even within a millisecond, and are never the same twice."""

from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from shared.clock import host_now
from shared.ids import new_id


def test_ids_are_uuidv7_of_now() -> None:
    """RFC 9562, 5.7: tables are cut into ranges by the time that is in an id."""
    before, made, after = host_now(), new_id(), host_now()
    milliseconds = made.int >> 80
    assert (made.version, made.variant) == (7, RFC_4122)
    assert int(before.timestamp() * 1000) <= milliseconds <= int(after.timestamp() * 1000) + 1


def test_ids_of_one_process_ascend() -> None:
    """Messages of one transaction are published in the order in which they were said."""
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_threads_do_not_make_the_same_id() -> None:
    """Hashing of backup codes runs in threads."""
    with ThreadPoolExecutor(8) as threads:
        ids = [each for made in threads.map(lambda _: [new_id() for _ in range(1_000)], range(8)) for each in made]
    assert len(set(ids)) == 8_000
