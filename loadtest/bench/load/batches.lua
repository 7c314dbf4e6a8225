-- A batch a request; the option is how many charges it has. Every charge has a key of its own.

local bench = require("bench")
local parts

function init(args)
    bench.begin(args)
    -- Between the parts stands what is unique to the batch, so that a body of a megabyte is one concatenation.
    parts = {}
    local head = '{"mode":"independent","charges":['
    for place = 1, tonumber(bench.options[1]) do
        parts[#parts + 1] = head .. "{" .. bench.sale(place) .. ',"idempotency_key":"' .. place .. "-"
        head = '"},'
    end
    parts[#parts + 1] = '"}]}'
end

function request()
    local number, seller = bench.turn()
    return bench.post("/v1/charges/batch", seller, nil, table.concat(parts, bench.key(number)))
end
