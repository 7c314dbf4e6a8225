-- What all loads have in common: who asks, under which keys, and the one line of JSON that is read back.
--
-- Arguments after the URL: a word that begins every idempotency key (no two runs of wrk share it), the file of
-- credentials (a line per seller), and the file of turns (a line per request: the number of the seller, from 1).

local bench = {}

local next_thread = 1

function setup(thread)
    thread:set("thread_number", next_thread)
    next_thread = next_thread + 1
end

local function lines_of(path)
    local lines = {}
    for line in io.lines(path) do
        lines[#lines + 1] = line
    end
    return lines
end

local asked = 0

function bench.begin(args)
    bench.prefix = args[1] .. "-" .. (thread_number or 0) .. "-"
    local host = wrk.headers["Host"]
    bench.heads = {}
    for number, credential in ipairs(lines_of(args[2])) do
        bench.heads[number] = " HTTP/1.1\r\nHost: " .. host .. "\r\nAuthorization: Bearer " .. credential
            .. "\r\nContent-Type: application/json\r\nContent-Length: "
    end
    bench.turns = {}
    for place, number in ipairs(lines_of(args[3])) do
        bench.turns[place] = tonumber(number)
    end
    bench.options = {}
    for place = 4, #args do
        bench.options[#bench.options + 1] = args[place]
    end
end

-- The number of the next request, and of the seller whose turn it is.
function bench.turn()
    asked = asked + 1
    return asked, bench.turns[asked % #bench.turns + 1]
end

function bench.key(number)
    return bench.prefix .. number
end

-- Ten million numbers, each as likely as the next; amounts from 1.00 to 9.99.
function bench.sale(number)
    return string.format('"phone_number":"+98912%07d","amount":"%d.%02d"', number * 7919 % 10000000, number % 9 + 1,
        number % 100)
end

-- Without key: no such header.
function bench.post(path, seller, key, body)
    local head = "POST " .. path .. bench.heads[seller] .. #body
    if key then
        head = head .. "\r\nIdempotency-Key: " .. key
    end
    return head .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        'RESULT {"requests":%d,"duration_us":%d,"not_2xx":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end

return bench
