"""Experiments 1 to 5: the process is killed at the seams between what is stored, told and answered."""

import pytest

from tests.e2e.conftest import ExperimentFor
from tests.support.platform import PlatformProcess

SHORT, FULL = 10, 200
KILLS = [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.chaos)]
SEAMS = [
    pytest.param("relay.appended", "2: relay after append, before delete", id="relay-before-delete"),
    pytest.param("relay.sending", "3: relay before sending", id="relay-before-sending"),
    pytest.param("consumer.applied", "4: consumer after commit, before offset", id="consumer-before-offset"),
]
DISPATCHER_SEAMS = [
    pytest.param("dispatcher.claimed", "dispatcher after claim, before sending", id="before-sending"),
    pytest.param("dispatcher.answered", "dispatcher after the answer, before record", id="before-recording"),
    pytest.param("dispatcher.recorded", "dispatcher after record", id="after-recording"),
]
# What a killed dispatcher had claimed waits for its lease to run out, once for all kills.
DISPATCHER_KILLS = [
    pytest.param(4, id="short"),
    pytest.param(FULL, id="full", marks=pytest.mark.chaos),
]


@pytest.mark.parametrize("kills", KILLS)
async def test_a_write_whose_answer_was_cut_off_is_answered_alike_when_repeated(
    platform: PlatformProcess, experiment: ExperimentFor, kills: int
) -> None:
    async with experiment(platform, "1: API between commit and answer") as running:
        await running.crash_at("api.committed", kills, most_passes=20)
    # Each kill comes after a commit: somebody's repeated request finds its work done.
    assert running.history.repeated_count >= kills


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize(("seam", "title"), SEAMS)
async def test_every_event_is_applied_once_though_the_process_dies(
    platform: PlatformProcess, experiment: ExperimentFor, seam: str, title: str, kills: int
) -> None:
    async with experiment(platform, title) as running:
        await running.crash_at(seam, kills)


@pytest.mark.parametrize("kills", KILLS)
async def test_a_large_batch_is_applied_whole_or_not_at_all(
    platform: PlatformProcess, experiment: ExperimentFor, kills: int
) -> None:
    async with experiment(platform, "5: in the middle of a batch of 500", client_count=3, bulk=600) as running:
        await running.crash_at("batch.begun", kills, most_passes=3)


@pytest.mark.parametrize("kills", DISPATCHER_KILLS)
@pytest.mark.parametrize(("seam", "title"), DISPATCHER_SEAMS)
async def test_a_partner_is_told_of_every_event_under_one_id_though_the_dispatcher_dies(
    platform: PlatformProcess, experiment: ExperimentFor, seam: str, title: str, kills: int
) -> None:
    async with experiment(platform, title, client_count=3) as running:
        await running.crash_at(seam, kills)
