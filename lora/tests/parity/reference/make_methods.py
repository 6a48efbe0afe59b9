#!/usr/bin/env python3
"""What PEFT and bitsandbytes answer for DoRA, rsLoRA, LoRA+ and NF4 on stories260K: CPU, f32, one thread.

usage: make_methods.py STORIES260K_HF_FOLDER
Writes beside itself: adapter_config.json, init.safetensors, adapter_model.safetensors (rank-stabilised DoRA on layers 0 and 3,
before and after eight AdamW steps, as PEFT saves them), gradients.safetensors (of the first text, after those steps),
numbers.json and scales.safetensors (double-quantised NF4 scales). numbers.json names the versions. Prints the NF4 bytes of a
zero and of a short block, which quant/matrix.rs quotes."""
import hashlib, json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
import bitsandbytes, peft, transformers
import bitsandbytes.functional as F
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

source, out = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
TARGETS = r".*layers\.(0|3)\.(self_attn\.(q|v)_proj|mlp\.down_proj)"
TEXTS = [
    "Once upon a time, there was a little girl named Lily.",
    "One day, a big dog ran to the park and found a red ball.",
    "Tom had a toy car. He liked to play with it all day.",
    "The cat sat on the mat and looked at the bird.",
]
tokenizer = AutoTokenizer.from_pretrained(source)
samples = [tokenizer(text, return_tensors="pt").input_ids for text in TEXTS]


def base():
    return AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()


def with_adapter(model, start=None):
    torch.manual_seed(20261121)
    config = LoraConfig(r=2, lora_alpha=3, lora_dropout=0.0, bias="none", target_modules=TARGETS, task_type="CAUSAL_LM",
                        use_dora=True, use_rslora=True)
    model = get_peft_model(model, config)
    if start is not None:
        set_peft_model_state_dict(model, {name: value.clone() for name, value in start.items()})
    return model


def state(model):
    return {name: value.detach().clone().contiguous() for name, value in get_peft_model_state_dict(model).items()}


def train(model, optimiser):
    losses = []
    for step in range(8):
        ids = samples[step % len(samples)]
        optimiser.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def adamw(model):
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def last_logits(model):
    with torch.no_grad():
        return model(samples[0]).logits[0, -1].tolist()


numbers = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                        "bitsandbytes": bitsandbytes.__version__}, "texts": TEXTS}

# Rank-stabilised DoRA.
model = with_adapter(base())
start = state(model)
save_file(start, f"{out}/init.safetensors")
numbers["dora_losses"] = train(model, adamw(model))
model.peft_config["default"].base_model_name_or_path = "stories260K"
model.eval()
model.save_pretrained(out, safe_serialization=True)
os.remove(f"{out}/README.md")
trained = state(model)
model.zero_grad()
model(samples[0], labels=samples[0]).loss.backward()
gradients = {name.replace(".default", "").replace("vector.weight", "vector"): p.grad.detach().clone()
             for name, p in model.named_parameters() if p.requires_grad}
save_file(gradients, f"{out}/gradients.safetensors")
numbers["dora_logits"] = last_logits(model)
numbers["dora_logits_merged"] = last_logits(model.merge_and_unload())

# LoRA+ from the same start: ratio 8, weight decay 0.05.
model = with_adapter(base(), start)
optimiser = create_loraplus_optimizer(model, torch.optim.AdamW, lr=2e-3, loraplus_lr_ratio=8, loraplus_weight_decay=0.05,
                                      betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)
numbers["lora_plus_losses"] = train(model, optimiser)

# The same start on a base whose linear layers went through double-quantised NF4.
quantised, scales, hashes = base(), {}, {}
for name, module in quantised.named_modules():
    if isinstance(module, torch.nn.Linear) and name != "lm_head":
        weight = module.weight.data.contiguous()
        packed, about = F.quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True)
        module.weight.data = F.dequantize_4bit(packed, about)
        hashes[name] = {"packed": hashlib.sha256(packed.numpy().tobytes()).hexdigest(),
                        "dequantised": hashlib.sha256(module.weight.data.numpy().tobytes()).hexdigest()}
        scales["map"] = about.state2.code.clone()
        for part, value in [("codes", about.absmax), ("scales", about.state2.absmax), ("offset", about.offset.reshape(1))]:
            scales[f"{name}.{part}"] = value.clone().contiguous()
save_file(scales, f"{out}/scales.safetensors")
numbers["nf4_sha256"] = hashes
numbers["nf4_logits"] = last_logits(quantised)
model = with_adapter(quantised, start)
numbers["nf4_losses"] = train(model, adamw(model))
i = torch.arange(64 * 300 + 37)
edges = (((i * 7919) % 10007) - 5003).float() / 4096
edges[64 * 5:64 * 6] = 0
for values in (edges, torch.zeros(65)):
    packed, about = F.quantize_4bit(values, blocksize=64, quant_type="nf4", compress_statistics=False)
    print(packed[160:162].flatten().tolist(), packed[-2:].flatten().tolist(), about.absmax[-2:].tolist())
with open(f"{out}/numbers.json", "w") as file:
    json.dump(numbers, file, indent=1)
    file.write("\n")
print({name: value for name, value in numbers.items() if name.endswith("losses")})
