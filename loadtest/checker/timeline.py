"""Real time against `seq`, for one seller: what must have been seen, and what cannot have been, at a moment.

A *sighting* is an answer that shows that `seq` had been reached when it came. A *making* is an entry whose
request was sent at some moment, so that it cannot have been there before. Both questions are one bisection.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Timeline:
    def __init__(self, sightings: Iterable[tuple[int, int]], makings: Iterable[tuple[int, int]], last_seq: int) -> None:
        """Pairs of (nanoseconds, seq): when a sighting's answer came, when a making's request was sent."""
        seen = sorted(sightings)
        self._seen_ns = [ns for ns, _ in seen]
        self._seen_max = list(accumulate((seq for _, seq in seen), max))
        made = sorted(makings)
        self._made_ns = [ns for ns, _ in made]
        self._made_min = list(accumulate((seq for _, seq in reversed(made)), min))[::-1]
        self._last_seq = last_seq

    def seen_before(self, sent_ns: int) -> int:
        """The highest seq that some answer had shown before this moment; 0 for none."""
        count = bisect_left(self._seen_ns, sent_ns)
        return self._seen_max[count - 1] if count else 0

    def reached_by(self, answered_ns: int) -> int:
        """The highest seq that can have been reached at this moment."""
        first_later = bisect_right(self._made_ns, answered_ns)
        return self._made_min[first_later] - 1 if first_later < len(self._made_ns) else self._last_seq
