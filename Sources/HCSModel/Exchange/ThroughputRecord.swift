/// What one workload was seen to do on one model of card. Two records with the same workload, unit, class and precision
/// compare their cards.
package struct ThroughputRecord: Hashable, Sendable, Codable {
    package struct Key: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
        /// Name of the card in the catalogue.
        package var card: String
        package var workloadClass: WorkloadClass
        package var precision: Precision
        /// What ran, such as `llama3-8b-batch32`.
        package var workload: String
        /// Such as `tokens/s`; higher is better.
        package var unit: String

        package init(
            card: String, workloadClass: WorkloadClass, precision: Precision, workload: String, unit: String
        ) {
            self.card = card
            self.workloadClass = workloadClass
            self.precision = precision
            self.workload = workload
            self.unit = unit
        }

        package static func < (a: Key, b: Key) -> Bool {
            (a.workloadClass.rawValue, a.workload, a.unit, a.precision.rawValue, a.card)
                < (b.workloadClass.rawValue, b.workload, b.unit, b.precision.rawValue, b.card)
        }
        package var description: String { "\(workload) (\(workloadClass.rawValue), \(precision.rawValue)) on \(card)" }
    }

    package var key: Key
    /// The newest, oldest first, in the key's unit for one device; at most `kept`.
    package var values: [Double]
    /// Ever reported.
    package var count: Int
    package var updatedMilliseconds: Int64

    package static let kept = 9
    package static let valueRange = 1e-9...1e15

    package init(key: Key, values: [Double] = [], count: Int = 0, updatedMilliseconds: Int64 = 0) {
        self.key = key
        self.values = values
        self.count = count
        self.updatedMilliseconds = updatedMilliseconds
    }

    package mutating func add(_ value: Double, at now: Int64) {
        values = (values + [value]).suffix(Self.kept)
        count += 1
        updatedMilliseconds = now
    }

    /// Of the newest: four wrong ones of nine do not move it far.
    package var median: Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
