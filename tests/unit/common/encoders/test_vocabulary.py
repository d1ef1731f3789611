"""The zero-shot vocabulary, and which of its tags a query names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.encoders import tags as colour_tags
from common.encoders.scripts import has_hangul
from common.encoders.vocabulary import GROUPS, TAGS, VOCABULARY, VocabularyTag, VocabularyTags

COLOURS = {label.tag: label for label in colour_tags.VOCABULARY}


def named(text: str) -> list[str]:
    """The tags of a query, in its order."""
    return [each.tag for each in VocabularyTags().read(text)]


def test_keys_and_labels_are_unique() -> None:
    """No two tags share a key or, in either language, a label."""
    for values in ([t.tag for t in VOCABULARY], [t.en for t in VOCABULARY]):
        assert [value for value, times in Counter(values).items() if times > 1] == []
    labels = Counter(tag.ko for tag in VOCABULARY)
    assert [label for label, times in labels.items() if times > 1] == []
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", tag.tag) for tag in VOCABULARY)


def test_every_group_has_tags() -> None:
    """All five groups are there, and the vocabulary is of the size that was meant."""
    assert set(GROUPS) == {tag.group for tag in VOCABULARY}
    assert 120 <= len(VOCABULARY) <= 200


@pytest.mark.parametrize("tag", VOCABULARY, ids=lambda tag: tag.tag)
def test_a_tag_is_in_both_languages(tag: VocabularyTag) -> None:
    """Labels and two or three phrases per language, composed, without stray white space."""
    assert has_hangul(tag.ko)
    assert not has_hangul(tag.en)
    assert 2 <= len(tag.phrases_en) <= 3
    assert 2 <= len(tag.phrases_ko) <= 3
    assert not any(has_hangul(phrase) for phrase in tag.phrases_en)
    assert all(has_hangul(phrase) or phrase == "TV" for phrase in tag.phrases_ko)
    for text in (tag.en, tag.ko, *tag.phrases_en, *tag.phrases_ko, *tag.forms):
        assert unicodedata.is_normalized("NFC", text)
        assert " ".join(text.split()) == text
        assert "~" not in text.removesuffix("~")


def test_no_form_is_of_two_tags() -> None:
    """What people say leads to one tag."""
    owners = defaultdict(set)
    for tag in VOCABULARY:
        for form in tag.forms:
            owners[re.sub("^(an?|the) |[ ~]", "", form.casefold())].add(tag.tag)
    assert {form: tags for form, tags in owners.items() if len(tags) > 1} == {}


def test_tags_of_the_offline_profile_keep_their_keys_and_labels() -> None:
    """A library keeps its tags when it moves to another profile."""
    known = {tag.tag: tag for tag in VOCABULARY}
    assert {key: (label.en, label.ko) for key, label in COLOURS.items()} == {
        key: (known[key].en, known[key].ko) for key in COLOURS
    }


@pytest.mark.parametrize("tag", VOCABULARY, ids=lambda tag: tag.tag)
def test_every_form_names_its_tag(tag: VocabularyTag) -> None:
    """Each form, alone and in a sentence of its language."""
    for form in tag.forms:
        text = form.rstrip("~")
        sentence = f"어제 찍은 {text} 장면" if has_hangul(text) else f"show me {text}, please"
        assert tag.tag in named(text)
        assert tag.tag in named(sentence), sentence


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("man crying", ["man", "crying"]),
        ("빨간 차 밤에", ["red", "car", "night"]),
        ("red car at night", ["red", "car", "night"]),
        ("민지가 손 흔드는", ["waving"]),
        ("손을 흔들며 웃는 아이들", ["waving", "laughing", "child"]),
        ("우는 남자", ["crying", "man"]),
        ("강아지랑 산책", ["dog", "walking"]),
        ("강아지들이랑 산책하는 할아버지", ["dog", "walking", "elderly"]),
        ("생일케이크 촛불 끄는 아기", ["cake", "blowing_candles", "baby"]),
        ("birthday cake", ["cake"]),
        ("playing football on the beach at sunset", ["soccer", "beach", "sunset"]),
        ("비가 내리는 밤거리", ["rain", "street", "night"]),
        ("눈이 오는 날 눈사람", ["snow"]),
        ("밤바다", ["sea", "night"]),
        ("한강에서 자전거 타는 아이", ["river", "cycling", "child"]),
        ("개랑 고양이", ["dog", "cat"]),
        ("DOGS and Cats", ["dog", "cat"]),
        ("달리는 차", ["car"]),
        ("달리는 사람", ["running"]),
        ("차를 마시는 여자", ["coffee", "woman"]),
        ("waving goodbye at the airport", ["waving", "airport"]),
        ("ocean waves", ["sea"]),
        ("엄마랑 아빠가 춤을 추고 있어", ["woman", "man", "dancing"]),
        ("말하는 앵무새", ["talking", "bird"]),
        ("ice cream", ["ice_cream"]),
        ("hot-air balloon", ["airplane"]),
        ("빨간 우산을 쓴 여자", ["red", "umbrella", "woman"]),
        ("강아지 강아지 dog", ["dog"]),
        ("KTX 타고 부산", ["train"]),
        ("결혼식에서 노래하는 friend", ["wedding", "singing"]),
    ],
)
def test_a_query_names_its_tags(query: str, expected: list[str]) -> None:
    """Korean, English and both, with particles and endings; each tag once and in order."""
    assert named(query) == expected
    assert named(unicodedata.normalize("NFD", query)) == expected
    weights = [each.weight for each in VocabularyTags().read(query)]
    assert weights == [1 / len(expected)] * len(expected)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "민지",
        "a category of cards",
        "manage the scar",
        "catalogue",
        "carpet and dogma",
        "rung and runaway",
        "signature",
        "sign language",
        "book a flight",
        "wave",
        "the meaning of life",
        "차이가 뭐야",
        "차례를 지키는",
        "비밀 이야기",
        "눈을 감은 사람",
        "눈치가 빠른",
        "여러 개가 있는",
        "두 개를 주세요",
        "아이고 힘들다",
        "새로운 시작",
        "책임",
        "공기",
        "물론",
        "시험 합격",
        "2차",
        "놀라운 이야기",
    ],
)
def test_other_words_name_nothing(query: str) -> None:
    """Words that only begin or end like a form, and phrases that mean something else."""
    assert named(query) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("not crying", []),
        ("people without a dog", []),
        ("울지 않는 아기", ["baby"]),
        ("차 없는 골목길", ["street"]),
        ("강아지 말고 고양이", ["cat"]),
        ("안 우는 아기", ["baby"]),
        ("a beach, not a pool", ["beach"]),
        ("red, not blue", ["red"]),
    ],
)
def test_what_is_negated_is_not_named(query: str, expected: list[str]) -> None:
    """A negated word says nothing, rather than the opposite."""
    assert named(query) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    """Whatever is typed gives known tags, each once, whose weights sum to 1, or nothing."""
    found = VocabularyTags().read(text)
    assert {each.tag for each in found} <= TAGS
    assert len({each.tag for each in found}) == len(found)
    assert sum(each.weight for each in found) == pytest.approx(1 if found else 0)


FORMS = [(tag.tag, form.rstrip("~")) for tag in VOCABULARY for form in tag.forms]


@settings(deadline=None)
@given(st.lists(st.sampled_from(FORMS), min_size=1, max_size=4))
def test_forms_side_by_side(chosen: list[tuple[str, str]]) -> None:
    """Between forms set apart by a comma nothing is lost, and case does not matter."""
    text = ", ".join(form for _, form in chosen)
    found = named(text)
    # A form may hold a shorter one (흰 차), so there may be more, but never fewer.
    missing = {tag for tag, _ in chosen} - set(found)
    assert not missing, (text, found)
    assert named(text.upper()) == found


@settings(deadline=None)
@given(st.sampled_from([f for f in FORMS if f[0] not in COLOURS]), st.sampled_from("xq7힣뷁"))
def test_a_form_inside_of_a_word_is_not_seen(chosen: tuple[str, str], before: str) -> None:
    """What continues a word is no form of its own."""
    tag, form = chosen
    if " " not in form and "-" not in form:
        assert tag not in named(before + form)
