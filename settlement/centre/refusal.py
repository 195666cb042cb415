"""What the centre says no to: a stable code and the sentence for the counter."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a business no, not an error of ours
    """The centre refuses a message; whatever it had begun to book is undone.

    ``code`` is stable and kebab-case, ``sentence`` is what err_msg carries: Chinese,
    what is wrong and what to do, never a name or a number of a person.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence
