"""A page that lists the routes, without scripts, styles or anything from elsewhere."""

from html import escape

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title} {version}</h1>
<p>As a machine reads it: <a href="{openapi}">{openapi}</a></p>
<table>
<tr><th>method</th><th>path</th><th>what it does</th></tr>
{rows}
</table>
</body>
</html>
"""


def router(app: FastAPI) -> APIRouter:
    """The route of the page."""
    routes = APIRouter()

    @routes.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        described = app.openapi()
        rows = [
            f"<tr><td>{escape(method.upper())}</td><td><code>{escape(path)}</code></td>"
            f"<td>{escape(operation.get('summary', ''))}</td></tr>"
            for path, operations in described["paths"].items()
            for method, operation in operations.items()
        ]
        page = _PAGE.format(
            title=escape(app.title),
            version=escape(app.version),
            openapi=escape(app.openapi_url or ""),
            rows="\n".join(rows),
        )
        return HTMLResponse(page)

    return routes
