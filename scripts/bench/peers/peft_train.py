"""torch + PEFT: `peft_train.py MODEL [dtype=f32|bf16] [quant=none|nf4] [checkpointing=no|yes] [batch=2] [tokens=256]`.

AdamW steps on rank-8 updates of all linear layers, gradients clipped to length 1; every position is trained on. With
bf16 the base is bf16, the adapter f32 and the products run under autocast, as PEFT does it.
"""

import sys

import torch
from common import numbers, serve, settings
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

given = settings()
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[given.get("dtype", "f32")]
batch, positions = int(given.get("batch", 2)), int(given.get("tokens", 256))
checkpointing = given.get("checkpointing", "no") == "yes"
quantised = given.get("quant", "none") == "nf4"

options = {"dtype": dtype}
if quantised:
    options["quantization_config"] = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    options["device_map"] = {"": "cpu"}
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], **options)
if quantised:
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets))
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
for parameter in trained:
    parameter.data = parameter.data.float()
if checkpointing:
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
optimiser = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
model.train()
rows = numbers(batch * (positions + 1), model.config.vocab_size).view(batch, positions + 1)
inputs, labels = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def step():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype != torch.float32):
        loss = model(input_ids=inputs, labels=labels, shift_labels=labels, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.item()


serve(step)
