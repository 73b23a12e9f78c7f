# SPDX-License-Identifier: Apache-2.0
"""Define the connection form in one table, from which each version of Airflow gets it in its own way.

Imported whenever Airflow lists its providers, so this module imports nothing that is not light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StandardField:
    """A field that every Airflow connection has, under the name that Clarus gives it."""

    label: str
    placeholder: str


@dataclass(frozen=True)
class ExtraField:
    """A field that is stored in the connection's ``extra``; whatever it is, it may be left empty.

    ``minimum`` and ``maximum`` are a number's bounds, ``choices`` all that a text can be.
    """

    label: str
    help: str
    placeholder: str = ""
    type: str = "string"
    default: Any = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    minimum: int | None = None
    maximum: int | None = None


STANDARD_FIELDS = {
    "host": StandardField("API address", "https://clarus-api.com"),
    "port": StandardField("Port", "the address's own"),
    "schema": StandardField("Tenant subdomain", "acme, or empty if every task names its own"),
    "login": StandardField("Client ID", "of the API user that owns the reports"),
    "password": StandardField("Client secret", "shown once by Clarus, with the client ID"),
}

#: Every extra has a field of its own.
HIDDEN_FIELDS = ("extra",)

EXTRA_FIELDS = {
    "grant_type": ExtraField(
        "Grant type",
        "How a token is got: with the client's own credentials, with a user's refresh token (see "
        "python -m airflow_provider_clarus.login), or not at all, because it is given below.",
        placeholder="client_credentials",
        default="client_credentials",
        choices=("client_credentials", "refresh_token", "access_token"),
    ),
    "scope": ExtraField(
        "Scopes", "Scopes to ask for, such as: openid claruswms/full.", placeholder="openid claruswms/full"
    ),
    "refresh_token": ExtraField(
        "Refresh token", "For the grant type refresh_token only.", "printed by the login command", secret=True
    ),
    "access_token": ExtraField(
        "Access token", "For the grant type access_token only.", "a token that you have", secret=True
    ),
    "token_url": ExtraField(
        "Token URL",
        "Where tokens come from: the API address and /oauth/token, when empty.",
        placeholder="https://clarus-api.com/oauth/token",
    ),
    "token_auth": ExtraField(
        "Token request",
        "Where it carries client ID and secret: post is in its body, basic in its header; auto finds out.",
        placeholder="auto",
        choices=("auto", "basic", "post"),
    ),
    "timezone": ExtraField(
        "Time zone",
        "The tenant's time zone, such as Europe/London: reports' dates and windows are sent in it.",
        placeholder="UTC",
        default="UTC",
    ),
    "variable_format": ExtraField(
        "Format of times",
        "How times are sent: iso is 2024-03-31T00:00:00+00:00; precise has microseconds, with which a "
        "window loses no row of its last second; naive is 2024-03-31 00:00:00, which some servers misread "
        "when the clocks change.",
        placeholder="iso",
        default="iso",
        choices=("iso", "precise", "naive"),
    ),
    "verify": ExtraField(
        "Verify TLS",
        "true, false, or the path of a file with the certificates of the authorities to trust.",
        placeholder="true",
        default="true",
    ),
    "storage_verify": ExtraField(
        "Verify TLS of files",
        "The same for the storage from which Clarus has files downloaded.",
        placeholder="true",
        default="true",
    ),
    "proxies": ExtraField(
        "Proxies",
        'JSON such as {"https": "http://proxy:3128"}; the environment\'s proxies, when empty.',
        placeholder='{"https": "http://proxy:3128"}',
    ),
    "timeout": ExtraField(
        "Timeout",
        "Seconds that one request may take.",
        placeholder="30",
        type="number",
        default=30,
        minimum=1,
        maximum=3600,
    ),
    "allow_http": ExtraField(
        "Allow plain HTTP",
        "Whether an http:// address may lead to another machine: it would get the secret unencrypted.",
        placeholder="false",
        type="boolean",
        default=False,
    ),
}


def ui_field_behaviour() -> dict[str, Any]:
    """Return the standard fields as the hook gives them to Airflow 3.1 and older."""
    fields: dict[str, StandardField | ExtraField] = {**STANDARD_FIELDS, **EXTRA_FIELDS}
    return {
        "hidden_fields": list(HIDDEN_FIELDS),
        "relabeling": {name: field.label for name, field in STANDARD_FIELDS.items()},
        "placeholders": {name: field.placeholder for name, field in fields.items()},
    }


def declared() -> dict[str, Any]:
    """Return what stands in the provider's information, for Airflow 3.2 and newer."""
    behaviour = ui_field_behaviour()
    return {
        "ui-field-behaviour": {name.replace("_", "-"): value for name, value in behaviour.items()},
        "conn-fields": {
            name: {"label": field.label, "description": field.help, "schema": _schema(field)}
            for name, field in EXTRA_FIELDS.items()
        },
    }


def widgets() -> dict[str, Any]:
    """Return the extra fields as the hook gives them to Airflow 3.1 and older."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from wtforms import BooleanField, IntegerField, PasswordField, StringField
    from wtforms.validators import Optional, any_of

    def widget(field: ExtraField) -> Any:
        texts = {"label": field.label, "description": field.help}
        if field.type == "boolean":
            return BooleanField(**texts, default=field.default)
        validators = [Optional(), *([any_of(field.choices)] if field.choices else [])]
        if field.secret:
            return PasswordField(**texts, validators=validators, widget=BS3PasswordFieldWidget())
        kind = IntegerField if field.type == "number" else StringField
        return kind(**texts, validators=validators, widget=BS3TextFieldWidget(), default=field.default)

    return {name: widget(field) for name, field in EXTRA_FIELDS.items()}


def _schema(field: ExtraField) -> dict[str, Any]:
    said = {
        "default": field.default,
        "enum": list(field.choices) or None,
        "format": "password" if field.secret else None,
        "minimum": field.minimum,
        "maximum": field.maximum,
    }
    return {"type": [field.type, "null"]} | {key: value for key, value in said.items() if value is not None}
