import Foundation
import Kernels
import Models

extension AdapterMethod {
  /// Our reading of DEAL (Han et al., arXiv 2509.18942): LoRA that goes on from an earlier adapter (`init_from`) and keeps what
  /// that knows.
  ///
  /// Before the first step a heat kernel filters the spectrum of every A and B: σ becomes σ (1 − exp(−t σ² / σ₁²)), which
  /// leaves the largest singular values and damps the small ones, taken for noise. While training, the loss gets
  /// λ_A ‖A − Â‖² + λ_B ‖B − B̂‖² for the filtered Â and B̂; A, which holds what tasks share, is held tighter. The paper
  /// gives no exact filter, and its code does something else: it freezes B and puts a small network behind A.
  public static let deal = AdapterMethod(
    name: "deal",
    summary: "LoRA that goes on from an adapter, its spectrum filtered, and stays near it (our reading of DEAL)",
    options: [
      MethodOption("time", .positive, default: 4, "t of the heat kernel: the smaller, the more is damped."),
      MethodOption("lambda_a", .number(atLeast: 0), default: 0.01, "How tightly A is held."),
      MethodOption("lambda_b", .number(atLeast: 0), default: 0.001, "How tightly B is held."),
    ]
  ) { options in
    let time = options.number("time")
    let weights: [TensorRole: Double] = [.a: options.number("lambda_a"), .b: options.number("lambda_b")]
    var design = MethodDesign { site, rank, _ in
      func held(_ tensor: AdapterTensor, _ role: TensorRole) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: tensor.shape, start: .zeros,
          trains: false)
      }
      let a = AdapterTensor.a(site, rank), b = AdapterTensor.b(site, rank)
      return [a, b, held(a, DEAL.heldA), held(b, DEAL.heldB)]
    }
    design.adoption = { tensors in
      let a = try DEAL.filtered(tensors[.a], rows: tensors.rank, time), outputs = tensors.site.outFeatures
      let b = try DEAL.filtered(tensors[.b], rows: outputs, time)
      return [.a: a, .b: b, DEAL.heldA: a, DEAL.heldB: b]
    }
    design.regulariser = Regulariser { tensor, values, site in
      guard let weight = weights[tensor.key.role], weight > 0 else { return nil }
      let held = site[tensor.key.role == .a ? DEAL.heldA : DEAL.heldB]
      let differences = zip(values, held).map { $0 - $1 }
      return (
        weight * differences.reduce(0) { $0 + Double($1) * Double($1) }, differences.map { Float(2 * weight) * $0 }
      )
    }
    return design
  }
}

private enum DEAL {
  static let heldA = TensorRole("A_held")
  static let heldB = TensorRole("B_held")

  /// M with its singular values filtered.
  static func filtered(_ matrix: [Float], rows: Int, _ time: Double) throws -> [Float] {
    let columns = matrix.count / rows
    let factors = try Decompositions.singular(matrix, rows: rows, columns: columns)
    guard let largest = factors.values.first.map(Double.init), largest > 0 else { return matrix }
    let values = factors.values.map { value in
      let share = Double(value) / largest
      return Float(Double(value) * (1 - exp(-time * share * share)))
    }
    return Dense.product(
      rows, columns, values.count, Dense.scaledColumns(factors.left, by: values), factors.right)
  }
}
