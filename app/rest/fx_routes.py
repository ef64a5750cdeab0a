"""The REST routes of exchange rates, quotes and conversions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from app.access.viewer import Viewer
from app.rest.answers import json_object, json_response, load, refused, settled
from app.rest.bodies import convert_input, quote_input
from app.rest.views import quote_view, rate_view
from app.services import fx_quotes, fx_rates
from app.services.container import Services
from app.services.conversions import convert
from app.services.transfers import TransferResult


async def post_quote(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new quote, 200 if the key was used for this quote before."""
    services.rates.check_transfers(viewer.user_id)
    details = quote_input(request, await json_object(request))
    result = await fx_quotes.create_quote(services.ledger, services.settings, viewer, details)
    if result.quote is None:
        return refused(services, viewer, TransferResult(None, replayed=False, refusals=result.refusals))
    uses = await fx_quotes.load_uses(services.engine, [result.quote.id]) if result.replayed else {}
    status = fx_quotes.status_of(result.quote, is_used=bool(uses), now=services.clock())
    view = quote_view(services, result.quote, status)
    return json_response({"quote": view, "replayed": result.replayed}, 200 if result.replayed else 201)


async def get_quote(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 404 unless the viewer may see the quote."""
    quote = await load("fxq", fx_quotes.load_quotes, request, services, viewer)
    uses = await fx_quotes.load_uses(services.engine, [quote.id])
    status = fx_quotes.status_of(quote, is_used=bool(uses), now=services.clock())
    return json_response(quote_view(services, quote, status))


async def post_conversion(request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers 201 for a new conversion, 200 if the key was used for this conversion before."""
    services.rates.check_transfers(viewer.user_id)
    result = await convert(services.ledger, viewer, convert_input(request, await json_object(request)))
    return settled(services, viewer, result)


async def get_rates(_request: Request, services: Services, viewer: Viewer) -> Response:
    """Answers with the rates that are valid now."""
    found = await fx_rates.rates_at(services.engine, viewer, services.clock())
    return json_response({"items": [rate_view(rate) for rate in found]})


FX_ROUTES: tuple[tuple[str, str, Callable[[Request, Services, Viewer], Awaitable[Response]]], ...] = (
    ("GET", "/fx/rates", get_rates),
    ("POST", "/fx/quotes", post_quote),
    ("GET", "/fx/quotes/{id}", get_quote),
    ("POST", "/conversions", post_conversion),
)
