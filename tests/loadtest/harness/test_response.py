"""Responses are read whole, however they are cut on the way, and what is not HTTP is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.harness.response import Answer, MalformedAnswer, ResponseReader

BY_LENGTH = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nIdempotent-Replayed: true\r\n\r\nhello"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + BY_LENGTH
LAST = b"HTTP/1.1 503 Away\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
WHOLE = {
    BY_LENGTH: Answer(201, b"hello", True, False),
    IN_CHUNKS: Answer(200, b"hello", False, False),
    INTERIM: Answer(201, b"hello", True, False),
    LAST: Answer(503, b"", False, True),
    EMPTY: Answer(204, b"", False, False),
}


@given(sent=st.sampled_from(list(WHOLE)), cuts=st.lists(st.integers(0, 120)))
def test_a_response_is_read_whole_however_it_is_cut(sent: bytes, cuts: list[int]):
    reader, places = ResponseReader(), sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    for _ in range(2):
        answers = [reader.feed(sent[begin:end]) for begin, end in pairwise(places)]
        assert answers[:-1] == [None] * (len(answers) - 1)
        assert answers[-1] == WHOLE[sent]


def test_a_response_without_a_length_ends_with_its_connection():
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel") is None
    assert reader.feed(b"lo") is None
    assert reader.end() == Answer(200, b"hello", False, True)


@pytest.mark.parametrize("sent", [BY_LENGTH[:-1], IN_CHUNKS[:-2], BY_LENGTH[:20], b""])
def test_what_was_cut_off_is_no_answer(sent: bytes):
    reader = ResponseReader()
    assert reader.feed(sent) is None
    assert reader.end() is None


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 70_000,
        BY_LENGTH + b"more",
    ],
)
def test_what_is_not_http_is_refused(sent: bytes):
    with pytest.raises(MalformedAnswer):
        ResponseReader().feed(sent)
