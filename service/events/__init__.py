"""Server-Sent Events: the journal as it grows, each entry once and in its order, to whoever may see it.

    feed        what was committed, encoded once and passed on to every open stream that wants it
    stream      one client: from the journal up to where it joins the feed, then what the feed passes on
    register    all open streams: admits them, sends heartbeats, ends those that may not go on
    permit      whether the credential that opened a stream is still in force
    outlet      the socket of a stream, written to without waiting
    frames      the bytes of the stream
    bounds      the limits of all this

What holds: an entry is sent only after the committer has acknowledged it; a stream tells its client every entry
after the one it began with, none twice, in order of position. A client that comes again with the last `id` it saw
has missed nothing, whatever happened meanwhile: to itself, to this process, or to the lease.
"""
