-- wrk's part of tests/scale/throughput.py: charges of many sellers, each with a key of its own.
-- Arguments: a file with an API key a line, and a word that makes this round's idempotency keys unlike all others.

local keys, round, count = {}, "", 0
local body = '{"phone_number":"+15550100001","amount":"0.01"}'
local headers = { ["Content-Type"] = "application/json" }

function init(arguments)
    for line in io.lines(arguments[1]) do keys[#keys + 1] = "Bearer " .. line end
    round = arguments[2]
    math.randomseed(tonumber(string.sub(round, 1, 7), 16))
end

function request()
    count = count + 1
    headers["Authorization"] = keys[count % #keys + 1]
    -- As random as those of real clients: each falls on another page of the index.
    headers["Idempotency-Key"] = string.format("%08x%08x", math.random(0, 2^31 - 1), math.random(0, 2^31 - 1)) .. round .. count
    return wrk.format("POST", "/v1/charges", headers, body)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('{"requests":%d,"duration_us":%d,"failed":%d,"p99_us":%d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout + errors.status, latency:percentile(99)))
end
