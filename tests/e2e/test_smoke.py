"""The smoke test passes on a cloud that is well, and fails on one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

from local import smoke
from local.client import Client
from local.cloud import Cloud
from local.serving import ServedApp

pytestmark = pytest.mark.xdist_group("e2e")

_WITHOUT_ACCOUNT = ["health", "version", "refuses who is not signed in", "search is warm"]


def test_a_cloud_that_is_well(
    cloud: Cloud, new_client: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check that needs no upload, from the command line."""
    monkeypatch.setenv("SMOKE_TOKEN", new_client().token)
    assert smoke.main([cloud.address.api_url, "--warm-s", "60"]) == 0
    monkeypatch.delenv("SMOKE_TOKEN")
    assert smoke.main([cloud.address.api_url, "--warm-s", "60"]) == 0


@pytest.mark.deep
def test_the_whole_way_of_a_video(cloud: Cloud, new_client: Callable[[], Client]) -> None:
    """Uploaded, indexed, found, and gone afterwards."""
    client = new_client()
    options = smoke.Options(
        url=cloud.address.api_url, token=client.token, index=True, warm_s=60, index_timeout_s=280
    )
    outcomes = list(smoke.run(options))
    assert [each for each in outcomes if not each.is_ok] == []
    assert len(outcomes) == len(_WITHOUT_ACCOUNT) + 2
    assert client.videos() == []


@pytest.fixture
def page() -> Iterator[str]:
    """A server that answers every request with a page, as one does whose rewrites are wrong."""
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    app.router.add_route("*", "/{path:.*}", answer)
    with ServedApp(app) as served:
        yield served.url


def test_a_page_is_not_an_api(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check but the time says what it got instead, and the exit code is 1."""
    assert smoke.main([page]) == 1
    told = capsys.readouterr().out.splitlines()
    failed = [line for line in told if line.startswith("FAILED")]
    assert len(told) == len(_WITHOUT_ACCOUNT)
    assert len(failed) == len(_WITHOUT_ACCOUNT) - 1


def test_a_search_that_has_to_start_first_is_not_warm(cloud: Cloud) -> None:
    """No answer is quick enough for no time at all."""
    options = smoke.Options(url=cloud.address.api_url, warm_s=0.0)
    assert [each.name for each in smoke.run(options) if not each.is_ok] == ["search is warm"]


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """An address where nothing is: all checks fail, none crashes."""
    assert smoke.main(["http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().out.count("FAILED") == len(_WITHOUT_ACCOUNT)


def test_indexing_takes_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token that is a wrong call, not a failure of the deployment."""
    monkeypatch.delenv("SMOKE_TOKEN", raising=False)
    with pytest.raises(SystemExit):
        smoke.main(["http://127.0.0.1:1", "--index"])
