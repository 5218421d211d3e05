"""All stages, checks first. Memory is looked at before anything has used much of it."""

from benchmarks.accelerator import (
    candidates,
    company,
    decompositions,
    engine,
    gradients,
    kernels,
    laws,
    products,
    profile,
    speed,
)
from benchmarks.accelerator.stages import Stage

STAGES = (
    Stage("memory", "the plan against the peak that the device reports", engine.memory, 15, 90),
    Stage("gradients", "a step of every update against float64", gradients.find, 20, 75),
    Stage("sampler", "sparse samples against exact probabilities", laws.find, 10, 30),
    Stage("spectra", "spectra against NumPy in float64", decompositions.find, 15, 45),
    Stage("sweep", "a sweep against the same one on a CPU", engine.against_cpu, 15, 45),
    Stage("resume", "a sweep that was stopped and gone on with", engine.resumed, 20, 50),
    Stage("sharding", "all devices against one", engine.shared, 10, 30),
    Stage("rooflines", "shares of the peaks, in the same arithmetic", speed.rooflines, 20, 60),
    Stage("products", "ways to multiply float32 numbers", products.find, 20, 70),
    Stage("profile", "where the time of a 64/16/64 update goes", profile.ablation, 20, 60),
    Stage("kernels", "what the device does in an update", kernels.find, 15, 50),
    Stage("filling", "how many networks fill the devices", profile.filling, 20, 60),
    Stage("example", "the sweep of examples/transition.toml", speed.example, 20, 40),
    Stage("company", "several processes on one device", company.find, 25, 60),
    Stage("rival", "the eager loop in the same arithmetic", speed.rival, 60, 100),
    Stage("candidates", "kernels that may take the place of others", candidates.gradients, 30, 60),
    Stage("sizes", "from which size on halves pay", candidates.sizes, 20, 50),
    Stage("options", "options of the compiler", candidates.options, 20, 60),
    Stage("transition", "the figure at paper scale", speed.transition, 20, None),
)
