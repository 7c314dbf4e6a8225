-- A charge a request. Option `without-keys`: no idempotency keys.

local bench = require("bench")
local has_keys

function init(args)
    bench.begin(args)
    has_keys = bench.options[1] ~= "without-keys"
end

function request()
    local number, seller = bench.turn()
    return bench.post("/v1/charges", seller, has_keys and bench.key(number), "{" .. bench.sale(number) .. "}")
end
