/// How a node is chosen among those where a shape fits. All leave ties to best fit, then to the lower index.
package enum PackingPolicy: String, CaseIterable, Sendable {
    /// Least left free.
    case bestFit = "bestfit"
    /// Fragmentation gradient descent, 100 levels.
    case fragmentation = "fgd"
    /// Expected stranded devices, less the price of scarce room.
    case stranded = "esg"

    package static let standard = PackingPolicy.stranded
}
