"""Images to train on -> network and optimiser a step further, carried out as an `Execution` says."""

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
from harness.tasks.cifar_resnet.streams import stream_seed

MESSAGE_LENGTH = 300  # of an error's text; a compiler's can have pages


class Steps:
    """The steps of one run, and what every one of them reads and writes.

    That lies at places that never change: a CUDA graph knows its data by where they are. `how` is what was asked for until the
    first step, from then on what could be done: a step that cannot be compiled or recorded here does without, and says so.
    """

    def __init__(
        self, settings: Config, data: DataSet, network: model.Network, optimizer: optim.Optimizer, how: Execution
    ) -> None:
        self.settings, self.data, self.network, self.optimizer, self.how = settings, data, network, optimizer, how
        device = data.train.pixels.device
        self.dtype = torch.bfloat16 if settings.training.precision == "bf16" else torch.float32
        self.autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16)
        self.indices = torch.zeros(settings.training.batch_size, dtype=torch.int64, device=device)  # of the images to train on
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)  # of the epoch; adding to it waits for nothing
        self.augment, self.dropout = torch.Generator(device), torch.Generator(device)
        self.forward: execution.Forward
        self.augmentation: execution.Augmentation
        self._carry_out: Callable[[], None] | None = None

    def begin(self, seed: int, epoch: int) -> None:
        """Draw from the streams of this epoch, and count its loss from zero."""
        self.augment.manual_seed(stream_seed(seed, "augment", epoch))
        self.dropout.manual_seed(stream_seed(seed, "dropout", epoch))
        self.loss_sum.zero_()

    def prepare(self) -> Callable[[], None]:
        """Compile and record what is to be; done at once where it has been done. Returns what carries out a step."""
        if self._carry_out is None:
            self._carry_out = self._prepared()
            if self.indices.device.type == "cuda":
                torch.cuda.synchronize()
        return self._carry_out

    def step(self, indices: Tensor, rate: float) -> None:
        """Train on the images `indices` [batch] with this learning rate. On CUDA it is not waited for."""
        carry_out = self.prepare()
        self.indices.copy_(indices)
        optim.set_rate(self.optimizer, rate)
        carry_out()
        optim.look_ahead(self.optimizer)

    def compute(self) -> None:
        """The step itself, kernel by kernel: it waits for nothing, and keeps no new tensor."""
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

    def forget(self, how: Execution) -> None:
        """The optimiser's state has moved: the next step is prepared anew, and is carried out like `how`."""
        self.how, self._carry_out = how, None

    def _prepared(self) -> Callable[[], None]:
        self.forward, self.augmentation = execution.eager_forward, augment.apply
        if self.how.compiled:
            try:
                self.forward, self.augmentation = execution.compiled(self.settings.training.deterministic)
                with execution.compiling(), self._rehearsal():
                    self.compute()
            except Exception as error:  # whatever the compiler, or the compiler's compiler, happens to raise
                if execution.out_of_memory(error):
                    raise
                self._without("compiled", error)
                self.forward, self.augmentation = execution.eager_forward, augment.apply
                self.how = replace(self.how, compiled=False)
        if self.how.graphed:
            unused = execution.copy_of(self.augment), execution.copy_of(self.dropout)
            try:
                with self._rehearsal():
                    return execution.recorded(self.compute, (self.augment, self.dropout))
            except Exception as error:  # CUDA's own errors, and those of the libraries above it, have no common class
                if execution.out_of_memory(error):
                    raise
                self._without("recorded as a CUDA graph", error)
                self.augment, self.dropout = unused
                self.how = replace(self.how, graphed=False)
        return self.compute

    @contextmanager
    def _rehearsal(self) -> Iterator[None]:
        """Steps in between leave no trace but this: the optimiser's state is there, all zeros, which is how it begins anyway."""
        there = optim.tensors(self.optimizer)
        known = {id(tensor) for tensor in there}
        try:
            with execution.undone([*self.network.state_dict().values(), self.loss_sum, *there], (self.augment, self.dropout)):
                yield
        finally:
            for tensor in optim.tensors(self.optimizer):
                if id(tensor) not in known:
                    tensor.zero_()

    def _without(self, what: str, error: Exception) -> None:
        self.optimizer.zero_grad()
        why = textwrap.shorten(str(error), MESSAGE_LENGTH, placeholder=" ...")
        print(f"the training step cannot be {what} here, and goes on without: {type(error).__name__}: {why}")
