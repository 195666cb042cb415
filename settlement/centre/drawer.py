"""Sign-ins and files: what an institution leaves at the centre (9001, 9002, 910x)."""

from __future__ import annotations

from sqlalchemy import bindparam, exists, insert, select

from settlement.centre.book import Page
from settlement.centre.refusal import Refusal
from settlement.centre.tables import FILE, SIGN_IN, SIGN_OUT

#: Written once: what every message asks must not be built anew for each.
_IN_FORCE = select(SIGN_IN.c.sign_no).where(
    SIGN_IN.c.sign_no == bindparam("sign_no"),
    SIGN_IN.c.institution == bindparam("institution"),
    SIGN_IN.c.day == bindparam("day"),
    ~exists().where(SIGN_OUT.c.sign_no == SIGN_IN.c.sign_no),
)


def sign_in(page: Page, institution: str, operator: str) -> str:
    """Write a sign-in (签到) of today and return its number."""
    sign_no = page.next_id("sign_in", 1)
    page.connection.execute(
        insert(SIGN_IN).values(
            sign_no=sign_no,
            institution=institution,
            operator=operator,
            day=page.at.date().isoformat(),
            at=page.at_text,
        )
    )
    return sign_no


def require_sign_in(page: Page, institution: str, sign_no: str) -> None:
    """Let only a sign-in of today and of this institution work.

    The life of 签到流水号 is not public; ours ends with the day and with 签退.

    Raises:
        Refusal: there is no such sign-in, it is of another day, or it was signed out.
    """
    day = page.at.date().isoformat()
    asked = {"sign_no": sign_no, "institution": institution, "day": day}
    if page.connection.execute(_IN_FORCE, asked).first() is None:
        code, sentence = "not-signed-in", "签到流水号无效或已过期，请重新签到"
        raise Refusal(code, sentence)


def sign_out(page: Page, sign_no: str) -> None:
    """Write a sign-out (签退); the sign-in must have been checked."""
    page.connection.execute(insert(SIGN_OUT).values(sign_no=sign_no, at=page.at_text))


def keep(page: Page, institution: str, filename: str, content: bytes) -> str:
    """Keep a file and return its 文件查询号."""
    file_no = page.next_id("file", 9)
    page.connection.execute(
        insert(FILE).values(
            file_no=file_no,
            institution=institution,
            filename=filename,
            content=content,
            at=page.at_text,
        )
    )
    return file_no


def fetch(page: Page, institution: str, file_no: str) -> bytes:
    """Read a file of the same institution.

    Raises:
        Refusal: there is none under this number.
    """
    content = page.connection.execute(
        select(FILE.c.content).where(
            FILE.c.file_no == file_no, FILE.c.institution == institution
        )
    ).scalar_one_or_none()
    if content is None:
        code, sentence = "file-unknown", "文件查询号不存在，请重新上传后再试"
        raise Refusal(code, sentence)
    return bytes(content)
