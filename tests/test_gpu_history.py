"""The GPU history of an attempt: bounded, however long it lasts, with sums over all samples."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.gpu_history import MOST, NAME, GpuHistory, read_history
from autoloop.gpus import GIB, Gpu
from autoloop.model import GpuUse
from hypothesis import given
from hypothesis import strategies as st

START = 1_700_000_000.0


def card(utilisation: int | None = None, memory: int | None = None, power: float | None = None) -> Gpu:
    used = None if memory is None else memory * GIB
    return Gpu(index=0, name="a card", utilisation=utilisation, memory_used=used, power=power)


def history(*samples: list[Gpu], every: float = 5.0) -> GpuHistory:
    made = GpuHistory(gpus=len(samples[0]) if samples else 1)
    for number, cards in enumerate(samples):
        made.add(START + number * every, every, cards)
    return made


def test_of_several_gpus_utilisation_is_the_mean_power_the_sum_and_memory_that_of_the_fullest() -> None:
    made = history([card(100, 70, 400.0), card(50, 20, 200.0)])
    (point,) = made.points
    assert (point.utilisation, point.memory, point.power) == (75.0, 70.0, 600.0)
    assert made.use == GpuUse(
        gpus=2, seconds=5.0, utilisation=75.0, idle_share=0.0, peak_memory_gib=70.0, power=600.0, energy_wh=600 * 5 / 3600
    )


def test_time_below_five_percent_is_idle() -> None:
    use = history([card(0)], [card(4)], [card(5)], [card(100)], [card(90)]).use
    assert use is not None
    assert use.idle_share == pytest.approx(0.4)
    assert use.utilisation == pytest.approx(199 / 5)


def test_what_a_card_does_not_report_is_not_known_and_no_zero() -> None:
    use = history([card(memory=3)], [card(memory=2)]).use
    assert use == GpuUse(gpus=1, seconds=10.0, peak_memory_gib=3.0)
    assert GpuHistory(gpus=1).use is None


@pytest.mark.parametrize("gap", [5.0, 1000.0, 1e6])
def test_it_stays_bounded_and_keeps_its_beginning_its_end_and_its_sums(gap: float) -> None:
    count = 20 * MOST + 7
    made = history(
        *([card(100 if number == 3 else 0, 8 if number == 9 else 1, 100.0)] for number in range(count)), every=gap
    )
    assert MOST // 4 <= len(made.points) <= MOST
    assert sum(point.samples for point in made.points) == count
    assert made.points[0].at == START
    assert [point.at for point in made.points] == sorted(point.at for point in made.points)
    assert max(point.memory or 0 for point in made.points) == 8.0
    use = made.use
    assert use is not None
    assert use.utilisation == pytest.approx(100 / count)
    assert use.idle_share == pytest.approx((count - 1) / count)
    assert use.energy_wh == pytest.approx(100 * count * gap / 3600)
    assert use.peak_memory_gib == 8.0


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.none() | st.integers(0, 100)), max_size=40))
def test_a_clock_that_is_set_back_breaks_nothing(samples: list[tuple[int, int | None]]) -> None:
    made = GpuHistory(gpus=1)
    for at, utilisation in samples:
        made.add(START + at, 5.0, [card(utilisation)])
    assert sum(point.samples for point in made.points) == len(samples)
    assert made.seconds == 5.0 * len(samples)


def test_it_is_read_as_it_was_written_and_goes_on(tmp_path: Path) -> None:
    history([card(50, 4, 100.0)], [card(None, 4, None)]).write(tmp_path)
    found = read_history(tmp_path)
    assert found == history([card(50, 4, 100.0)], [card(None, 4, None)])
    assert found is not None
    found.add(START + 10, 5.0, [card(100, 4, 100.0)])
    assert found.use is not None
    assert found.use.utilisation == 75.0


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"gpus": "x"}', b"\xff\xfe", b'{"gpus": 1, "points": [[1,2'])
def test_a_file_that_is_no_history_is_none(tmp_path: Path, text: bytes) -> None:
    assert read_history(tmp_path) is None
    (tmp_path / NAME).write_bytes(text)
    assert read_history(tmp_path) is None
