"""What the marking page's server answers, and to whom.

A browser is also where hostile pages are. So every request must name this machine
(DNS rebinding), carry the secret in a cookie, and, to write, come from the page itself:
its `Origin`, and a token that only the page was told.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from tornado.web import Application, HTTPError, RequestHandler

from cnnlab.grading.marking.answers import Marking
from cnnlab.grading.marking.handed_in import figures
from cnnlab.grading.marking.keeping import Busy, keep

ADDRESS = "127.0.0.1"
_HOSTS = (ADDRESS, "localhost")  # any port: an ssh tunnel has its own at the far end
_FILES = {
    "common.js": "text/javascript",
    "page.js": "text/javascript",
    "keeper.js": "text/javascript",
    "question.js": "text/javascript",
    "store.js": "text/javascript",
    "byhand.js": "text/javascript",
    "page.css": "text/css",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_STUDENTS_PAGE = (  # needs its styles, and is as good as on another machine
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Served:
    """What all requests share: the class, the secret, one thread for the files.

    Args:
        by: who marks.
    """

    def __init__(self, marking: Marking, secret: str, by: str):
        self.marking, self.secret, self.by = marking, secret, by
        self.once = secrets.token_urlsafe(32)  # opens the page once, and is then void
        self.cookie = f"cnnlab-{self._derived('cookie')[:8]}"  # ports share cookies
        self.token = self._derived("write")
        self._thread = ThreadPoolExecutor(1)  # one at a time, as the files want it
        self.asked = 0.0  # when a page last was heard

    def _derived(self, purpose: str) -> str:
        key = self.secret.encode()
        return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    async def call(self, function: Callable, *arguments):
        """What a function that reads or writes files returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)


def application(served: Served) -> Application:
    """All addresses of the page."""
    arguments = {"served": served}
    return Application(
        [
            (r"/", _Page, arguments),
            (r"/(\w+\.\w+)", _File, arguments),
            (r"/(class|answers|figures|names|marks|students)", _Data, arguments),
            (r"/feedback", _Feedback, arguments),
            (r"/decisions", _Decisions, arguments),
            (r".*", _Nothing, arguments),
        ],
        log_function=lambda handler: None,  # the first address holds the secret
    )


class _Handler(RequestHandler):
    """Lets in who may come in, and says so little to others."""

    def initialize(self, served: Served):
        self.served = served

    def set_default_headers(self):
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.clear_header("Server")

    def prepare(self):
        if urlsplit(f"//{self.request.host}").hostname not in _HOSTS:
            raise HTTPError(403, reason="Open the page as 127.0.0.1 or localhost")
        if not self.may_enter():
            raise HTTPError(403, reason="Open the address that cnnlab mark printed")
        self.served.asked = asyncio.get_running_loop().time()

    def may_enter(self) -> bool:
        cookie = self.get_cookie(self.served.cookie, "")
        return _same(cookie, self.served.secret)

    def write_error(self, status_code, **_):
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self._reason or HTTPStatus(status_code).phrase)

    def check_xsrf_cookie(self):
        """Not tornado's: see `_Decisions`."""


class _Page(_Handler):
    def may_enter(self) -> bool:
        return super().may_enter() or self._has_token()

    def _has_token(self) -> bool:
        token = self.get_query_argument("token", "")
        once, served = self.served.once, self.served
        if once and _same(token, once):  # others may read it: browsers are started so
            served.once = ""
            return True
        return _same(token, served.secret)

    def get(self):
        served = self.served
        if self.get_query_argument("token", ""):  # and out of the address again
            options = {"httponly": True, "samesite": "Strict", "path": "/"}
            self.set_cookie(served.cookie, served.secret, **options)
            # no redirect: coming from elsewhere, it would not bring the cookie along
            self.finish('<!doctype html><meta http-equiv="refresh" content="0; url=/">')
            return
        page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        self.finish(page.replace("{{token}}", served.token))


class _File(_Handler):
    def get(self, name: str):
        if name not in _FILES:
            raise HTTPError(404)
        self.set_header("Content-Type", f"{_FILES[name]}; charset=utf-8")
        self.finish(Path(__file__).with_name(name).read_bytes())


class _Feedback(_Handler):
    """A student's own page, which the student's text is on."""

    def get(self):
        label = self.get_query_argument("label", "")
        if label not in self.served.marking.labels:
            raise HTTPError(404)
        page = self.served.marking.page(label)
        if not page.is_file():
            raise HTTPError(404, reason="It is drawn when cnnlab mark ends")
        self.set_header("Content-Security-Policy", _STUDENTS_PAGE)
        self.finish(page.read_bytes())


class _Nothing(_Handler):
    def get(self):
        raise HTTPError(404)


class _Data(_Handler):
    async def get(self, what: str):
        self.set_header("Content-Type", "application/json; charset=utf-8")
        try:
            found = await self.served.call(getattr(self, f"_{what}"))
        except (ValueError, OSError) as error:
            raise HTTPError(409, reason=_line(error)) from None
        if found is None:
            self.set_status(204)
        self.finish(None if found is None else json.dumps(found))

    def _class(self):
        lab, by = self.served.marking.lab, self.served.by
        questions = self.served.marking.questions()
        return {"title": lab.title, "by": by, "questions": questions}

    def _answers(self):
        return self.served.marking.answers(self.get_query_argument("question", ""))

    def _figures(self):
        label = self.get_query_argument("label", "")
        result = self.served.marking.labels.get(label)
        if result is None:
            raise ValueError("this student is not in the class any more")
        question = self.get_query_argument("question", "")
        return figures(result, self.served.marking.folder, question)

    def _names(self):
        return self.served.marking.names()

    def _students(self):
        self.served.marking.refresh()
        return self.served.marking.students()

    def _marks(self):
        marking = self.served.marking
        marking.refresh()
        if self.get_query_argument("known", "") == marking.version:
            return None
        marks, comments = marking.marks(), marking.comments()
        return {"version": marking.version, "marks": marks, "comments": comments}


class _Decisions(_Handler):
    def prepare(self):
        super().prepare()
        origin = self.request.headers.get("Origin", "")
        token = self.request.headers.get("X-Token", "")
        if origin != f"http://{self.request.host}" or not _same(
            token, self.served.token
        ):
            raise HTTPError(403, reason="Only the marking page may write")

    async def post(self):
        try:
            said = json.loads(self.request.body)
            if not isinstance(said, dict):
                raise ValueError("cannot be read")
            kept = await self.served.call(
                keep, self.served.marking, said, self.served.by
            )
        except ValueError as error:
            raise HTTPError(400, reason=_line(error)) from None
        except (Busy, OSError) as error:  # may be over soon: the page asks again
            raise HTTPError(503, reason=_line(error)) from None
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(kept))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _line(error: Exception) -> str:
    """Fit for the first line of a reply, which takes Latin letters only."""
    text = "".join(c if c.isprintable() else " " for c in str(error)[:300])
    return text.encode("latin-1", "replace").decode("latin-1")
