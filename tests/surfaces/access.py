"""Who is let in where: one line for every route of the application. A route without a line fails the test."""

LINK_HOLDER = frozenset({"link"})
ANYBODY = frozenset({"*"})
SIGNED_IN = frozenset({"rider", "operator A", "operator B", "partner A", "partner B", "organiser"})
ORGANISER = frozenset({"organiser"})
PLEDGE = frozenset({"rider A", "organiser"})
WAITING = frozenset({"waiting A"})
TAKER = frozenset({"taker A"})
DRIVER = frozenset({"driver A", "driver B"})
OPERATORS = frozenset({"operator A", "operator B"})
OPERATOR_A = frozenset({"operator A"})
OWN_ACCOUNT = frozenset({"rider"})  # a house's passkey and session are that account's
PARTNERS = frozenset({"partner A", "partner B"})
PARTNER_A = frozenset({"partner A"})

_LINES: dict[frozenset[str], str] = {
    ANYBODY: """
        GET /livez | GET /readyz | GET /metrics | GET /static/{file_path:path} | HEAD /static/{file_path:path}
        GET /d/sw.js | GET /d/static/{version:str}/{name:str} | GET /d/{token:str}/app.webmanifest
        GET /api/events | GET /api/events/{event_id:uuid} | GET /api/trips/{trip_id:uuid} | GET /api/trips/{trip_id:uuid}/live
        POST /api/trips/{trip_id:uuid}/stops | POST /api/trips/{trip_id:uuid}/pledges
        GET / | GET /e/{code:str} | GET /trips/{code:str} | GET /trips/{code:str}/board | GET /trips/{code:str}/map.json
        GET /trips/{code:str}/waitlist | POST /trips/{code:str}/waitlist | POST /api/trips/{trip_id:uuid}/waitlist
        GET /trips/{code:str}/propose-stop | POST /trips/{code:str}/propose-stop | POST /trips/{code:str}/pledge
        GET /api/doctor | POST /api/stripe/webhook | POST /api/demo/sessions | GET /demo/{role:str} | GET /demo/{role:str}/{code:str}
        GET /w/{file:str} | GET /w/{version:str}/{file:str} | GET /w/events/{file:str} | GET /w/frame/{code:str}
        GET /open/events/{code:str}/jsonld | GET /sitemap.xml | GET /robots.txt | GET /oembed
        GET /api | GET /api/docs | GET /api/reference.js | GET /api/schema | GET /api/schema/openapi.json | GET /api/schema/{path:str}
        GET /sign-in | POST /sign-in | GET /sign-in/{token:str} | POST /sign-in/use | POST /sign-out
        POST /sign-in/passkey/options | POST /sign-in/passkey
    """,
    LINK_HOLDER: """
        GET /d/{token:str} | GET /d/{token:str}/sheet.pdf
        GET /p/{token:str} | GET /p/{token:str}/card-saved | POST /p/{token:str}/card | POST /p/{token:str}/approve
        GET /p/{token:str}/approved | POST /p/{token:str}/withdraw | POST /p/{token:str}/change | GET /p/{token:str}/pass
        POST /p/{token:str}/transfer | POST /p/{token:str}/transfer/cancel
        GET /transfer/{token:str} | POST /transfer/{token:str}/accept | POST /transfer/{token:str}/decline
        GET /waitlist/{token:str} | POST /waitlist/{token:str}/leave
        GET /p/{token:str}/receipt | GET /p/{token:str}/receipt.pdf | GET /receipts/{token:str} | GET /receipts/{token:str}/receipt.pdf
        GET /p/{token:str}/calendar.ics | GET /t/{token:str} | GET /t/{token:str}/now | GET /t/{token:str}/map.json
        GET /p/{token:str}/export.json | POST /p/{token:str}/erase | GET /erase/{token:str} | POST /erase/{token:str}
        GET /operator/offer/{token:str} | GET /operator/offer/{token:str}/map.json | POST /operator/offer/{token:str}/{answer:str}
    """,
    TAKER: "GET /api/transfer | POST /api/transfer/accept | POST /api/transfer/decline",
    WAITING: "GET /api/waitlist | POST /api/waitlist/leave",
    SIGNED_IN: """
        GET /pledges | GET /account | POST /account/passkeys/options | POST /account/passkeys | POST /account/sessions/end-others
        GET /account/export.json | POST /account/erase
    """,
    OWN_ACCOUNT: """
        POST /account/passkeys/{passkey_id:uuid}/rename | POST /account/passkeys/{passkey_id:uuid}/remove
        POST /account/sessions/{session_id:uuid}/end
    """,
    PLEDGE: """
        GET /api/pledges/{pledge_id:uuid} | POST /api/pledges/{pledge_id:uuid}/withdraw | POST /api/pledges/{pledge_id:uuid}/change
        POST /api/pledges/{pledge_id:uuid}/transfer | POST /api/pledges/{pledge_id:uuid}/transfer/cancel
        POST /api/pledges/{pledge_id:uuid}/card | GET /api/pledges/{pledge_id:uuid}/passes
        GET /api/pledges/{pledge_id:uuid}/receipt.pdf
    """,
    DRIVER: """
        GET /api/driver/manifest | POST /api/driver/check-ins | POST /api/driver/positions | POST /api/driver/incidents
        POST /api/driver/departure | POST /api/driver/end
    """,
    ORGANISER: """
        POST /api/events | PATCH /api/trips/{trip_id:uuid} | POST /api/events/{event_id:uuid}/trips | POST /api/trips/{trip_id:uuid}/open
        POST /api/trips/{trip_id:uuid}/cancel | POST /api/events/{event_id:uuid}/cancel | POST /api/events/{event_id:uuid}/move
        POST /api/stops/{stop_id:uuid}/decide | GET /api/organiser/events/{event_id:uuid}/trips
        GET /api/events/{event_id:uuid}/dispatch | POST /api/events/{event_id:uuid}/dispatch
        POST /api/events/{event_id:uuid}/shortfall/approve
        GET /api/events/{event_id:uuid}/payouts | POST /api/events/{event_id:uuid}/payouts/cover
        POST /api/duties/{duty_id:uuid}/corrections | PUT /api/operators/{operator_id:uuid}/pay-terms
        GET /organiser/events/{code:str}/payouts | POST /organiser/events/{code:str}/payouts/cover
        POST /organiser/events/{code:str}/duties/{duty_id:uuid}/correct
        POST /api/events/{event_id:uuid}/refund-ladder | POST /organiser/events/{code:str}/refund-ladder
        GET /organiser/events/{code:str}/review | POST /organiser/events/{code:str}/review/expected
        POST /organiser/pledges/{pledge_id:uuid}/release | POST /organiser/pledges/{pledge_id:uuid}/refuse
        GET /organiser | GET /organiser/events/new | POST /organiser/events/new | GET /organiser/events/{code:str}
        POST /organiser/events/{code:str}/trips | POST /organiser/events/{code:str}/cancel | POST /organiser/stops/{stop_id:uuid}/decide
        GET /organiser/trips/{code:str} | POST /organiser/trips/{code:str}/open | POST /organiser/trips/{code:str}/ease
        POST /organiser/trips/{code:str}/cancel | GET /organiser/events/{code:str}/money | GET /organiser/events/{code:str}/money.csv
        GET /api/organiser/money | GET /api/organiser/events/{event_id:uuid}/money | GET /api/organiser/events/{event_id:uuid}/ledger
        GET /api/organiser/ledger/{transaction_id:uuid} | GET /api/organiser/disputes | GET /api/organiser/disputes/{dispute_id:uuid}
        POST /api/organiser/disputes/{dispute_id:uuid}/answer | POST /api/organiser/refunds/{refund_id:uuid}/send-again
        POST /api/organiser/refunds/{refund_id:uuid}/settle-elsewhere
        GET /api/organiser/reconciliation | POST /api/organiser/reconciliation
        GET /api/organiser/payouts | GET /organiser/payouts
        GET /organiser/money | POST /organiser/money/reconcile | GET /organiser/money/reconciliation.csv
        GET /organiser/events/{code:str}/money/{table:str} | GET /organiser/events/{code:str}/ledger
        GET /organiser/ledger/{transaction_id:uuid} | POST /organiser/refunds/{refund_id:uuid}/send-again
        POST /organiser/refunds/{refund_id:uuid}/settle-elsewhere
        GET /organiser/disputes/{dispute_id:uuid} | POST /organiser/disputes/{dispute_id:uuid}/answer
        GET /organiser/events/{code:str}/dispatch | POST /organiser/events/{code:str}/dispatch
        GET /organiser/events/{code:str}/dispatch/solving | GET /organiser/events/{code:str}/dispatch/solving/map
        GET /organiser/events/{code:str}/dispatch/map.json | GET /organiser/events/{code:str}/dispatch/plan
        POST /organiser/events/{code:str}/dispatch/approve | GET /organiser/events/{code:str}/dispatch/duties/{duty:str}/sheet.pdf
    """,
    OPERATORS: """
        GET /api/operator/offers | GET /api/operator/duties | GET /api/operator/depots | GET /api/operator/vehicles
        GET /api/operator/rate-cards | GET /api/operator/drivers
        GET /api/operator/statements | GET /api/operator/payout-account | GET /operator/statements | GET /operator/statements.csv
        GET /operator | GET /operator/duties | GET /operator/fleet | GET /operator/drivers
    """,
    OPERATOR_A: """
        GET /api/operator/offers/{offer_id:uuid} | POST /api/operator/offers/{offer_id:uuid}/accept
        POST /api/operator/offers/{offer_id:uuid}/decline | POST /api/operator/offers/{offer_id:uuid}/pull-out
        POST /api/operator/duties/{duty_id:uuid}/drivers | POST /api/operator/depots | POST /api/operator/vehicles
        PATCH /api/operator/vehicles/{vehicle_id:uuid} | POST /api/operator/vehicles/{vehicle_id:uuid}/rate-cards
        GET /api/operator/vehicles/{vehicle_id:uuid}/availability | POST /api/operator/vehicles/{vehicle_id:uuid}/availability
        DELETE /api/operator/availability/{span_id:uuid} | POST /api/operator/drivers | PATCH /api/operator/drivers/{driver_id:uuid}
        GET /operator/offers/{offer_id:uuid} | GET /operator/offers/{offer_id:uuid}/map.json | POST /operator/offers/{offer_id:uuid}/accept
        POST /operator/offers/{offer_id:uuid}/decline | POST /operator/offers/{offer_id:uuid}/pull-out
        POST /operator/duties/{duty_id:uuid}/drivers | POST /operator/depots | POST /operator/vehicles
        GET /operator/vehicles/{vehicle_id:uuid} | POST /operator/vehicles/{vehicle_id:uuid}/service
        POST /operator/vehicles/{vehicle_id:uuid}/rate-cards | POST /operator/vehicles/{vehicle_id:uuid}/availability
        POST /operator/vehicles/{vehicle_id:uuid}/availability/{span_id:uuid}/remove | POST /operator/drivers
        POST /operator/drivers/{driver_id:uuid}/active
        GET /api/operator/statements/{duty_id:uuid} | POST /api/operator/payout-account | POST /operator/payout-account
        PUT /api/operator/vat | POST /operator/vat
        GET /operator/statements/{duty_id:uuid} | GET /operator/statements/{duty_id:uuid}/statement.pdf
    """,
    PARTNERS: """
        GET /api/partner/events | GET /api/partner/keys | GET /api/partner/webhooks | GET /partner
        GET /api/partner/statements | GET /api/partner/payout-account
    """,
    PARTNER_A: """
        POST /api/partner/keys | PATCH /api/partner/keys/{key_id:uuid} | POST /api/partner/keys/{key_id:uuid}/revoke
        POST /api/partner/webhooks | POST /api/partner/webhooks/{endpoint_id:uuid}/disable
        POST /api/partner/webhooks/{endpoint_id:uuid}/test | GET /api/partner/webhooks/{endpoint_id:uuid}/deliveries
        POST /api/partner/deliveries/{delivery_id:uuid}/replay
        GET /partner/{code:str} | GET /partner/{code:str}/events/{event:str} | GET /partner/{code:str}/keys | POST /partner/{code:str}/keys
        POST /partner/{code:str}/keys/{key_id:uuid} | POST /partner/{code:str}/keys/{key_id:uuid}/revoke
        GET /partner/{code:str}/webhooks | POST /partner/{code:str}/webhooks | GET /partner/{code:str}/webhooks/{endpoint_id:uuid}
        POST /partner/{code:str}/webhooks/{endpoint_id:uuid}/test | POST /partner/{code:str}/webhooks/{endpoint_id:uuid}/disable
        POST /partner/{code:str}/deliveries/{delivery_id:uuid}/replay
        POST /api/partner/payout-account | GET /partner/{code:str}/statements | GET /partner/{code:str}/statements.csv
        GET /partner/{code:str}/statements/{event:str}/statement.pdf | POST /partner/{code:str}/payout-account
    """,
}

ACCESS: dict[str, frozenset[str]] = {
    " ".join(route.split()): let_in for let_in, lines in _LINES.items() for line in lines.strip().splitlines() for route in line.split("|")
}
