"""A stand-in for Exchange: real EWS SOAP over HTTP, mailboxes that a browser can open, faults on demand.

It exists so that the portal's mail can be watched, counted and broken without a real server. `exchangelib` talks to
it unchanged. It knows nothing of Django or of the portal and starts in a fraction of a second:

    python -m demo.exchange --port 8001 --data var/exchange

Three faces on one loopback port:

`/EWS/Exchange.asmx`   CreateItem, SendItem, GetItem, FindItem, DeleteItem, GetFolder, SyncFolderItems, ConvertId.
`/_demo/…`             JSON for tests, replays and benches: what was delivered, faults, latency, the directory's
                       passwords, the night's moves (see `control_api`; `control.StandIn` is the Python client).
`/`, `/ancien/`, `/owa/`, `/journal/`   pages in French for a visitor: the old interface, the new one, the log.

What it claims, and what it does not. The answers follow Microsoft's documentation and what exchangelib expects of
it; an item id can be sent once; a refused item never harms the others of its request; what was acknowledged is seen
at once by every reader of this process, and is on disk at most a twentieth of a second later. It was never compared
with a real Exchange: rights, codes and timings are a careful imitation.
"""
