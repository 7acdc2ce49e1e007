import Diagnostics

extension SiteTable {
  /// Throws where an adapted map is not one of the model's, by path and dimensions. `place` names the adapter.
  public func requireFit(modelSites: [Site], place: String) throws {
    let known = Dictionary(modelSites.map { ($0.path, $0) }) { first, _ in first }
    let names = known.keys.sorted()
    var errors: [AdapterFileError] = []
    for site in sites {
      guard let model = known[site.path] else {
        // Of a file that names anything at all, the first few tell what is meant.
        let nearest = errors.count < 10 ? nearestName(to: site.path, among: names) : nil
        errors.append(AdapterFileError(place: place, problem: .unknownModule(site.path, nearest: nearest)))
        continue
      }
      if site != model {
        errors.append(
          AdapterFileError(
            place: place,
            problem: .unfitModule(
              site.path, shape: [site.outFeatures, site.inFeatures], expected: [model.outFeatures, model.inFeatures])))
      }
    }
    try ErrorList.throwIfAny(errors)
  }
}
