"""The API document is valid, whole, and what the routes really do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from settlement.facts import JsonValue
from settlement.lifecycle import State
from terminal.problems import TABLE
from tests.terminal.terminal_client import HOST, Terminal, bill_json

Document = dict[str, JsonValue]


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    """Return a terminal whose card is verified."""
    made = Terminal()
    made.ready_to_settle()
    return made


@pytest.fixture(scope="module")
def document(terminal) -> Document:
    """Return the document as an integrator fetches it."""
    answer = terminal.client.get("/api/v1/openapi.json", headers={"Host": HOST})
    found: Document = answer.json
    return found


def operations(document) -> dict[str, dict[str, Any]]:
    """Return every operation as "METHOD /path"."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_valid_openapi_3_1(document):
    """Generators and test tools read it without a special case."""
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_the_document_is_the_same_every_time(terminal, document):
    """Generating it does not change the application it describes."""
    again = terminal.client.get("/api/v1/openapi.json", headers={"Host": HOST})

    assert again.json == document


def test_every_route_of_the_interface_is_in_the_document(terminal, document):
    """And nothing else: no page, no health, no static file."""
    routes = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in terminal.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }

    assert set(operations(document)) == routes - {"GET /api/v1/openapi.json"}


def test_every_operation_wants_the_bearer_token(document):
    """There is no open operation to be found by reading."""
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for name, operation in operations(document).items():
        assert operation["security"] == [{"bearer": []}], name


def test_every_problem_code_that_is_declared_is_in_the_table(document):
    """An integrator can look every code up."""
    for name, operation in operations(document).items():
        problems = [
            response
            for response in operation["responses"].values()
            if "application/problem+json" in response["content"]
        ]
        codes = {
            code
            for response in problems
            for code in re.findall(r"[a-z]+(?:-[a-z]+)+", response["description"])
        }
        assert {"token-missing", "host-refused"} <= codes, name
        assert codes <= set(TABLE), name


def test_the_key_is_mandatory_where_money_moves(document):
    """A generated client cannot leave it out."""
    keyed = {
        operation["operationId"]
        for operation in operations(document).values()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key" and parameter["required"]
    }

    assert keyed == {"createSettlement", "cancelSettlement"}


def test_no_amount_is_a_number(document):
    """A generated client would make a double of it."""
    schemas = document["components"]["schemas"]
    amounts = schemas["Amounts"]["properties"]

    numbers = {n for n, schema in amounts.items() if schema.get("type") != "string"}

    assert numbers == {"pooled_ratio_bp"}


def test_the_pin_is_no_json(document):
    """Nobody generates a client that puts it into a string field."""
    body = operations(document)["PUT /api/v1/card/pin"]["requestBody"]

    assert list(body["content"]) == ["application/octet-stream"]


def answers(terminal) -> dict[str, tuple[str, str, str]]:
    """Give one answer of every kind: operation, status, body."""
    settled = terminal.settle("o1", bill=bill_json(bill_no="O1"))
    terminal.service.orders.outcome = State.UNKNOWN
    unknown = terminal.settle("o2", bill=bill_json(bill_no="O2"))
    terminal.service.orders.outcome = State.REJECTED
    rejected = terminal.settle("o3", bill=bill_json(bill_no="O3"))
    terminal.service.orders.outcome = State.SETTLED
    given = {
        "GET /api/v1/card": terminal.get("/api/v1/card"),
        "POST /api/v1/card/read": terminal.post("/api/v1/card/read"),
        "GET /api/v1/card/demo": terminal.get("/api/v1/card/demo"),
        "POST /api/v1/quotes": terminal.post("/api/v1/quotes", {"bill": bill_json()}),
        "POST /api/v1/settlements": settled,
        "POST /api/v1/settlements ": unknown,
        "POST /api/v1/settlements  ": rejected,
        "GET /api/v1/settlements": terminal.get("/api/v1/settlements"),
        "GET /api/v1/settlements/{settlement_id}": terminal.get(
            "/api/v1/settlements/s-O1"
        ),
        "GET /api/v1/open-items": terminal.get("/api/v1/open-items"),
        "POST /api/v1/quotes ": terminal.post("/api/v1/quotes", {"bill": {}}),
    }
    return {
        name: (str(answer.status_code), answer.mimetype, answer.text)
        for name, answer in given.items()
    }


def test_what_is_answered_is_what_is_documented(terminal, document):
    """Every answer validates against the schema declared for its status."""
    registry: Registry = Registry().with_resource(
        "urn:document", Resource.from_contents(document, DRAFT202012)
    )

    for name, (status, media_type, body) in answers(terminal).items():
        declared = operations(document)[name.strip()]["responses"][status]
        schema = declared["content"][media_type]["schema"]
        pointed = {"$ref": f"urn:document{schema['$ref']}"}
        OAS31Validator(pointed, registry=registry).validate(json.loads(body))
