"""Makes tests/golden/answers.json: what the published scripts make of answers.

The normaliser is the `EvalAIAnswerProcessor` that lmms-eval carries (a copy of the one in mmf, which
LLaVA's evaluation copies too). POPE's rule is that of LLaVA's eval_pope.py, written out below.

    pip install --no-deps --target lmms lmms-eval==0.7.3
    python make_answers.py lmms/lmms_eval/tasks/_task_utils/vqa_eval_metric.py

Written: {"source", "normalised": [[answer, normalised], ...], "says_yes": [[answer, bool], ...]}
"""

import importlib.util
import json
import pathlib
import random
import sys

WORDS = """red Red star a an the The two Ten none zero seven it's its man's dogs' dont don't youre
youdve you'dve wouldntve somebody'd oclock o'clock hes she's let's 3 1,000 2.5 7. U.S.A. no. No. No,
yes Yes. not nothing left/right black-and-white (two) [0.10, 0.20] {"a": "b"} "quoted" what? why?! a;b
e=mc2 50% $5 x_y back\\slash <tag> @home `tick` well... ... .5 5. -3 + 1+1 é 星星 没有 是的 ,, 1,,2""".split()
JOINTS = [" ", " ", " ", ", ", ". ", "\n", "\t", "", "-", "/", "  ", "? ", "'s "]


def strings():
    random.seed(5)
    made = ["", " ", "." * 40, "a.b." * 20, "The answer is 3.", "Unanswerable", "unanswerable."]
    made += WORDS
    for _ in range(260):
        parts = []
        for _ in range(random.randint(1, 5)):
            parts += [random.choice(WORDS), random.choice(JOINTS)]
        made.append("".join(parts))
    return list(dict.fromkeys(made))


def says_yes(text):
    if text.find(".") != -1:
        text = text.split(".")[0]
    words = text.replace(",", "").split(" ")
    return not ("No" in words or "not" in words or "no" in words)


def main():
    spec = importlib.util.spec_from_file_location("metric", sys.argv[1])
    metric = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(metric)
    answers = strings()
    normalised = []
    for answer in answers:
        # One for each: the reference writes into its own table of number words.
        normalised.append([answer, metric.EvalAIAnswerProcessor()(answer)])
    # The rule for Chinese is our own: the reference knows English only.
    english = [a for a in answers if all(ord(c) < 0x4E00 for c in a)]
    made = {
        "source": "lmms-eval 0.7.3, lmms_eval/tasks/_task_utils/vqa_eval_metric.py",
        "normalised": normalised,
        "says_yes": [[a, says_yes(a)] for a in english],
    }
    out = pathlib.Path(__file__).with_name("answers.json")
    out.write_text(json.dumps(made, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(len(answers), "answers")


main()
