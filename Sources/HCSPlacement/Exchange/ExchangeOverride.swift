package import HCSModel

/// An operator's word on a card: `card` does the work of `rate` times `of`. It replaces figures and observations.
package struct ExchangeOverride: Hashable, Sendable {
    package var card: String
    package var of: String
    package var rate: Double
    package var workloadClass: WorkloadClass
    /// nil = every precision that `of` has.
    package var precision: Precision?
    package var source: String
    /// File and line it was read from.
    package var place: String

    package init(
        card: String, of: String, rate: Double, workloadClass: WorkloadClass, precision: Precision?, source: String,
        place: String
    ) {
        self.card = card
        self.of = of
        self.rate = rate
        self.workloadClass = workloadClass
        self.precision = precision
        self.source = source
        self.place = place
    }

    package static let rateRange = 1e-3...1e3
}
