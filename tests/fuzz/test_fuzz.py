"""Hostile input is refused in the contract's words, at once, and holds up nobody."""

from pathlib import Path

import pytest

from tests.torture.fuzz import fuzz_corpus, fuzz_documented

SEED = 1


@pytest.mark.alone
async def test_every_hostile_request_is_a_problem_of_the_contract(tmp_path: Path) -> None:
    row = await fuzz_corpus(tmp_path, SEED, 1)
    assert row.faults == []
    assert row.requests > 500


async def test_what_the_document_describes_is_answered_as_it_says(tmp_path: Path) -> None:
    row = await fuzz_documented(tmp_path, SEED, 1)
    assert row.faults == []
