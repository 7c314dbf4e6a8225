"""A body with one long list, decoded in slices: whole, one of megabytes would hold the event loop for 50 ms."""

import asyncio
from typing import Final, Generic, TypeVar

import msgspec

from service.http import findings
from service.http.decode import BODY_SIZE_MAX, NUL, BodyDecoder, explained, malformed

SLICE: Final = 256
"""Items decoded in a row before the event loop is let go: about a millisecond."""

B = TypeVar("B", bound=msgspec.Struct)


class ListBodyDecoder(BodyDecoder[B], Generic[B]):
    """Decodes bodies of `body_type`, whose field `field` is a list of `item_type`. `outer_type` is the same body, but
    for items that are JSON still."""

    def __init__(
        self,
        body_type: type[B],
        outer_type: type[msgspec.Struct],
        field: str,
        item_type: type[msgspec.Struct],
        *,
        size_max: int,
    ) -> None:
        super().__init__(body_type, size_max=size_max)
        self._field = field
        self._decode_outer = msgspec.json.Decoder(outer_type).decode
        self._decode_item = msgspec.json.Decoder(item_type).decode

    async def decode_in_slices(self, data: bytes) -> B:
        """As `decode`; of a large body only the first item at fault is named. Raises a Problem (400 or 422)."""
        if len(data) <= BODY_SIZE_MAX:
            return self.decode(data)
        place = ""
        has_nul = NUL in data
        items = []
        await asyncio.sleep(0)
        try:
            outer = self._decode_outer(data)
            await asyncio.sleep(0)
            for index, raw in enumerate(getattr(outer, self._field)):
                place = f"{self._field}.{index}"
                item = self._decode_item(raw)
                if has_nul and (nuls := findings.find_nul(item, within=place)):
                    raise explained(self.body_type, data, nuls)
                items.append(item)
                if index % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        except msgspec.ValidationError as error:
            raise explained(self.body_type, data, [findings.first(error, within=place)]) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from error
        others = msgspec.structs.asdict(outer)
        return self.body_type(**{**others, self._field: items})
