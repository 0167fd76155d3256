"""A stand-in for Cerbère: OpenID Connect with a code, PKCE and RS256, and people to choose from.

    python -m demo.cerbere --port 8002

It knows nothing of Django or of the portal. One chooses somebody and is them: no password, as all of them are
invented. It checks what a good provider checks (client, return address, PKCE, a code served once), and `POST
/_demo/tamper` makes it lie in one of the ways of `lies.LIES`, for the tests. It was written from the specification
(OpenID Connect Core 1.0) and never compared with the real Cerbère, whose claims and strengths (`acr`) may bear other
names.
"""
