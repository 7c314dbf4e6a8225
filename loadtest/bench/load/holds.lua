-- Two requests a sale: a hold, and the capture of a hold that was answered. wrk does not say which request an answer
-- belongs to, so the seller's number goes along as the charge's reference.

local bench = require("bench")
local held = {}

function init(args)
    bench.begin(args)
end

function request()
    local hold = table.remove(held)
    local number, seller = bench.turn()
    if hold then
        return bench.post("/v1/charges/" .. hold.id .. "/capture", hold.seller, bench.key(number), "{}")
    end
    local body = "{" .. bench.sale(number) .. ',"capture":false,"reference":"' .. seller .. '"}'
    return bench.post("/v1/charges", seller, bench.key(number), body)
end

function response(status, headers, body)
    if status == 201 then
        held[#held + 1] = {
            id = string.match(body, '"id":"([^"]+)"'),
            seller = tonumber(string.match(body, '"reference":"(%d+)"')),
        }
    end
end
