"""What flags of other programs for such networks are called here: people type from habit."""

from __future__ import annotations

from absl import flags

# Of each, the flags that may be meant, the first that a command has.
HABITS = {
    "aug": ["augment"],
    "batch": ["batch_size"],
    "batch-size": ["batch_size"],
    "bs": ["batch_size"],
    "cfg": ["preset"],
    "class": ["classes"],
    "cond": ["use_labels"],
    "config": ["preset"],
    "dataset": ["data"],
    "epochs": ["total_kimg"],
    "gamma": ["r1_gamma"],
    "glr": ["learning_rate"],
    "dlr": ["critic_learning_rate"],
    "gpus": ["num_devices"],
    "image_size": ["resolution"],
    "kimg": ["total_kimg"],
    "lr": ["learning_rate"],
    "mixed_precision": ["dtype_policy"],
    "fp16": ["dtype_policy"],
    "network": ["run_dir"],
    "out": ["output", "output_dir", "run_dir"],
    "outdir": ["output", "output_dir", "run_dir"],
    "out_dir": ["output", "output_dir", "run_dir"],
    "res": ["resolution"],
    "seed": ["seeds"],
    "size": ["resolution"],
    "snap": ["checkpoint_interval_kimg"],
    "trunc": ["truncation_psi"],
    "psi": ["truncation_psi"],
    "transfer": ["initialize_from"],
    "pretrained": ["initialize_from"],
    "workers": ["num_devices"],
}
WORDS = {
    "resume": "the same command again resumes its run; --initialize_from=RUN starts from the networks of another",
    "mixed_precision": "--dtype_policy=mixed_bfloat16",
    "fp16": "--dtype_policy=mixed_float16",
    "epochs": "--total_kimg counts thousands of pictures",
}


def hint_for(error: Exception, values: flags.FlagValues) -> str:
    """What may be meant by a flag that a command does not have, as a sentence that ends in a space; or nothing."""
    name = getattr(error, "flagname", "")
    if not isinstance(error, flags.UnrecognizedFlagError):
        return ""
    known = next((flag for flag in HABITS.get(name, []) if flag in values), "")
    if name == "resume" and "initialize_from" in values:
        return f"Here {WORDS[name]}. "
    if not known:
        return ""
    return f"Here it is {WORDS.get(name, f'--{known}')}. "
