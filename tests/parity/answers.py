# SPDX-License-Identifier: GPL-2.0-only
"""What a server answers a call, in a form that can be compared: a flat mapping from what it is to its text.

Left out is what no two servers share: times, ids, owners, server names, and the spelling of messages.
"""

import hashlib
import http.client
import re
from collections.abc import Iterable, Mapping
from typing import Final

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from lxml import etree

from tests.parity.calls import Call

__all__ = ["Answer", "ask_all", "differences"]

#: Name -> text: `status`, `code`, `header etag`, `Contents/Key`, `body`.
Answer = Mapping[str, str]

_HEADERS: Final = re.compile(
    r"content-(type|range|length|encoding|language|disposition)|etag|accept-ranges|cache-control|expires|location|"
    r"x-amz-(meta-.*|tagging-count|mp-parts-count|checksum-.*)|access-control-.*"
)
#: Elements whose text is a server's own.
_OWN: Final = re.compile(
    r"(LastModified|CreationDate|UploadId|NextUploadIdMarker|Next(Continuation)?Token|ContinuationToken|ID|DisplayName|"
    r"NextContinuationToken|Message|RequestId|HostId|Resource|Initiated)"
)
_OWN_ADDRESS: Final = re.compile(r"127\.0\.0\.1:\d+")
_KEYS: Final = Credentials("AKIAPARITY", "secret")


def ask_all(port: int, calls: Iterable[Call], *, signed: bool = True) -> dict[str, Answer]:
    """Ask one server everything, in order; a call that gets no HTTP answer has `status` "none".

    Without `signed` the calls go out as they are.
    """
    saved: dict[str, str] = {}
    answers = {}
    for call in calls:
        answers[call.name], text = _ask(port, call, saved, signed)
        for name, element in call.saves.items():
            found = re.search(rf"<{element}>([^<]*)</{element}>", text)
            saved[name] = found[1] if found else "missing"
    return answers


def _ask(port: int, call: Call, saved: Mapping[str, str], signed: bool) -> tuple[Answer, str]:
    method, _, target = call.line.partition(" ")
    for name, value in saved.items():
        target = target.replace(f"{{{name}}}", value)
    headers = dict(call.headers)
    if signed:
        request = AWSRequest(method, f"http://127.0.0.1:{port}{target}", data=call.body, headers=headers)
        S3SigV4Auth(_KEYS, "s3", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
    if call.body or method in ("PUT", "POST"):
        headers["Content-Length"] = str(len(call.body))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(call.body)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return {"status": f"none: {type(error).__name__}"}, ""
    finally:
        connection.close()
    answer = dict(_flat(method, response, body))
    if "Origin" not in call.headers:  # what a server says of origins unasked is nobody's concern
        answer = {name: value for name, value in answer.items() if "access-control" not in name}
    return answer, body.decode(errors="replace")


def _flat(method: str, response: http.client.HTTPResponse, body: bytes) -> Answer:
    answer = {"status": str(response.status)}
    for name, value in sorted(response.getheaders()):
        if _HEADERS.fullmatch(name.lower()):
            answer[f"header {name.lower()}"] = _OWN_ADDRESS.sub("server", value)
    root = _xml(body)
    if not body and (method != "HEAD" or response.status >= 300):
        for name in ("type", "length"):
            answer.pop(f"header content-{name}", None)
    if root is None:
        answer["body"] = hashlib.sha256(body).hexdigest()[:16] if body else ""
        return answer
    answer.pop("header content-length", None)
    answer["root"] = root.tag
    _walk(root, "", answer)
    if root.tag == "Error":
        return {"status": answer["status"], "code": answer.get("Code", "")}
    return answer


def _xml(body: bytes) -> "etree._Element | None":
    if not body.lstrip().startswith(b"<"):
        return None
    try:
        root = etree.fromstring(body.lstrip(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None
    for element in root.iter():
        element.tag = etree.QName(element).localname
    return root


def _walk(element: "etree._Element", path: str, answer: dict[str, str]) -> None:
    """Add what an element has inside, elements of one name in their order."""
    for child in element:
        place = f"{path}/{child.tag}" if path else str(child.tag)
        if _OWN.fullmatch(str(child.tag)):
            answer[place] = "(set)" if child.text else "(empty)"
        elif len(child):
            _walk(child, place, answer)
        else:
            text = _OWN_ADDRESS.sub("server", child.text or "")
            answer[place] = f"{answer[place]} | {text}" if place in answer else text


def differences(ours: Answer, theirs: Answer) -> dict[str, tuple[str, str]]:
    """What differs, ours and theirs; where the status or code do, that alone."""
    for name in ("status", "code"):
        if ours.get(name) != theirs.get(name):
            both = [" ".join(filter(None, (each.get("status"), each.get("code")))) for each in (ours, theirs)]
            return {"outcome": (both[0], both[1])}
    names = sorted(ours.keys() | theirs.keys())
    return {
        name: (ours.get(name, "(none)"), theirs.get(name, "(none)"))
        for name in names
        if ours.get(name) != theirs.get(name)
    }
