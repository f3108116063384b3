"""The court is configuration: its name, its rules that may differ, its limits, its places on disk."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ALLOWED_TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "mp3": "audio/mpeg",
    "wav": "audio/x-wav",
    "mp4": "video/mp4",
    "txt": "text/plain",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""By extension; the one list for every client."""

DISCIPLINE = (
    "未经法庭许可，不得录音、录像、摄影，不得对庭审活动进行传播。",
    "诉讼参与人应当服从审判长指挥，未经许可不得发言、提问。",
    "不得在庭审期间擅自离开画面；确因网络、设备故障离开的，应当及时告知法庭。",
    "证人作证前不得旁听案件审理。",
)
"""法庭纪律, read out at opening."""

DECLARATION = "本人承诺：不录音、不录像、不截屏、不传播本次庭审，并独自在安静、封闭的环境中参加庭审。"


class CourtTexts(BaseModel):
    """The court's own words in another language than its first one, which is the one that binds."""

    name: str
    discipline: tuple[str, ...]
    declaration: str


ENGLISH = CourtTexts(
    name="Beijing Cloud Court",
    discipline=(
        "Without the court's leave nobody records sound, pictures or video of the hearing, or spreads them.",
        "All follow the presiding judge, and speak or ask only with leave.",
        "Nobody leaves the picture during the hearing; if network or device fail, tell the court in time.",
        "A witness does not watch the hearing before testifying.",
    ),
    declaration="I will not record, capture or spread this hearing, and attend it alone in a quiet, closed room.",
)


class CourtConfig(BaseSettings):
    """Settings of one court, also as `COURT_...` in the environment. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="COURT_", extra="forbid", frozen=True)

    name: str = "北京云法庭"
    region: str = "北京市"
    languages: tuple[str, ...] = ("zh", "en")
    discipline: tuple[str, ...] = DISCIPLINE
    declaration: str = DECLARATION
    translations: dict[str, CourtTexts] = Field(default={"en": ENGLISH})
    """By language; where one is missing, the court's first language stands on the page."""
    folder: Path = Path("court-data")
    """Database, files, records, keys."""
    mirrors: tuple[Path, ...] = ()
    """Folders, best on other disks, in which each record is made a second time, independently."""
    database_url: str = ""
    """SQLAlchemy's, as `postgresql+asyncpg://...`; empty: SQLite in the folder."""
    base_url: str = "http://127.0.0.1:8000"
    """Where browsers reach the court; stands in its messages."""
    media_url: str = ""
    """Where clients reach the media's door, as `wss://host/media`; empty: beside the court."""
    secure_cookies: bool = False
    """Set them where a proxy speaks TLS; where the court does they are."""
    tls_cert: str = ""
    """The file of a certificate's chain; then HTTPS is spoken on the court's port. Read again when it changes."""
    tls_key: str = ""
    """The file of its key."""
    announce: tuple[str, ...] = ()
    """The addresses that clients send media to, where this machine's own are not those."""
    standins: bool = True
    """Show pages of the stand-ins (SMS outbox and the like). Off once they are the real ones."""
    practice: bool = False
    """This is a practice court: its folder is thrown away."""
    cookie: str = "court_session"

    allowed_types: dict[str, str] = Field(default=ALLOWED_TYPES)
    max_file_bytes: int = 100 * 1024 * 1024
    max_parts: int = 20
    """Parts of one exhibit."""
    max_exhibits: int = 500
    """Of one person in one hearing."""
    code_lifetime: int = 300
    """One-time code by SMS."""
    code_attempts: int = 5
    login_attempts: int = 5
    """In `lockout`, for each phone number, case and hearing."""
    lockout: int = 900
    session_lifetime: int = 12 * 3600
    messages_a_day: int = 20
    """To a judge, of one person in one case."""
    countdown: int = 10
    """Before the picture goes on at start and resume."""
    consultation_timeout: int = 120
    consultation_closed: int = 300
    """So long before the start there are no consultations."""
    about_to_begin: int = 600
    token_lifetime: int = 600
    """Of a media token; clients that are in are given fresh ones by the node."""

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.folder / 'court.sqlite'}"
