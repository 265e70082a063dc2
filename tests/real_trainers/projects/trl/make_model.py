"""Write a random model of 30 000 parameters with a word tokenizer, and twenty local texts: `python make_model.py FOLDER`."""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

folder = Path(sys.argv[1])
words = ["the", "robot", "picks", "a", "red", "blue", "green", "cube", "and", "puts", "it", "on", "left", "shelf"]
vocabulary = {word: number for number, word in enumerate(["<unk>", "<pad>", "<eos>", *words])}
tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
tokenizer.pre_tokenizer = Whitespace()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="<eos>")
fast.save_pretrained(folder / "model")
GPT2LMHeadModel(GPT2Config(vocab_size=len(vocabulary), n_positions=32, n_embd=32, n_layer=1, n_head=2)).save_pretrained(
    folder / "model"
)
(folder / "data").mkdir()
with open(folder / "data" / "train.jsonl", "w", encoding="utf-8") as file:
    for number in range(20):
        colour = ("red", "blue", "green")[number % 3]
        file.write(json.dumps({"text": f"the robot picks a {colour} cube and puts it on the left shelf"}) + "\n")
