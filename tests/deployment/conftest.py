"""nginx in front of a stand-in for the service, new for each test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from .front_door import NGINX, FrontDoor
from .stand_in import StandIn


class Opens(Protocol):
    """Starts nginx in front of the stand-in; arguments as of `FrontDoor`."""

    def __call__(self, **options: Any) -> FrontDoor: ...


@pytest.fixture
def app() -> Iterator[StandIn]:
    with StandIn("app") as stand_in:
        yield stand_in


@pytest.fixture
def opens(app: StandIn, tmp_path: Path) -> Iterator[Opens]:
    """For tests that need nginx with something changed."""
    if NGINX is None:
        pytest.skip("nginx is not installed: its configuration is not tested")
    with ExitStack() as stack:

        def start(**options: Any) -> FrontDoor:
            instances = {"app": app.port, **options.pop("others", {})}
            return stack.enter_context(FrontDoor(tmp_path / "nginx", instances, **options))

        yield start


@pytest.fixture
def door(opens: Opens) -> FrontDoor:
    """nginx as it is committed, in front of `app`."""
    return opens()
