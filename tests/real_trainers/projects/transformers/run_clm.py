"""A script with transformers' Trainer and HfArgumentParser; a tiny random model and local data."""

from dataclasses import dataclass

import torch
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainingArguments, set_seed


@dataclass
class ModelArguments:
    hidden_size: int = 16


model_arguments, arguments = HfArgumentParser((ModelArguments, TrainingArguments)).parse_args_into_dataclasses()
set_seed(arguments.seed)
width = model_arguments.hidden_size
model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=16, n_embd=width, n_layer=1, n_head=2))
rows = torch.randint(0, 32, (64, 16))
data = [{"input_ids": row, "labels": row} for row in rows]
trainer = Trainer(model=model, args=arguments, train_dataset=data, eval_dataset=data[:8])
trainer.train()
