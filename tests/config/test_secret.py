"""Keys: found at every press, and never printed."""

import copy
import hashlib
import json
import os
import pickle
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.config import Credential
from panic.config.secret import Key, read, without_tokens
from panic.kit.errors import Problem

TEXT = "k3yid.s3cr3t-part-of-it"
MakeFile = Callable[..., Credential]
BYTES = TEXT.encode()


@pytest.fixture
def key_file(tmp_path: Path):
    """Make a key file of some bytes."""

    def make(data: bytes = BYTES, mode: int = 0o600) -> Credential:
        file = tmp_path / "fund.key"
        file.write_bytes(data)
        file.chmod(mode)
        return Credential(file=file)

    return make


def told(problems: Iterable[Problem], folder: Path):
    """The problems as an operator reads them, without the folder of this test."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


@pytest.mark.parametrize(
    "text", [TEXT, f"{TEXT}\n", f"{TEXT}\r\n", f"  {TEXT}\t\n\n", f"\ufeff{TEXT}", "no-dot", "a" * 4096]
)
def test_a_key_file_gives_its_key_without_what_an_editor_adds(key_file: MakeFile, text: str):
    """Line ends, blanks around it and a byte order mark are no part of a key."""
    key, problems = read("fund", key_file(text.encode()), {})

    assert key is not None
    assert text.strip("\ufeff \t\r\n") == key.reveal()
    assert () == problems


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "is empty"),
        (b"a" * 4097, "holds more than 4096 characters"),
        (b"Bearer s3cr3t", "holds a blank, a line break"),
        (b"s3cr3t\r\nX-Evil: 1", "holds a blank, a line break"),
        (b"s3cr3t\x00", "holds a blank, a line break"),
        ("s3cr3t\u00a0".encode(), "holds a blank, a line break"),
        ("s3cr3t".encode("utf-16"), "is not UTF-8 text"),
        (b"s3cr3t" * 20_000, "cannot be read: it is longer than 65,536 bytes"),
    ],
)
def test_a_key_that_would_split_a_header_or_be_refused_is_unusable(
    key_file: MakeFile, tmp_path: Path, data: bytes, wrong: str
):
    """The message says what is wrong and shows nothing of it."""
    key, problems = read("fund", key_file(data), {})

    assert key is None
    assert told(problems, tmp_path)[0].startswith(f"fund.key: credential fund: the key file {wrong}")
    assert "s3cr3t" not in str(problems)


def test_an_unset_variable_is_told():
    """The commonest mistake of all, after a restart by somebody else."""
    set_, _ = read("fund", Credential(env="KEY"), {"KEY": f"{TEXT}\n"})
    key, problems = read("fund", Credential(env="KEY"), {})

    message = "credential fund: the environment variable KEY is not set. Set it to the key before panic starts."
    assert (None, TEXT) == (key, set_ and set_.reveal())
    assert [message] == [str(problem) for problem in problems]


def test_a_directory_a_pipe_and_a_device_are_told_and_do_not_hang(tmp_path: Path):
    """A press waits for nobody to write into a pipe."""
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "a\0b", Path("/dev/null/x")):
        key, problems = read("fund", Credential(file=file), {})

        assert key is None
        assert problems[0].what.startswith("credential fund: the key file cannot be read: ")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_is_open_to_others_is_used_and_told(key_file: MakeFile, tmp_path: Path, mode: int):
    """Stopping comes first, and the remedy is a command."""
    key, problems = read("fund", key_file(mode=mode), {})

    message = "fund.key: credential fund: the key file is open to other users. Run: chmod 600 fund.key"
    assert key is not None
    assert [message] == told(problems, tmp_path)


def test_a_key_leaves_by_no_door():
    """However it is printed it is stars; nor by JSON, pickle or vars; a copy is the key itself."""
    key = Key(TEXT)

    for printed in (repr, str, format, "{:>20}".format, "{0!r}".format, "%s".__mod__, ascii):
        assert "Key('****')" == printed(key).strip()
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(key)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="a key is not pickled"):
            pickle.dumps(key, protocol)
    with pytest.raises(TypeError, match="__dict__"):
        vars(key)
    assert key is copy.copy(key) is copy.deepcopy(key)


def test_a_traceback_with_all_variables_does_not_show_a_key():
    """As error trackers and coloured tracebacks print them."""
    key = Key(TEXT)
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(f"the request with {key} failed")
    report = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())

    assert "key = Key('****')" in report
    assert "s3cr3t" not in report


@pytest.mark.parametrize(
    ("key", "text", "scrubbed"),
    [
        ("id.secret-8", "Bearer id.secret-8!", "Bearer [key]!"),
        ("id.secret-8", "only secret-8 of id", "only [key] of id"),
        ("id.short", "id.short and short", "[key] and short"),
        ("a.b.12345678", "b.12345678", "[key]"),
        ("plain", "a plain word", "a [key] word"),
    ],
)
def test_scrubbing_takes_the_key_and_its_secret_part(key: str, text: str, scrubbed: str):
    """A short part is left: it would tear holes into words."""
    assert scrubbed == Key(key).scrub(text)


@given(
    st.from_regex(r"\A[0-9A-Za-z]{1,8}\.[0-9A-Za-z.-]{8,20}\Z"),
    st.lists(st.text(alphabet="0aZ.-[ ]") | st.none() | st.just("secret part")),
)
def test_nothing_that_was_scrubbed_holds_the_key(key: str, pieces: list[str | None]):
    """Wherever the key and its secret part stand in a text."""
    secret = key.partition(".")[2]
    text = "".join({None: key, "secret part": secret}.get(piece, piece or "") for piece in pieces)
    scrubbed = Key(key).scrub(text)

    assert key not in scrubbed
    assert secret not in scrubbed
    assert scrubbed == Key(key).scrub(scrubbed)


TOKENS = ("Xk4_ab-9dEfGhIjKlMnOpQrStUvWxYz0123456789_-A", "made/by+hand==.0815")
DIGESTS = {f"sha256:{hashlib.sha256(token.encode()).hexdigest()}" for token in TOKENS}


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "words", ["{}", "pressed with Bearer {}", '{{"token": "{}"}}', "oh\n{}\tno", "'{}', twice: {}"]
)
def test_a_token_that_somebody_pastes_does_not_stay(token: str, words: str):
    """It is known by its digest alone, and cut out wherever it stands as a word."""
    assert words.format("[token]", "[token]") == without_tokens(words.format(token, token), DIGESTS)


@pytest.mark.parametrize("words", ["", "runaway algo", TOKENS[0][1:], *sorted(DIGESTS), "\ud800" * 20])
def test_what_is_no_token_stays(words: str):
    """Also a part of one, its digest, and what is no text at all."""
    assert words == without_tokens(words, DIGESTS)
