import Kernels

extension Tape {
  /// Runs `body` without keeping its activations, which the backward pass computes again (gradient checkpointing; Chen
  /// et al., arXiv 1604.06174). Dropout masks are the same, since random numbers are a function of their place.
  ///
  /// `body` must record on the tape it is given, not on this one, and must not write to its inputs. `trains` tells
  /// whether anything inside is trained.
  public func recomputing(
    _ inputs: [Tensor], trains: Bool, _ body: @escaping (Tape, [Tensor]) -> [Tensor]
  ) -> [Tensor] {
    guard isRecording else { return body(self, inputs) }
    let needsGradient = trains || inputs.contains(where: \.needsGradient)
    let outputs = body(copy(gradients: nil), inputs).map {
      Tensor($0.shape, buffer: $0.buffer, image: $0.image, needsGradient: needsGradient)
    }
    guard needsGradient else { return outputs }
    record { [unowned self, slots = outputs.map(\.slot)] in
      let inner = copy(gradients: gradients)
      let again = inputs.map {
        Tensor($0.shape, buffer: $0.buffer, image: $0.image, needsGradient: $0.needsGradient)
      }
      for (output, slot) in zip(body(inner, again), slots) {
        if let dy = slot.take() { output.slot.add(moving: dy, in: workspace) }
      }
      inner.backward()
      for (input, copy) in zip(inputs, again) {
        if let dx = copy.slot.take() { input.slot.add(moving: dx, in: workspace) }
      }
    }
    return outputs
  }

  private func copy(gradients: FloatStorage?) -> Tape {
    Tape(
      workspace: workspace, parameters: parameters, gradients: gradients, dropout: dropoutSource, precision: precision)
  }
}
