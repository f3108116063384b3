"""The transcript as PDF/A, by Typst: one wheel without system libraries, which embeds its fonts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typst

from court.hearings.models import Hearing
from court.transcripts.models import Revision, Signature

TEMPLATE = """
#let told = json(bytes(sys.inputs.told))
#set document(title: told.title)
#set page(paper: "a4", margin: 25mm, numbering: "1 / 1", footer: context [
  #set text(8pt)
  SHA-256 #told.sha256 #h(1fr) #counter(page).display("1 / 1", both: true)
])
#set text(font: ("Noto Serif CJK SC", "Noto Sans CJK SC", "Libertinus Serif"), size: 11pt, lang: "zh")
#align(center)[#text(18pt)[#told.court] #linebreak() #text(15pt)[庭审笔录]]
案号：#told.case #linebreak()
庭审：#told.title（会议号 #told.hearing） #linebreak()
笔录版本：#told.revision
#line(length: 100%)
#for segment in told.segments [
  #strong[#segment.speaker：]#segment.text
  #parbreak()
]
#line(length: 100%)
#for signature in told.signatures [
  #signature.name：#signature.text
  #linebreak()
]
"""


def print_transcript(
    court: str, case: str, hearing: Hearing, revision: Revision, signatures: Sequence[Signature]
) -> bytes:
    """A revision with what became of its signatures, as PDF/A-2b."""
    content: dict[str, Any] = json.loads(revision.content)
    told = {
        "court": court,
        "case": case,
        "title": hearing.title,
        "hearing": hearing.number,
        "revision": str(revision.number),
        "sha256": revision.sha256,
        "segments": content["segments"],
        "signatures": [
            {
                "name": each.person_id,
                "text": f"拒绝签名（{each.reason}）"
                if each.refused
                else f"已签名 {each.at:%Y-%m-%d %H:%M} UTC 证书 {each.certificate}",
            }
            for each in signatures
        ],
    }
    made = typst.compile(
        TEMPLATE.encode(),
        sys_inputs={"told": json.dumps(told, ensure_ascii=False)},
        format="pdf",
        pdf_standards=["a-2b"],
    )
    if not isinstance(made, bytes):
        raise TypeError("typst returned pages where one file was asked for")
    return made
