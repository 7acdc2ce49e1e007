import Autograd
import Kernels

extension TrainableState {
  /// Turns the gradients of products into those of the tensors that they are made of, in place.
  ///
  /// `gradients` has `storageCount` numbers; afterwards only the trained ones, which come first, may differ from 0.
  public func pullBack(_ gradients: FloatStorage) {
    defer { if storageCount > parameterCount { gradients.clear(from: parameterCount) } }
    guard let form = table.method.form else { return }
    var known: [TensorKey: [Float]] = [:]
    for position in table.sites.indices {
      guard let product = layout.product(position, table) else { continue }
      let gradient = SiteProduct(
        rank: product.a.rows, a: gradients[product.a.range], b: gradients[product.b.range],
        rowScale: product.rowScale.map { gradients[$0.range] }, sparse: product.sparse.map { gradients[$0.range] } ?? []
      )
      var tensors = tensors(ofSiteAt: position, reusing: &known)
      tensors.rowScale = product.rowScale.map { values[$0.range] }
      for (role, values) in form.pullBack(tensors, gradient) {
        guard let key = table.key(role, ofSiteAt: position), table.tensor(key).trains,
          let reference = layout.tensors[key]
        else { continue }
        gradients[reference.range] = zip(gradients[reference.range], values).map { $0 + $1 }
      }
    }
  }

  /// Turns the gradients of trained tensors, once their norm is known, into what AdamW gets for them. Throws if the numbers of
  /// an adapter that a file gave do not allow it.
  public func precondition(_ gradients: FloatStorage) throws(AdapterError) {
    guard let rule = table.method.design.preconditioner else { return }
    for key in table.tensors where table.tensor(key).trains {
      guard let reference = layout.tensors[key], let position = table.firstUser(of: key) else { continue }
      guard let values = rule(key.role, gradients[reference.range], tensors(ofSiteAt: position)) else {
        throw AdapterError.noInverse(path: table.sites[position].path, method: table.method.name)
      }
      gradients[reference.range] = values
    }
  }

  /// Adds the gradients of what the method adds to the loss for its tensors alone, and returns that.
  public func regularise(_ gradients: FloatStorage) -> Double {
    guard let regulariser = table.method.design.regulariser else { return 0 }
    var loss = 0.0
    for key in table.tensors {
      guard table.tensor(key).trains, let reference = layout.tensors[key], let position = table.firstUser(of: key),
        let penalty = regulariser.penalty(table.tensor(key), self[key], tensors(ofSiteAt: position))
      else { continue }
      loss += penalty.loss
      gradients[reference.range] = zip(gradients[reference.range], penalty.gradient).map { $0 + $1 }
    }
    return loss
  }
}
