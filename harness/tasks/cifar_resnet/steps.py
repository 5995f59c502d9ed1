"""Training steps, executed according to an `Execution`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.tasks.cifar_resnet import augment, execution, model, optim
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.data import DataSet
from harness.tasks.cifar_resnet.execution import Execution
from harness.tasks.cifar_resnet.streams import Generator, Pcg64, stream_seed

MESSAGE_LENGTH = 300  # of an error's text; a compiler's can have pages


class Steps:
    """The training steps of one run, and the tensors that they read and write.

    Tensors keep their addresses, as a CUDA graph requires. `how` is the requested execution until the first step, then the actual
    one: if a step cannot be compiled or recorded here, it prints a message and falls back.
    """

    def __init__(
        self, settings: Config, data: DataSet, network: model.Network, optimizer: optim.Optimizer, how: Execution
    ) -> None:
        self.settings, self.data, self.network, self.optimizer, self.how = settings, data, network, optimizer, how
        device = data.train.pixels.device
        self.dtype = torch.bfloat16 if settings.training.precision == "bf16" else torch.float32
        self.autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16)
        self.indices = torch.zeros(settings.training.batch_size, dtype=torch.int64, device=device)  # of the images to train on
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)  # of the epoch; adding to it does not synchronize
        self.augment = torch.Generator(device)
        pcg64 = settings.training.dropout_generator == "pcg64" and device.type == "cpu"
        self.dropout: Generator = Pcg64() if pcg64 else torch.Generator(device)
        self.forward: execution.Forward
        self.augmentation: execution.Augmentation
        self._do_step: Callable[[], None] | None = None

    def begin(self, seed: int, epoch: int) -> None:
        """Seed the generators for this epoch and reset its loss."""
        self.augment.manual_seed(stream_seed(seed, "augment", epoch))
        self.dropout.manual_seed(stream_seed(seed, "dropout", epoch))
        self.loss_sum.zero_()

    def prepare(self) -> Callable[[], None]:
        """Compile and record if configured and not done yet. Returns the function that does a step."""
        if self._do_step is None:
            self._do_step = self._prepared()
            if self.indices.device.type == "cuda":
                torch.cuda.synchronize()
        return self._do_step

    def step(self, indices: Tensor, rate: float) -> None:
        """Train on the images `indices` [batch] with this learning rate. Asynchronous on CUDA."""
        do_step = self.prepare()
        self.indices.copy_(indices)
        optim.set_rate(self.optimizer, rate)
        do_step()
        optim.after_step(self.optimizer)

    def compute(self) -> None:
        """The step itself, eagerly, without synchronizing or keeping new tensors."""
        settings, data = self.settings, self.data
        count, size = len(self.indices), settings.data.image_size
        parameters = augment.draw(settings.augment, count, size, self.augment)
        images = self.augmentation(data.train.pixels[self.indices], parameters, settings.augment, data.mean, data.std)
        images = images.contiguous(memory_format=torch.channels_last)
        masks = model.draw_masks(settings.model, count, size, self.dropout, self.dtype)
        with self.autocast:
            outputs = self.forward(self.network, images, masks)
        labels = data.train.labels[self.indices]
        loss = F.cross_entropy(outputs.float(), labels, label_smoothing=settings.training.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        fast = optim.fast(self.optimizer)
        fast.step()
        fast.zero_grad()
        self.loss_sum += loss.detach()

    def reset(self, how: Execution) -> None:
        """Prepare the next step again with `how`, after the optimiser's state was replaced."""
        self.how, self._do_step = how, None

    def _prepared(self) -> Callable[[], None]:
        self.forward, self.augmentation = execution.eager_forward, augment.apply
        if self.how.compiled:
            try:
                self.forward, self.augmentation = execution.compiled(self.settings.training.deterministic)
                with execution.compiling(), self._trial_steps():
                    self.compute()
            except Exception as error:  # compilers raise various exceptions
                if execution.out_of_memory(error):
                    raise
                self._report_fallback("compiled", error)
                self.forward, self.augmentation = execution.eager_forward, augment.apply
                self.how = replace(self.how, compiled=False)
        if self.how.graphed:
            assert isinstance(self.dropout, torch.Generator)  # graphs are on CUDA
            unused = execution.copy_generator(self.augment), execution.copy_generator(self.dropout)
            try:
                with self._trial_steps():
                    return execution.record_graph(self.compute, (self.augment, self.dropout))
            except Exception as error:  # errors of CUDA and its libraries have no common class
                if execution.out_of_memory(error):
                    raise
                self._report_fallback("recorded as a CUDA graph", error)
                self.augment, self.dropout = unused
                self.how = replace(self.how, graphed=False)
        return self.compute

    @contextmanager
    def _trial_steps(self) -> Iterator[None]:
        """Undo the steps in the block. New optimiser state is set to zero, its initial value."""
        there = optim.tensors(self.optimizer)
        known = {id(tensor) for tensor in there}
        try:
            with execution.restoring([*self.network.state_dict().values(), self.loss_sum, *there], (self.augment, self.dropout)):
                yield
        finally:
            for tensor in optim.tensors(self.optimizer):
                if id(tensor) not in known:
                    tensor.zero_()

    def _report_fallback(self, what: str, error: Exception) -> None:
        self.optimizer.zero_grad()
        why = textwrap.shorten(str(error), MESSAGE_LENGTH, placeholder=" ...")
        print(f"the training step cannot be {what} here and falls back: {type(error).__name__}: {why}")
