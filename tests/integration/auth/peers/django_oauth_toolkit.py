# SPDX-License-Identifier: Apache-2.0
"""django-oauth-toolkit, on Django itself, with the clients of PEER_CLIENTS, on PEER_PORT."""

from __future__ import annotations

import json
import os
import socketserver
import wsgiref.simple_server
from typing import Any

import django
from django.conf import settings

# Nobody has TLS on this machine.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

settings.configure(
    SECRET_KEY="only for this test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "peer.sqlite"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        f"{__name__}.signed_in",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "SCOPES": {scope: scope for scope in os.environ["PEER_SCOPES"].split()},
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http"],
    },
)
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider import views
from oauth2_provider.models import AccessToken, Application


@csrf_exempt
def introspect(request: Any) -> JsonResponse:
    """Say whether a token is good; the toolkit's own view asks for a token of its own first."""
    found = AccessToken.objects.filter(token=request.POST["token"]).first()
    return JsonResponse({"active": bool(found and found.is_valid())})


urlpatterns = [
    path("oauth/authorize", views.AuthorizationView.as_view()),
    path("oauth/token", views.TokenView.as_view()),
    path("oauth/revoke", views.RevokeTokenView.as_view()),
    path("oauth/introspect", introspect),
]


def signed_in(get_response: Any) -> Any:
    def respond(request: Any) -> Any:
        request.user = get_user_model().objects.get()
        return get_response(request)

    return respond


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


def main() -> None:
    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create(username="clarus-user")
    for client in json.loads(os.environ["PEER_CLIENTS"]):
        Application.objects.create(
            client_id=client["id"],
            client_secret=client["secret"],
            client_type="confidential" if client["secret"] else "public",
            authorization_grant_type="authorization-code" if client["user"] else "client-credentials",
            redirect_uris="http://127.0.0.1/callback" if client["user"] else "",
            user=user,
        )
    port = int(os.environ["PEER_PORT"])
    wsgiref.simple_server.make_server(
        "127.0.0.1", port, get_wsgi_application(), server_class=Server
    ).serve_forever()


if __name__ == "__main__":
    main()
