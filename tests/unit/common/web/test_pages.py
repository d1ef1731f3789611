"""Page tokens."""

from __future__ import annotations

import base64
import string
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import ConfigError, InputError
from common.web.pages import PageScope, PageTokens, Position
from tests.conftest import settings

_TOKENS = PageTokens(b"a key")
_ALPHABET = string.ascii_letters + string.digits + "-_"

positions: st.SearchStrategy[Position] = st.lists(
    st.one_of(st.text(), st.integers(-(2**63), 2**63)), max_size=4
).map(tuple)
scopes = st.builds(
    PageScope, user_id=st.uuids(), route=st.text(max_size=30), parameters=st.text(max_size=30)
)


@given(position=positions, scope=scopes)
def test_a_position_comes_back(position: Position, scope: PageScope) -> None:
    """What is sealed is opened, in the same scope."""
    assert _TOKENS.open(_TOKENS.seal(position, scope), scope) == position


@given(position=positions, scope=scopes, data=st.data())
def test_any_changed_character_is_refused(
    position: Position, scope: PageScope, data: st.DataObject
) -> None:
    """Also in the last character, some of whose bits carry nothing."""
    token = _TOKENS.seal(position, scope)
    place = data.draw(st.one_of(st.just(len(token) - 1), st.integers(0, len(token) - 1)))
    other = data.draw(st.sampled_from(_ALPHABET))
    assume(other != token[place])
    with pytest.raises(InputError, match="invalid_page_token"):
        _TOKENS.open(token[:place] + other + token[place + 1 :], scope)


@given(position=positions, scope=scopes, data=st.data())
def test_any_changed_byte_is_refused(
    position: Position, scope: PageScope, data: st.DataObject
) -> None:
    """Of the position as of the MAC; and any cut or extension."""
    sealed = base64.urlsafe_b64decode(_TOKENS.seal(position, scope) + "==")
    place = data.draw(st.integers(0, len(sealed) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = sealed[:place] + bytes([sealed[place] ^ flip]) + sealed[place + 1 :]
    for forged in (changed, sealed[:place], sealed + bytes([flip])):
        token = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
        with pytest.raises(InputError, match="invalid_page_token"):
            _TOKENS.open(token, scope)


@given(position=positions, mine=scopes, other=scopes)
def test_a_token_is_for_one_tenant_route_and_filter(
    position: Position, mine: PageScope, other: PageScope
) -> None:
    """Change any part of the scope and the token is refused."""
    token = _TOKENS.seal(position, mine)
    for scope in (
        PageScope(user_id=other.user_id, route=mine.route, parameters=mine.parameters),
        PageScope(user_id=mine.user_id, route=other.route, parameters=mine.parameters),
        PageScope(user_id=mine.user_id, route=mine.route, parameters=other.parameters),
    ):
        if scope != mine:
            with pytest.raises(InputError, match="invalid_page_token"):
                _TOKENS.open(token, scope)


@given(token=st.text())
def test_no_other_text_is_a_token(token: str) -> None:
    """Whatever a client makes up is refused with the one answer."""
    scope = PageScope(user_id=UUID(int=0), route="GET /v1/videos", parameters="{}")
    with pytest.raises(InputError, match="invalid_page_token"):
        _TOKENS.open(token, scope)


def test_another_key_makes_other_tokens() -> None:
    """Without the key nobody seals."""
    scope = PageScope(user_id=uuid4(), route="GET /v1/videos", parameters="{}")
    with pytest.raises(InputError, match="invalid_page_token"):
        _TOKENS.open(PageTokens(b"another key").seal((1,), scope), scope)


def test_a_function_without_a_key_does_not_start() -> None:
    """An empty key would let anybody seal."""
    with pytest.raises(ConfigError, match="HEIMDEX_TOKEN_KEY"):
        PageTokens.of(settings(token_key=""))
